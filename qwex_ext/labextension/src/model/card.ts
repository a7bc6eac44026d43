/** A job as a notebook's cell keeps it: what was known when the card was last drawn. See qwex_magics/card.py. */
import { ended, type Job, type Metric, type Why } from '../api/types';

export const CARD = 'application/vnd.qwex.job.v1+json';

/** A run id; see qwex/spec.py. */
const ID = /^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/;

export interface Snapshot extends Job {
  why: Why | null;
  host: string;
  /** What it had logged when it ended. */
  metrics: readonly Metric[];
  /** Names of the values that are in the notebook now. */
  bound: readonly string[];
  /** What qwex is doing for the cell. */
  note: string;
  /** The whole card as one line of text. */
  line: string;
  /** Nobody brought what the job said and gave back since then into the notebook. */
  cut?: boolean;
}

/** The snapshot in a notebook's output; null if it is none. */
export function snapshot(data: unknown): Snapshot | null {
  const given = data as Partial<Snapshot> | null | undefined;
  if (typeof given?.id !== 'string' || !ID.test(given.id) || typeof given.state !== 'string') {
    return null;
  }
  return { ...EMPTY, ...given, metrics: measured(given.metrics) } as Snapshot;
}

/** What is truer: the snapshot, which may be old or ahead of us, or what the controller said. */
export function newest(kept: Snapshot, live: Job | null): Job {
  if (!live || (ended(kept) && !ended(live) && kept.attempt >= live.attempt)) {
    // Where else it can be seen, trackers tell a moment later.
    return live && lacks(kept, live.links, []) ? { ...kept, links: live.links } : kept;
  }
  return live;
}

/** What it logs: of two answers the later one, since trackers may be behind, and may know more. */
export function newestOf(kept: Snapshot, live: readonly Metric[]): readonly Metric[] {
  const known = new Map(kept.metrics.map(metric => [metric.name, metric]));
  for (const metric of measured(live)) {
    const before = known.get(metric.name);
    known.set(metric.name, before && before.ts >= metric.ts ? before : metric);
  }
  return [...known.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Whether there is more to keep than the snapshot has. */
export function lacks(kept: Snapshot, links: Job['links'], metrics: readonly Metric[]): boolean {
  const linked = Object.entries(links ?? {}).some(([name, url]) => kept.links?.[name] !== url);
  const known = new Map(kept.metrics.map(metric => [metric.name, metric.ts]));
  return linked || metrics.some(({ name, ts }) => ts > (known.get(name) ?? -Infinity));
}

/** Those in it that are metrics: what is written to a notebook is read back as it was, or it would be written for ever. */
function measured(given: unknown): Metric[] {
  const number = (value: unknown): boolean => value === null || typeof value === 'number';
  return (Array.isArray(given) ? (given as Metric[]) : []).filter(
    metric =>
      typeof metric?.name === 'string' &&
      number(metric.value) &&
      typeof metric.step === 'number' &&
      Array.isArray(metric.history) &&
      metric.history.every(number)
  );
}

const EMPTY: Partial<Snapshot> = {
  name: '',
  user: '',
  backend: '',
  attempt: 1,
  reason: '',
  message: '',
  exit_code: null,
  started_at: null,
  ended_at: null,
  created_at: 0,
  outputs: [],
  queue: null,
  notebook: null,
  resources: {},
  links: {},
  tags: {},
  why: null,
  host: '',
  metrics: [],
  bound: [],
  note: '',
  line: ''
};

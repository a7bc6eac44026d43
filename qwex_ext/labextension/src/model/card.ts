/** A job as a notebook's cell keeps it: what was known when the card was last drawn. See qwex_magics/card.py. */
import { ended, type Job, type Why } from '../api/types';

export const CARD = 'application/vnd.qwex.job.v1+json';

/** A run id; see qwex/spec.py. */
const ID = /^[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?$/;

export interface Snapshot extends Job {
  why: Why | null;
  host: string;
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
  return { ...EMPTY, ...given } as Snapshot;
}

/** What is truer: the snapshot, which may be old or ahead of us, or what the controller said. */
export function newest(kept: Snapshot, live: Job | null): Job {
  if (!live || (ended(kept) && !ended(live) && kept.attempt >= live.attempt)) {
    return kept;
  }
  return live;
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
  bound: [],
  note: '',
  line: ''
};

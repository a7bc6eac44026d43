/** The controller's API. Knows nothing of who serves it: requests go through the function it is given. */
import { asApiError, refusal } from './problem';
import { frames } from './sse';
import type {
  Counts,
  Event,
  Filter,
  Glance,
  Job,
  JobPage,
  Machine,
  MachineEvent,
  Machines,
  Metric,
  Queues,
  Spec,
  Why
} from './types';

/** Requests a path of the API. */
export type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

/** Which of a job's records; `after` is the last id seen. */
export interface Wanted {
  after?: number;
  follow?: boolean;
  why?: boolean;
  types?: readonly string[];
  /** Of the output only the last so many bytes. */
  tail?: number;
}

/** Every method rejects with an `ApiError`, or with an `AbortError` when its signal was. */
export class Api {
  private _starts = true;

  constructor(private readonly _fetch: Fetch) {}

  /**
   * A person asks: what is asked for next starts a controller of one's own where there is none. What a page asks for by
   * itself, once it has had an answer, never does, since whoever stopped the controller meant to.
   */
  wake(): void {
    this._starts = true;
  }

  async jobs(filter: Filter, limit: number, cursor?: string | null): Promise<JobPage> {
    const { state, ...rest } = filter;
    return this._json(`/jobs?${query({ ...rest, state: state?.join(), limit, cursor })}`);
  }

  async counts(filter: Filter): Promise<Counts> {
    const { state, ...rest } = filter;
    return this._json(`/counts?${query({ ...rest, state: state?.join() })}`);
  }

  async glance(ids: readonly string[]): Promise<Glance[]> {
    const answer = await this._json<{ jobs: Glance[] }>(
      `/glance?${ids.map(id => `id=${encodeURIComponent(id)}`).join('&')}`
    );
    return answer.jobs;
  }

  async job(id: string): Promise<Job> {
    return this._json(path(id));
  }

  /** What the job's code has logged over time, by name. */
  async metrics(id: string): Promise<Metric[]> {
    return (await this._json<{ metrics: Metric[] }>(`${path(id)}/metrics`)).metrics;
  }

  /** What the job's user described, with every default. */
  async spec(id: string): Promise<Spec> {
    return this._json(`${path(id)}/spec`);
  }

  /** The spec as a job file that `qwex submit` takes back. */
  async specText(id: string): Promise<string> {
    this.wake();
    const answer = await this._ask(`${path(id)}/spec`, { headers: { accept: 'application/yaml' } });
    return answer.text();
  }

  /** The notebook that a job runs, as nbformat has it, with its outputs so far. */
  async notebook(id: string): Promise<Record<string, unknown>> {
    this.wake();
    return this._json(`${path(id)}/notebook`);
  }

  /** Asks a job to end; it may take a while to. */
  async cancel(id: string): Promise<Job> {
    return this._json(path(id), { method: 'DELETE' });
  }

  /** The same job again, as a new one, with changes to its spec. */
  async resubmit(id: string, changes: Record<string, unknown> = {}): Promise<Job> {
    return this._json(`${path(id)}/resubmit`, posted({ changes }));
  }

  async queues(): Promise<Queues> {
    return this._json('/queues');
  }

  /** One's own dev machines, oldest first. */
  async machines(): Promise<Machines> {
    return this._json('/machines?user=me');
  }

  /** Has one run, as it was described. */
  async startMachine(id: string): Promise<Machine> {
    return this._json(`${machinePath(id)}/start`, posted({ changes: {} }));
  }

  /** Asks one to end; its home stays. */
  async stopMachine(id: string): Promise<Machine> {
    return this._json(`${machinePath(id)}/stop`, posted({}));
  }

  /** Removes one, and with `purge` its home. */
  async deleteMachine(id: string, purge: boolean): Promise<Machine> {
    return this._json(machinePath(id) + (purge ? '?purge=1' : ''), { method: 'DELETE' });
  }

  /** What became of one, and who asked for what, oldest first. */
  async machineEvents(id: string): Promise<MachineEvent[]> {
    return (await this._json<{ events: MachineEvent[] }>(`${machinePath(id)}/events`)).events;
  }

  /** Why one does not run. */
  async machineWhy(id: string): Promise<Why> {
    return this._json(`${machinePath(id)}/why`);
  }

  async whoami(): Promise<{ user: string; own: boolean }> {
    return this._json('/whoami');
  }

  /** A job's records, to the present end or, followed, to the job's. */
  async *events(id: string, wanted: Wanted, signal?: AbortSignal): AsyncGenerator<Event> {
    const { follow = true, why, types, ...rest } = wanted;
    const asked = query({ ...rest, follow: follow ? 1 : 0, why: why ? 1 : undefined, types: types?.join() });
    const response = await this._ask(`${path(id)}/events?${asked}`, {
      signal,
      headers: { accept: 'text/event-stream' }
    });
    if (response.body) {
      for await (const frame of frames(response.body)) {
        yield event(frame.id, frame.event, frame.data);
      }
    }
  }

  private async _json<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await this._ask(path, init);
    return response.json().catch((error: unknown) => Promise.reject(asApiError(error)));
  }

  private async _ask(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!this._starts && !init.method) {
      headers.set('qwex-start', 'no');
    }
    const response = await this._fetch(path, { ...init, headers }).catch((error: unknown) =>
      Promise.reject(init.signal?.aborted ? error : asApiError(error))
    );
    this._starts = false;
    if (!response.ok) {
      throw await refusal(response);
    }
    return response;
  }
}

/** The path of a job. Ids also come from notebooks of strangers, so they are never taken as paths. */
export function path(id: string): string {
  return `/jobs/${encodeURIComponent(id)}`;
}

function machinePath(id: string): string {
  return `/machines/${encodeURIComponent(id)}`;
}

function posted(body: unknown): RequestInit {
  return { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
}

function query(fields: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return given.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&');
}

function event(id: string, type: string, text: string): Event {
  const data = JSON.parse(text) as Record<string, unknown>;
  return { id: Number(id) || 0, type, ts: Number(data.ts ?? 0), attempt: Number(data.attempt ?? 1), data };
}

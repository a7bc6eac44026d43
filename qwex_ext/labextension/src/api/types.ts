/** The API's shapes under short names; `schema.ts` is made from `clients/openapi.json` by the build. */
import type { components } from './schema';

type Schemas = components['schemas'];

export type Glance = Schemas['Glance'];
export type Job = Schemas['JobRecord'];
export type Machine = Schemas['MachineRecord'];
export type MachineEvent = Schemas['MachineEvent'];
export type MachineState = Schemas['MachineState'];
export type Machines = Schemas['Machines'];
export type Metric = Schemas['Metric'];
export type JobPage = Schemas['JobPage'];
export type JobState = Schemas['JobState'];
export type Problem = Schemas['Problem'];
export type Queue = Schemas['QueueInfo'];
export type Queues = Schemas['Queues'];
export type QuotaLine = Schemas['QuotaLine'];
export type Spec = Schemas['JobSpec'];
export type Why = Schemas['Why'];

/** Jobs by state. */
export type Counts = Record<JobState, number>;

/** Which jobs a list shows, as `GET /jobs` takes it. */
export interface Filter {
  user?: string;
  state?: readonly JobState[];
  match?: string;
  order?: 'created' | 'ended';
}

/** One record of a job's story; `data` holds what is particular to its type. See qwex/events.py. */
export interface Event {
  /** Rises by one per job; 0 for what is no record, such as `why`. */
  id: number;
  type: string;
  ts: number;
  attempt: number;
  data: Record<string, unknown>;
}

export const WAITING: readonly JobState[] = ['PENDING', 'QUEUED', 'ADMITTED'];
export const RUNNING: readonly JobState[] = ['RUNNING'];
export const ENDED: readonly JobState[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

/** Whether the job has ended. */
export function ended(job: { state: JobState }): boolean {
  return ENDED.includes(job.state);
}

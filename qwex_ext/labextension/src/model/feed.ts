/** Where the model hears of changes: Jupyter's event bus, or the controller's own stream. */
import type { ApiError } from '../api/problem';
import type { JobState, MachineState } from '../api/types';

/** A job has changed. Only what everybody who listens may know; the record has the rest. */
export interface JobNews {
  kind: 'job';
  id: string;
  name: string;
  user: string;
  state: JobState;
  reason: string;
  attempt: number;
}

/** A dev machine has changed. */
export interface MachineNews {
  kind: 'machine';
  id: string;
  name: string;
  user: string;
  /** Null when it is no more. */
  state: MachineState | null;
  reason: string;
}

export type News =
  | JobNews
  | MachineNews
  /** News come from now on; what happened before has to be asked for. */
  | { kind: 'connected' }
  /** None come until `connected`; `problem` says why, null where there is nothing to hear of yet. */
  | { kind: 'silent'; problem: ApiError | null }
  /** Something that people should read once. */
  | { kind: 'notice'; notice: string };

export interface Feed {
  /** Whether news come. */
  readonly connected: boolean;
  subscribe(listener: (news: News) => void): () => void;
}

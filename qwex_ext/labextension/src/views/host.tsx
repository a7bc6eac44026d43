/** What the views need of the application they are in, and how they get at it. */
import React, { createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import type { Job, Machine } from '../api/types';
import type { Board } from '../model/board';
import type { Observable } from '../model/observable';
import type { Output } from '../model/outputs';

/** Translations, as gettext has them. */
export interface Words {
  __(text: string, ...values: unknown[]): string;
  _n(one: string, many: string, count: number, ...values: unknown[]): string;
}

export type Tab = 'overview' | 'logs' | 'outputs' | 'files' | 'spec' | 'events';

export interface Host {
  readonly trans: Words;
  /** The address of a path of the API, to download from. */
  link(path: string): string;
  /** Opens a job's page. */
  openJob(job: Pick<Job, 'id' | 'name'>, tab?: Tab): void;
  /** Shows the cell that a job came from; null where that cannot be done. */
  readonly openCell: ((job: Job) => void) | null;
  /** Brings what a job said and gave back into the notebook; null where that cannot be done. */
  readonly attach: ((job: Job) => void) | null;
  /** Saves the notebook that a job runs, with its outputs so far, and opens it; null where that cannot be done. */
  readonly openNotebook: ((job: Job) => void) | null;
  /** Lets a person describe a job; null where there is no such form. */
  readonly runCell: (() => void) | null;
  /** Lets a person describe a new machine; null where there is no such form. */
  readonly createMachine: (() => void) | null;
  /** Opens a new notebook whose kernel runs on that machine; null where there is no such kernel. */
  notebookOn(machine: Machine): (() => void) | null;
  /** Has ssh on the server's machine know one's machines as they are now. */
  knowMachines(): Promise<void>;
  confirm(title: string, body: string, verb: string): Promise<boolean>;
  /** The same with something to choose beside it; null when it is not to be done. */
  confirmWith(title: string, body: string, verb: string, choice: string): Promise<{ chosen: boolean } | null>;
  /** Says something in passing. */
  say(text: string, error?: boolean): void;
  copy(text: string): void;
  /** A row is dragged: what is dropped into a notebook. */
  drag(job: Job, event: React.DragEvent): void;
  /** Draws outputs as the application draws a cell's. */
  readonly Outputs: React.ComponentType<{ outputs: readonly Output[] }>;
}

const Hosts = createContext<{ host: Host; board: Board } | null>(null);

/** Gives the views below it the application and the model. */
export function Provide(props: { host: Host; board: Board; children: React.ReactNode }): JSX.Element {
  const { host, board, children } = props;
  const [value] = useState({ host, board });
  return <Hosts.Provider value={value}>{children}</Hosts.Provider>;
}

export function useQwex(): { host: Host; board: Board } {
  const found = useContext(Hosts);
  if (!found) {
    throw new Error('a view stands outside of Provide');
  }
  return found;
}

export function useWords(): Words {
  return useQwex().host.trans;
}

/** Draws again whenever `observed` has changed. */
export function useObserved<T extends Observable>(observed: T): T {
  useSyncExternalStore(observed.subscribe, observed.version);
  return observed;
}

/** While the view is there, it counts as someone who looks at `shown`. */
export function useShown(shown: { show(): () => void }): void {
  useEffect(() => shown.show(), [shown]);
}

/** The time in milliseconds, anew every `period` while the view is there; ages and durations go on. */
export function useNow(period: number | null): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (period === null) {
      return undefined;
    }
    const timer = setInterval(() => document.hidden || setNow(Date.now()), period);
    return () => clearInterval(timer);
  }, [period]);
  return now;
}

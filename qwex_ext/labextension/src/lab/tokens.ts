/** What the plugins share. */
import { Token } from '@lumino/coreutils';
import type { Host } from '../views/host';
import type { Board } from '../model/board';
import type { Mine } from '../model/mine';

export interface Qwex {
  readonly board: Board;
  readonly mine: Mine;
  readonly host: Host;
}

export const IQwex = new Token<Qwex>('qwex:IQwex', "qwex's jobs and queues, and what views of them need.");

export const Commands = {
  panel: 'qwex:open-panel',
  dashboard: 'qwex:open-jobs',
  job: 'qwex:open-job',
  link: 'qwex:open-link',
  cell: 'qwex:run-cell',
  showCell: 'qwex:show-cell',
  file: 'qwex:run-file',
  notebook: 'qwex:run-notebook',
  openNotebook: 'qwex:open-notebook',
  attach: 'qwex:attach',
  createMachine: 'qwex:create-machine',
  machineNotebook: 'qwex:machine-notebook'
} as const;

/** The id of the server extension's settings; see schema/. */
export const SETTINGS = 'qwex:plugin';

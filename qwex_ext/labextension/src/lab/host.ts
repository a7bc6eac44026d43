/** JupyterLab, as the views see it. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';
import type React from 'react';
import { refusal } from '../api/problem';
import type { Job, Machine } from '../api/types';
import type { Output } from '../model/outputs';
import type { Host, Tab } from '../views/host';
import { addressOf, request } from './requests';
import { Commands } from './tokens';

/** Milliseconds that what is said in passing stays. */
const PASSING = 5000;

export class LabHost implements Host {
  constructor(
    private readonly _app: JupyterFrontEnd,
    readonly trans: TranslationBundle,
    readonly Outputs: React.ComponentType<{ outputs: readonly Output[] }>
  ) {}

  readonly link = (path: string): string => addressOf(this._app.serviceManager.serverSettings, path);

  readonly openJob = (job: Pick<Job, 'id' | 'name'>, tab?: Tab): void => {
    void this._app.commands.execute(Commands.job, { id: job.id, name: job.name, ...(tab ? { tab } : {}) });
  };

  get openCell(): ((job: Job) => void) | null {
    const { commands } = this._app;
    return commands.hasCommand(Commands.showCell)
      ? job => void commands.execute(Commands.showCell, { path: job.notebook?.path, cell: job.notebook?.cell_id })
      : null;
  }

  get attach(): ((job: Job) => void) | null {
    const { commands } = this._app;
    return commands.hasCommand(Commands.attach)
      ? ({ id, outputs, notebook }) =>
          void commands.execute(Commands.attach, { id, outputs: outputs?.join() ?? '', cell: notebook?.cell_id ?? '' })
      : null;
  }

  get openNotebook(): ((job: Job) => void) | null {
    const { commands } = this._app;
    return commands.hasCommand(Commands.openNotebook)
      ? job => void commands.execute(Commands.openNotebook, { id: job.id, path: job.notebook?.path })
      : null;
  }

  get runCell(): (() => void) | null {
    const { commands } = this._app;
    return commands.hasCommand(Commands.cell) ? () => void commands.execute(Commands.cell) : null;
  }

  get createMachine(): (() => void) | null {
    const { commands } = this._app;
    return commands.hasCommand(Commands.createMachine) ? () => void commands.execute(Commands.createMachine) : null;
  }

  readonly notebookOn = ({ name }: Machine): (() => void) | null => {
    const { commands } = this._app;
    const there =
      commands.hasCommand(Commands.machineNotebook) && commands.isVisible(Commands.machineNotebook, { name });
    return there ? () => void commands.execute(Commands.machineNotebook, { name }) : null;
  };

  readonly knowMachines = async (): Promise<void> => {
    const { serverSettings } = this._app.serviceManager;
    const response = await request(serverSettings, 'qwex/machines/ssh', { method: 'POST', body: '{}' });
    if (!response.ok) {
      throw await refusal(response);
    }
    const { note } = (await response.json()) as { note: string };
    note && this.say(note, true);
  };

  readonly confirmWith = async (
    title: string,
    body: string,
    verb: string,
    choice: string
  ): Promise<{ chosen: boolean } | null> => {
    const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: verb })];
    const { button, isChecked } = await showDialog({ title, body, buttons, checkbox: { label: choice } });
    return button.accept ? { chosen: isChecked === true } : null;
  };

  readonly confirm = async (title: string, body: string, verb: string): Promise<boolean> => {
    const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: verb })];
    return (await showDialog({ title, body, buttons })).button.accept;
  };

  readonly say = (text: string, error = false): void => {
    Notification.emit(text, error ? 'error' : 'info', { autoClose: error ? false : PASSING });
  };

  readonly copy = (text: string): void => {
    Clipboard.copyToSystem(text);
    this.say(this.trans.__('Copied: %1', text.length > 60 ? `${text.slice(0, 60)}…` : text));
  };

  /** Dropped into a notebook it is a cell, into an editor it is text. */
  readonly drag = (job: Job, event: React.DragEvent): void => {
    event.preventDefault();
    const text = `import qwex\n\njob = qwex.attach(${JSON.stringify(job.id)})`;
    const mimeData = new MimeData();
    const cell = { cell_type: 'code', source: text, metadata: {}, outputs: [], execution_count: null };
    mimeData.setData('application/vnd.jupyter.cells', [cell]);
    mimeData.setData('text/plain', text);
    const dragImage = document.createElement('div');
    dragImage.className = 'qwex-Dragged jp-ThemedContainer';
    dragImage.textContent = job.name;
    const drag = new Drag({ mimeData, dragImage, supportedActions: 'copy', proposedAction: 'copy', source: this });
    void drag.start(event.clientX, event.clientY).then(() => drag.dispose());
  };
}

/** The path of a notebook from the root of the server's files, as a job may have it whole; null outside of that. */
export function serverPath(path: string): string | null {
  const given = PageConfig.getOption('qwexRoot');
  const root = given.replace(/\/$/, '');
  if (!path.startsWith('/')) {
    return path || null;
  }
  return given && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : null;
}

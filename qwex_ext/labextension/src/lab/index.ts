/** The plugins, each with what it cannot do without; everything else is optional, since other shells lack it. */
import { ILayoutRestorer, IRouter, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from '../api/client';
import { Board } from '../model/board';
import { Mine } from '../model/mine';
import { attempt } from '../views/actions';
import { addCards } from './card';
import { attach, runCell, showCell } from './cells';
import { BusFeed } from './feed';
import { runFile, saveNotebook } from './files';
import { LabHost, serverPath } from './host';
import { qwexIcon } from './icons';
import { addMachines } from './machines';
import { addNotifications, type Wishes } from './notifications';
import { outputsWith } from './outputs';
import { Pages } from './pages';
import { apiOf } from './requests';
import { addRunning } from './running';
import { sidebar } from './sidebar';
import { addStatus } from './status';
import { Commands, IQwex, SETTINGS, type Qwex } from './tokens';

/** Among the sidebars that are not JupyterLab's own. */
const RANK = 600;

const model: JupyterFrontEndPlugin<Qwex> = {
  id: 'qwex:model',
  description: 'What is known of jobs, machines and queues, for every view of them.',
  autoStart: true,
  provides: IQwex,
  requires: [IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, rendermime: IRenderMimeRegistry, translator: ITranslator | null): Qwex => {
    const { serverSettings, events } = app.serviceManager;
    const feed = new BusFeed(serverSettings, events.stream);
    const board = new Board(new Api(apiOf(serverSettings)), feed);
    const mine = new Mine(board);
    const host = new LabHost(app, (translator ?? nullTranslator).load('qwex'), outputsWith(rendermime));
    document.addEventListener('visibilitychange', () => board.turn(document.hidden));
    void app.restored.then(() => feed.start());
    return { board, mine, host };
  }
};

const cards: JupyterFrontEndPlugin<void> = {
  id: 'qwex:cards',
  description: 'Draws the cards of jobs under their cells.',
  autoStart: true,
  requires: [IQwex, IRenderMimeRegistry],
  activate: (_: JupyterFrontEnd, qwex: Qwex, rendermime: IRenderMimeRegistry): void => addCards(qwex, rendermime)
};

const panel: JupyterFrontEndPlugin<void> = {
  id: 'qwex:panel',
  description: 'The sidebar with jobs, machines and queues.',
  autoStart: true,
  requires: [IQwex],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    qwex: Qwex,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ): void => {
    const { trans } = qwex.host;
    app.commands.addCommand(Commands.panel, {
      label: trans.__('Show Jobs and Queues'),
      icon: qwexIcon,
      execute: () => {
        app.shell.activateById('qwex-sidebar');
        // Who came by the keyboard goes on there.
        requestAnimationFrame(() => document.querySelector<HTMLElement>('#qwex-sidebar input')?.focus());
      }
    });
    palette?.addItem({ command: Commands.panel, category: trans.__('Jobs') });
    // The sidebar has a button for the table of all jobs, whose command comes with the pages.
    void app.started.then(() => {
      const widget = sidebar(app, qwex, translator ?? nullTranslator);
      app.shell.add(widget, 'left', { rank: RANK });
      restorer?.add(widget, widget.id);
    });
  }
};

const pages: JupyterFrontEndPlugin<void> = {
  id: 'qwex:pages',
  description: 'The pages of jobs and the table of all of them.',
  autoStart: true,
  requires: [IQwex],
  optional: [ILayoutRestorer, ICommandPalette, ILauncher, IRouter],
  activate: (
    app: JupyterFrontEnd,
    qwex: Qwex,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    router: IRouter | null
  ): void => {
    const { trans } = qwex.host;
    const opened = new Pages(app, qwex);
    app.commands.addCommand(Commands.job, {
      label: trans.__('Open a Job'),
      icon: qwexIcon,
      execute: args => opened.openJob(args)
    });
    app.commands.addCommand(Commands.dashboard, {
      label: args => (args.toolbar ? '' : trans.__('All Jobs')),
      caption: trans.__('All jobs in a table'),
      icon: qwexIcon,
      execute: () => opened.openTable()
    });
    app.commands.addCommand(Commands.link, {
      execute: args => opened.openJob({ id: new URLSearchParams(String(args.search ?? '')).get('qwex-job') ?? '' })
    });
    router?.register({ command: Commands.link, pattern: /[?&]qwex-job=[a-z0-9-]+/ });
    restorer && opened.restore(restorer);
    palette?.addItem({ command: Commands.dashboard, category: trans.__('Jobs') });
    launcher?.add({ command: Commands.dashboard, category: trans.__('Other'), rank: 10 });
  }
};

const cells: JupyterFrontEndPlugin<void> = {
  id: 'qwex:cells',
  description: 'Runs cells and whole notebooks as jobs.',
  autoStart: true,
  requires: [IQwex],
  optional: [INotebookTracker, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    qwex: Qwex,
    notebooks: INotebookTracker | null,
    palette: ICommandPalette | null
  ): void => {
    if (!notebooks) {
      return;
    }
    const { commands } = app;
    const { trans } = qwex.host;
    const isEnabled = (): boolean => notebooks.currentWidget !== null;
    commands.addCommand(Commands.cell, {
      label: trans.__('Run Cell as a Job…'),
      caption: trans.__('Run this cell as a job'),
      icon: qwexIcon,
      isEnabled,
      execute: () => runCell(qwex, notebooks)
    });
    commands.addCommand(Commands.showCell, {
      execute: async ({ path, cell }) => {
        const found = serverPath(String(path));
        if (!found) {
          return qwex.host.say(trans.__('%1 is not among the files of this server.', String(path)), true);
        }
        const opened = (await commands.execute('docmanager:open', { path: found })) as NotebookPanel;
        await showCell(opened, String(cell));
      }
    });
    commands.addCommand(Commands.notebook, {
      label: trans.__('Run Notebook as a Job…'),
      caption: trans.__('Run this notebook as a job'),
      icon: qwexIcon,
      isEnabled,
      execute: async () => {
        const context = notebooks.currentWidget?.context;
        if (context) {
          context.model.dirty && (await context.save());
          await runFile(qwex, app.serviceManager, context.path);
        }
      }
    });
    commands.addCommand(Commands.attach, {
      execute: async ({ id, outputs, cell }) => {
        const panel = notebooks.currentWidget;
        panel && (await attach(qwex, panel, String(id), String(outputs), String(cell)));
      }
    });
    commands.addCommand(Commands.openNotebook, {
      execute: ({ id, path }) =>
        attempt(qwex.host, async () => {
          const source = String(path ?? '');
          const saved = await saveNotebook(qwex, app.serviceManager, notebooks, String(id), source);
          await commands.execute('docmanager:open', { path: saved });
        })
    });
    [Commands.cell, Commands.notebook].forEach(command => palette?.addItem({ command, category: trans.__('Jobs') }));
  }
};

const files: JupyterFrontEndPlugin<void> = {
  id: 'qwex:files',
  description: 'Runs scripts and notebooks of the file browser as jobs.',
  autoStart: true,
  requires: [IQwex],
  optional: [IFileBrowserFactory],
  activate: (app: JupyterFrontEnd, qwex: Qwex, factory: IFileBrowserFactory | null): void => {
    if (!factory) {
      return;
    }
    const { trans } = qwex.host;
    app.commands.addCommand(Commands.file, {
      label: trans.__('Run as a Job…'),
      icon: qwexIcon,
      execute: async () => {
        for (const item of [...(factory.tracker.currentWidget?.selectedItems() ?? [])]) {
          await runFile(qwex, app.serviceManager, item.path);
        }
      }
    });
  }
};

const machines: JupyterFrontEndPlugin<void> = {
  id: 'qwex:machines',
  description: 'Makes dev machines, and notebooks that run on them.',
  autoStart: true,
  requires: [IQwex],
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, qwex: Qwex, palette: ICommandPalette | null): void => addMachines(app, qwex, palette)
};

const running: JupyterFrontEndPlugin<void> = {
  id: 'qwex:running',
  description: 'Shows jobs among the running kernels and terminals.',
  autoStart: true,
  requires: [IQwex],
  optional: [IRunningSessionManagers],
  activate: (_: JupyterFrontEnd, qwex: Qwex, managers: IRunningSessionManagers | null): void => {
    managers && addRunning(qwex, managers);
  }
};

const status: JupyterFrontEndPlugin<void> = {
  id: 'qwex:status',
  description: 'Counts jobs in the status bar.',
  autoStart: true,
  requires: [IQwex],
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, qwex: Qwex, bar: IStatusBar | null): void => {
    bar && addStatus(app, qwex, bar);
  }
};

const settings: JupyterFrontEndPlugin<void> = {
  id: SETTINGS,
  description: 'Settings, and notifications of jobs that have ended.',
  autoStart: true,
  requires: [IQwex],
  optional: [ISettingRegistry],
  activate: (app: JupyterFrontEnd, qwex: Qwex, registry: ISettingRegistry | null): void => {
    let wishes: Wishes = { notify: 'all', notifyAfter: 30 };
    addNotifications(qwex, () => wishes);
    // The page is there sooner when nothing waits for them.
    void app.restored.then(async () => {
      const read = await registry?.load(SETTINGS);
      const take = (): void => {
        wishes = { ...wishes, ...(read?.composite as Partial<Wishes>) };
      };
      read?.changed.connect(take);
      take();
    });
  }
};

export default [model, cards, panel, pages, cells, files, machines, running, status, settings];

/** The pages of jobs and the table of all, as tabs that a reload of the page brings back. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { SplitPanel, type Widget } from '@lumino/widgets';
import React from 'react';
import { Followed } from '../model/followed';
import { Dashboard } from '../views/dashboard';
import type { Tab } from '../views/host';
import { Page } from '../views/page';
import { qwexIcon } from './icons';
import { Commands, type Qwex } from './tokens';
import { View } from './widgets';

/** A job's page. */
class JobView extends View {
  private _tab: Tab;

  constructor(
    qwex: Qwex,
    readonly job: string,
    tab: Tab
  ) {
    const followed = new Followed(qwex.board, job);
    super(qwex, () => <Page followed={followed} tab={this._tab} onTab={next => this.turn(next)} />, 'qwex-JobView');
    this._tab = tab;
  }

  get tab(): Tab {
    return this._tab;
  }

  turn(tab: Tab): void {
    this._tab = tab;
    this.update();
    this.turned();
  }

  /** Called after a turn to another tab. */
  turned: () => void = () => undefined;
}

/** Pixels below which nothing can be read. */
const LOW = 100;

type JobArgs = { id?: string; name?: string; tab?: Tab };

export class Pages {
  private readonly _jobs = new WidgetTracker<MainAreaWidget<JobView>>({ namespace: 'qwex-job' });
  private readonly _tables = new WidgetTracker<MainAreaWidget>({ namespace: 'qwex-jobs' });

  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _qwex: Qwex
  ) {}

  restore(restorer: ILayoutRestorer): void {
    void restorer.restore(this._jobs, {
      command: Commands.job,
      args: ({ content, title }) => ({ id: content.job, name: title.label, tab: content.tab }),
      name: ({ content }) => content.job
    });
    void restorer.restore(this._tables, { command: Commands.dashboard, name: () => 'jobs' });
  }

  openJob({ id, name, tab }: JobArgs): void {
    if (!id) {
      return;
    }
    const open = this._jobs.find(({ content }) => content.job === id);
    if (open && tab) {
      open.content.turn(tab);
    }
    this._show(open ?? this._newJob(id, name || id, tab ?? 'overview'));
  }

  openTable(): void {
    this._show(this._tables.currentWidget ?? this._newTable());
  }

  private _newJob(id: string, name: string, tab: Tab): MainAreaWidget {
    const widget = new MainAreaWidget({ content: new JobView(this._qwex, id, tab) });
    widget.id = `qwex-job-${id}`;
    widget.title.label = name;
    widget.title.caption = id;
    void this._jobs.add(widget);
    widget.content.turned = () => void this._jobs.save(widget);
    return this._titled(widget);
  }

  private _newTable(): MainAreaWidget {
    const list = this._qwex.board.all;
    const widget = new MainAreaWidget({
      content: new View(this._qwex, () => <Dashboard list={list} />, 'qwex-JobsView')
    });
    widget.id = 'qwex-jobs';
    widget.title.label = this._qwex.host.trans.__('Jobs');
    void this._tables.add(widget);
    return this._titled(widget);
  }

  private _titled(widget: MainAreaWidget): MainAreaWidget {
    widget.title.icon = qwexIcon;
    widget.title.closable = true;
    return widget;
  }

  private _show(widget: MainAreaWidget): void {
    const { shell } = this._app;
    if (!widget.isAttached) {
      // Notebook 7 has room for one document, and shows what belongs to it below.
      shell.add(widget, 'main', { mode: 'tab-after' });
      widget.isAttached || shell.add(widget, 'down');
    }
    shell.activateById(widget.id);
    requestAnimationFrame(() => makeRoom(widget));
  }
}

/** A panel that is only as high as its tabs, as Notebook 7 shows the first one, gets a part of the window. */
function makeRoom(widget: Widget): void {
  const above = (from: Widget | null): Widget | null =>
    !from || from instanceof SplitPanel ? from : above(from.parent);
  const split = above(widget);
  if (split instanceof SplitPanel && split.orientation === 'vertical' && widget.node.clientHeight < LOW) {
    split.setRelativeSizes([1, 1]);
  }
}

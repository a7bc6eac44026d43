/** Cells of a notebook as jobs. */
import { Dialog, showDialog, type ISessionContext } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { NotebookActions } from '@jupyterlab/notebook';
import { isJob, read, remove, write, type Asked } from '../model/magic';
import { JobForm } from '../views/form';
import React from 'react';
import type { Qwex } from './tokens';
import { View } from './widgets';

const LOAD = "get_ipython().extension_manager.load_extension('qwex_magics')";
const LINE = '%load_ext qwex_magics';

/** Lets a person say what the active cell needs, and runs it as a job. */
export async function runCell(qwex: Qwex, notebooks: INotebookTracker): Promise<void> {
  const panel = notebooks.currentWidget;
  const cell = panel?.content.activeCell;
  if (!panel || cell?.model.type !== 'code') {
    qwex.host.say(qwex.host.trans.__('Select a code cell first.'));
    return;
  }
  const source = cell.model.sharedModel.getSource();
  const chosen = await ask(qwex, source);
  if (!chosen) {
    return;
  }
  cell.model.sharedModel.setSource(chosen.source);
  isJob(chosen.source) && remember(panel);
  if (chosen.run) {
    loadMagics(qwex, panel.sessionContext);
    await NotebookActions.run(panel.content, panel.sessionContext);
  }
}

async function ask(qwex: Qwex, source: string): Promise<{ source: string; run: boolean } | null> {
  const { trans } = qwex.host;
  let asked: Asked = read(source);
  const body = new View(qwex, () => <JobForm asked={asked} onChange={next => (asked = next)} />, 'qwex-FormView');
  const { button } = await showDialog({
    title: trans.__('Run this cell as a job'),
    body,
    focusNodeSelector: 'input',
    buttons: [
      Dialog.cancelButton(),
      ...(isJob(source)
        ? [Dialog.createButton({ label: trans.__('No job any more'), actions: ['remove'], accept: true })]
        : []),
      Dialog.createButton({ label: trans.__('Only add the line'), actions: ['write'], accept: true }),
      Dialog.okButton({ label: trans.__('Run'), actions: ['run'] })
    ]
  });
  if (!button.accept) {
    return null;
  }
  const removes = button.actions.includes('remove');
  return {
    source: removes ? remove(source) : write(source, asked),
    run: !removes && !button.actions.includes('write')
  };
}

/** Whoever runs the notebook from its start, or opens it elsewhere, needs that line in it. */
function remember({ content }: NotebookPanel): void {
  const model = content.model?.sharedModel;
  if (model && !model.cells.some(cell => cell.getSource().includes(LINE))) {
    const at = content.activeCellIndex;
    model.insertCell(0, { cell_type: 'code', source: LINE });
    content.activeCellIndex = at + 1;
  }
}

/** The kernel knows `%%qwex` before the cell comes to it; it runs one request after the other. */
function loadMagics(qwex: Qwex, session: ISessionContext): void {
  const kernel = session.session?.kernel;
  const loading = kernel?.requestExecute({ code: LOAD, silent: true, store_history: false });
  void loading?.done.then(({ content }) => {
    if (content.status === 'error') {
      const missing = content.ename === 'ModuleNotFoundError';
      const help = qwex.host.trans.__(
        "The kernel's Python has no qwex. Run in a cell: %1",
        "%pip install 'qwex[jupyter]'"
      );
      qwex.host.say(missing ? help : `${content.ename}: ${content.evalue}`, true);
    }
  });
}

/** Replays a job below its cell, and binds its values there; `outputs` are their names with commas between them. */
export async function attach(
  qwex: Qwex,
  panel: NotebookPanel,
  job: string,
  outputs: string,
  cell: string
): Promise<void> {
  const { content, sessionContext } = panel;
  const at = content.widgets.findIndex(widget => widget.model.id === cell);
  content.activeCellIndex = at >= 0 ? at : content.activeCellIndex;
  NotebookActions.insertBelow(content);
  content.activeCell?.model.sharedModel.setSource(`%qwex attach ${job}${outputs ? ` -o ${outputs}` : ''}`);
  loadMagics(qwex, sessionContext);
  await NotebookActions.run(content, sessionContext);
}

/** Shows the cell with that id in an open notebook. */
export async function showCell(panel: NotebookPanel, id: string): Promise<void> {
  await panel.context.ready;
  await panel.revealed;
  const { content } = panel;
  const at = content.widgets.findIndex(cell => cell.model.id === id);
  if (at >= 0) {
    content.activeCellIndex = at;
    await content.scrollToItem(at, 'center');
  }
}

/** How many of one's own jobs run and wait, in the status bar; nothing where there are none. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import React from 'react';
import { joined } from '../views/words';
import { qwexIcon } from './icons';
import { Commands, type Qwex } from './tokens';

class Status extends ReactWidget {
  readonly changed = new Signal<this, void>(this);

  constructor(
    private readonly _qwex: Qwex,
    private readonly _open: () => void
  ) {
    super();
    this.addClass('qwex-Status');
    _qwex.mine.subscribe(() => {
      this.changed.emit();
      this.update();
    });
  }

  get any(): boolean {
    return this._qwex.mine.jobs.size > 0;
  }

  protected render(): JSX.Element {
    const { mine, host } = this._qwex;
    const { trans } = host;
    const running = mine.running ? trans.__('%1 running', mine.running) : '';
    const waiting = mine.waiting ? trans.__('%1 waiting', mine.waiting) : '';
    return (
      <button type="button" title={trans.__('Your jobs; click for all of them')} onClick={this._open}>
        <qwexIcon.react tag="span" width="16px" />
        <span>{joined(running, waiting)}</span>
      </button>
    );
  }
}

export function addStatus(app: JupyterFrontEnd, qwex: Qwex, bar: IStatusBar): void {
  const item = new Status(qwex, () => void app.commands.execute(Commands.panel));
  bar.registerStatusItem('qwex:status', {
    item,
    align: 'left',
    rank: 20,
    isActive: () => item.any,
    activeStateChanged: item.changed
  });
}

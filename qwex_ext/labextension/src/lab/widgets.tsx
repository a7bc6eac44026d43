/** Views as widgets of Lumino's, drawn only while they can be seen. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';
import { Provide } from '../views/host';
import type { Qwex } from './tokens';

export class View extends ReactWidget {
  constructor(
    private readonly _qwex: Qwex,
    private readonly _view: () => JSX.Element,
    className = ''
  ) {
    super();
    this.addClass('qwex-View');
    className && this.addClass(className);
  }

  protected render(): JSX.Element | null {
    const { host, board } = this._qwex;
    return this.isVisible ? (
      <Provide host={host} board={board}>
        {this._view()}
      </Provide>
    ) : null;
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.update();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.update();
  }
}

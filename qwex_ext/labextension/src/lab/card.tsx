/** Draws the cards of jobs in the outputs of cells. */
import type { IRenderMime } from '@jupyterlab/rendermime';
import React from 'react';
import { ended, type Job, type Metric } from '../api/types';
import { CARD, snapshot, type Snapshot } from '../model/card';
import { Card } from '../views/card';
import { Guard } from '../views/guard';
import { headline, joined } from '../views/words';
import type { Qwex } from './tokens';
import { View } from './widgets';

/** Before every other drawing of the same output: the widget's is at -10. */
const RANK = -20;

export function addCards(
  qwex: Qwex,
  rendermime: { addFactory(factory: IRenderMime.IRendererFactory, rank?: number): void }
): void {
  rendermime.addFactory({ safe: true, mimeTypes: [CARD], createRenderer: () => new CardView(qwex) }, RANK);
}

class CardView extends View implements IRenderMime.IRenderer {
  private _kept: Snapshot | null = null;
  private _model: IRenderMime.IMimeModel | null = null;

  constructor(private readonly _its: Qwex) {
    super(_its, () => this._card(), 'qwex-CardView');
  }

  /** Notebooks come from strangers, and so does what stands in them. */
  private _card(): JSX.Element {
    const text = String(this._model?.data['text/plain'] ?? '');
    return <Guard text={text}>{this._kept ? <Card kept={this._kept} onNews={this._keep} /> : <pre>{text}</pre>}</Guard>;
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._model = model;
    this._kept = snapshot(model.data[CARD]);
    this.update();
    await this.renderPromise;
  }

  /** The controller knows of the job what the notebook does not say: a saved one must be right without it. */
  private readonly _keep = (job: Job, metrics: readonly Metric[]): void => {
    const kept = this._kept!;
    if (ended(kept)) {
      this._write({ ...this._model?.data, [CARD]: { ...kept, links: job.links, metrics } });
      return;
    }
    const line = joined(job.id, headline(job, null, Date.now(), this._its.host.trans));
    const over = { ...kept, ...job, metrics, why: null, note: '', line, cut: true };
    this._write({ [CARD]: over, 'text/plain': line });
  };

  private _write(data: Record<string, unknown>): void {
    this._model?.setData({ data: data as never });
  }
}

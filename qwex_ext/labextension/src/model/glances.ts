/** What rows show beside the record (last line, progress, why it waits), asked for together while they are on screen. */
import type { Api } from '../api/client';
import type { Glance } from '../api/types';
import { Repeated, backOff } from './clock';
import { Observable } from './observable';

const EVERY = 2000;
const SOON = 50;
const MOST = 100;

export class Glances extends Observable {
  private readonly _known = new Map<string, Glance>();
  private readonly _wanted = new Map<string, number>();
  private readonly _asking = new Repeated(
    () => this._ask(),
    failures => (failures ? backOff(failures + 1) : EVERY)
  );
  private _starting = false;

  constructor(private readonly _api: Api) {
    super();
  }

  get(id: string): Glance | undefined {
    return this._known.get(id);
  }

  /** A row of a job that has not ended is on screen, until the function this gives back is called. */
  want(id: string): () => void {
    this._wanted.set(id, (this._wanted.get(id) ?? 0) + 1);
    if (!this._known.has(id) || !this._asking.running) {
      this.soon();
    }
    return () => this._release(id);
  }

  /** Asks in a moment: rows that come together are asked for together. */
  soon(): void {
    if (!this._starting) {
      this._starting = true;
      setTimeout(() => {
        this._starting = false;
        if (this._wanted.size) {
          this._asking.start();
        }
      }, SOON);
    }
  }

  private _release(id: string): void {
    const left = (this._wanted.get(id) ?? 1) - 1;
    if (left > 0) {
      this._wanted.set(id, left);
      return;
    }
    this._wanted.delete(id);
    this._known.delete(id);
    if (!this._wanted.size) {
      this._asking.stop();
    }
  }

  private async _ask(): Promise<void> {
    if (document.hidden) {
      return;
    }
    const ids = [...this._wanted.keys()].slice(0, MOST);
    for (const glance of await this._api.glance(ids)) {
      const said = JSON.stringify(glance) !== JSON.stringify(this._known.get(glance.id));
      if (said && this._wanted.has(glance.id)) {
        this._known.set(glance.id, glance);
      }
    }
    this.changed();
  }
}

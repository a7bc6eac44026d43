/** The last lines that a job printed, for as long as someone looks at them. */
import { ended, type Job } from '../api/types';
import type { Board } from './board';
import { Repeated, backOff } from './clock';
import { Log, type Line } from './log';
import { Audience, Observable } from './observable';

const EVERY = 1500;
/** Bytes of output that are fetched for the first look. */
const TAIL = 16_384;
const TYPES = ['stream', 'error', 'notice'];

export class Tail extends Observable {
  private readonly _log = new Log();
  private readonly _asking = new Repeated(
    () => this._ask(),
    failures => (failures ? backOff(failures + 1) : EVERY)
  );
  private readonly _audience = new Audience(
    () => this._begin(),
    () => this._end()
  );
  private _last = 0;
  private _unwatch: (() => void) | null = null;

  constructor(
    private readonly _board: Board,
    private readonly _job: () => Job
  ) {
    super();
  }

  show(): () => void {
    return this._audience.join();
  }

  lines(most: number): readonly Line[] {
    return this._log.lines.slice(-most);
  }

  private _begin(): void {
    this._unwatch = this._board.watch(this._job().id, () => this._asking.start());
    this._asking.start();
  }

  private _end(): void {
    this._unwatch?.();
    this._asking.stop();
  }

  private async _ask(): Promise<void> {
    const { id, ...job } = this._job();
    const wanted = this._last ? { after: this._last } : { tail: TAIL };
    for await (const event of this._board.api.events(id, { ...wanted, follow: false, types: TYPES })) {
      // Two answers may cross.
      if (event.id > this._last) {
        this._last = event.id;
        this._log.take(event);
      }
    }
    this.changed();
    if (ended(job)) {
      this._asking.stop();
    }
  }
}

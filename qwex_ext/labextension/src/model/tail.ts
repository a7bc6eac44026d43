/** The last lines that a job printed, for as long as someone looks at them. */
import { ended, type Job } from '../api/types';
import type { Board } from './board';
import { Repeated, backOff } from './clock';
import { Log, type Line } from './log';
import { Audience, Observable } from './observable';

const EVERY = 1500;
/** Bytes of output that are fetched for the first look. */
const TAIL = 16_384;
const TYPES = ['stream', 'error', 'notice', 'state'];

export class Tail extends Observable {
  private readonly _log = new Log();
  private readonly _asking = new Repeated(
    () => this._ask(),
    failures => (failures ? backOff(failures + 1) : EVERY)
  );
  private readonly _audience = new Audience(
    () => this._asking.start(),
    () => this._asking.stop()
  );
  private _last = 0;

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

  private async _ask(): Promise<void> {
    const { id, ...job } = this._job();
    const wanted = this._last ? { after: this._last } : { tail: TAIL };
    for await (const event of this._board.api.events(id, { ...wanted, follow: false, types: TYPES })) {
      this._last = Math.max(this._last, event.id);
      const { type, data } = event;
      if (type === 'stream') {
        this._log.append(String(data.text), 'stdout');
      } else if (type === 'error') {
        this._log.append(`${(data.traceback as string[]).join('\n')}\n`, 'stderr');
      }
    }
    this.changed();
    if (ended(job)) {
      this._asking.stop();
    }
  }
}

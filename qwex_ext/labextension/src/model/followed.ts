/** One job followed: its story folded from its records, gone on with after every cut, while someone shows it. */
import { asApiError, type ApiError } from '../api/problem';
import { ended, type Event, type Job, type JobState, type Why } from '../api/types';
import type { Board } from './board';
import { after, backOff } from './clock';
import { Log } from './log';
import { Audience, Observable } from './observable';
import { Outputs } from './outputs';

/** Of a longer output only the end is fetched. */
const TAIL = 16_000_000;
/** Milliseconds between two drawings, however much comes. */
const FRAME = 100;
const EVENTS = 2000;
/** Types that are told elsewhere on the page, in large numbers. */
const PASSING = new Set(['stream', 'why']);

/** A state the job was in. */
export interface Step {
  state: JobState;
  at: number;
  attempt: number;
  reason: string;
  message: string;
}

/** An output value. */
export interface OutputValue {
  name: string;
  type_name: string;
  size: number;
  format: string;
}

export class Followed extends Observable {
  job: Job | null = null;
  why: Why | null = null;
  steps: readonly Step[] = [];
  values: readonly OutputValue[] = [];
  /** Where the present attempt runs. */
  host = '';
  readonly log = new Log();
  readonly outputs = new Outputs();
  /** The last records but for output text. */
  events: readonly Event[] = [];
  /** Whether something was left out at the front of the output. */
  cut = false;
  problem: ApiError | null = null;
  /** Whether all is there that there will ever be. */
  whole = false;

  private readonly _audience = new Audience(
    () => this._begin(),
    () => this._end()
  );
  private _last = 0;
  private _abort: AbortController | null = null;
  private _retry: (() => void) | null = null;
  private _failures = 0;
  private _drawing = false;
  private _unwatch: (() => void) | null = null;

  constructor(
    private readonly _board: Board,
    readonly id: string
  ) {
    super();
  }

  /** Someone shows it, until the function this gives back is called. */
  show(): () => void {
    return this._audience.join();
  }

  /** Tries again now, as a person wishes. */
  again(): void {
    if (this._audience.present) {
      this._board.api.wake();
      this._end();
      this._begin();
    }
  }

  private _begin(): void {
    const leave = [this._board.watch(this.id, job => this._heard(job)), this._board.onTurn(() => this._turn())];
    this._unwatch = () => leave.forEach(each => each());
    void this._follow();
  }

  /** What nobody sees needs no connection. */
  private _turn(): void {
    this._abort?.abort();
    this._retry?.();
    this._retry = null;
    this._board.hidden || this.whole || void this._follow();
  }

  /** Whoever tells of the job can be asked for its records too. */
  private _heard(job: Job): void {
    this._took(job);
    if (this._retry) {
      this._retry();
      void this._follow();
    }
  }

  private _end(): void {
    this._unwatch?.();
    this._abort?.abort();
    this._retry?.();
    this._unwatch = this._abort = this._retry = null;
  }

  private async _follow(): Promise<void> {
    const abort = (this._abort = new AbortController());
    this._retry = null;
    try {
      this._took(await this._board.api.job(this.id));
      this.problem = null;
      await this._read(abort.signal);
      this._took(await this._board.api.job(this.id));
      this.whole = this.job !== null && ended(this.job);
      this._failures = 0;
    } catch (error) {
      if (abort.signal.aborted) {
        return;
      }
      const problem = asApiError(error);
      // That a connection was cut says nothing; the next try tells why.
      const cut = problem.status === 0 && this._failures === 0 && this.job !== null;
      this.problem = cut ? this.problem : problem;
      this._failures++;
    }
    this._draw();
    if (!abort.signal.aborted && !this.whole && (!this.problem || this.problem.transient)) {
      this._retry = after(backOff(this._failures), () => void this._follow());
    }
  }

  private async _read(signal: AbortSignal): Promise<void> {
    const wanted = this._last ? { after: this._last } : { tail: TAIL };
    const release = this._board.stream();
    try {
      const follow = release !== null;
      for await (const event of this._board.api.events(this.id, { ...wanted, follow, why: follow }, signal)) {
        if (signal.aborted) {
          return;
        }
        this._failures = 0;
        this._take(event);
        this._draw();
      }
    } finally {
      release?.();
    }
  }

  private _took(job: Job): void {
    this.job = job;
    this._draw();
  }

  private _take(event: Event): void {
    if (event.id && event.id <= this._last) {
      return;
    }
    if (event.id > this._last + 1) {
      this.cut = true;
    }
    this._last = Math.max(this._last, event.id);
    if (!PASSING.has(event.type)) {
      this.events = [...this.events.slice(-EVENTS), event];
    }
    this._fold(event);
    this.log.take(event);
    this.outputs.take(event);
  }

  private _fold(event: Event): void {
    const { type, data, attempt } = event;
    if (type === 'why') {
      this.why = data as unknown as Why;
    } else if (type === 'start') {
      this.host = String(data.host ?? '');
    } else if (type === 'value') {
      const value = data as unknown as OutputValue;
      this.values = [...this.values.filter(other => other.name !== value.name), value];
    } else if (type === 'state') {
      this._moved({ ...(data as unknown as Step), at: event.ts, attempt });
    }
  }

  private _moved(step: Step): void {
    const again = step.state === 'QUEUED' && this.steps.some(before => before.state === 'QUEUED');
    if (again) {
      this.log.say(`attempt ${step.attempt}${step.reason ? `: ${step.reason}` : ''}`);
      this.outputs.clear();
      this.values = [];
    }
    this.why = null;
    this.steps = [...this.steps, step];
  }

  private _draw(): void {
    if (!this._drawing) {
      this._drawing = true;
      after(FRAME, () => {
        this._drawing = false;
        this.changed();
      });
    }
  }
}

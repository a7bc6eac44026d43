/** What jobs log over time, asked for while somebody sees it: one request per job at a time, whoever shows it. */
import { asApiError } from '../api/problem';
import { ended, type Job, type Metric } from '../api/types';
import type { Board } from './board';
import { after, backOff } from './clock';
import { Audience, Observable } from './observable';

/** Milliseconds between two answers: while they differ, and at most when they do not. */
const EVERY = 2000;
const SELDOM = 10_000;
const SLOWER = 1.5;
/** So many answers without any metric: most jobs log none. */
const NONE = 3;

export class Metrics {
  private readonly _courses = new Map<string, Course>();

  constructor(private readonly _board: Board) {}

  /** The one of that job. */
  of(id: string): Course {
    let course = this._courses.get(id);
    if (!course) {
      course = new Course(this._board, id);
      this._courses.set(id, course);
    }
    return course;
  }
}

/** The metrics of one job. */
export class Course extends Observable {
  metrics: readonly Metric[] = [];

  private readonly _audience = new Audience(
    () => this._begin(),
    () => this._end()
  );
  /** Whether all is there that there will ever be, or that one may know. */
  whole = false;
  private _job: Pick<Job, 'user' | 'state'> | null = null;
  private _asking = false;
  private _asked = -Infinity;
  /** Answers in a row that said the same, and tries that failed. */
  private _same = 0;
  private _failures = 0;
  private _cancel: (() => void) | null = null;
  private _leave: (() => void) | null = null;

  constructor(
    private readonly _board: Board,
    private readonly _id: string
  ) {
    super();
  }

  /** Someone sees the job, which runs or has ended, until the function this gives back is called. */
  show(job: Pick<Job, 'user' | 'state'>): () => void {
    // An older card of the same job may not know yet that it has ended.
    this._job = this._over ? this._job : job;
    const leave = this._audience.join();
    this._plan();
    return leave;
  }

  private get _over(): boolean {
    return this._job !== null && ended(this._job);
  }

  private _begin(): void {
    this._leave = this._board.onTurn(() => this._plan());
  }

  private _end(): void {
    this._leave?.();
    this._plan();
  }

  /** Sets when to ask next, after whatever has changed. */
  private _plan(): void {
    this._cancel?.();
    this._cancel = null;
    if (this._audience.present && !this._board.hidden && !this._asking && !this.whole) {
      const due = this._asked + this._pause() - Date.now();
      this._cancel = after(Math.max(due, 0), () => void this._ask());
    }
  }

  /** What a job logged last is asked for at once. */
  private _pause(): number {
    if (this._failures) {
      return backOff(this._failures + 1);
    }
    if (this._over) {
      return 0;
    }
    if (!this.metrics.length) {
      return this._same < NONE ? EVERY : SELDOM;
    }
    return Math.min(EVERY * SLOWER ** this._same, SELDOM);
  }

  private async _ask(): Promise<void> {
    const over = this._over;
    this._asking = true;
    this._asked = Date.now();
    try {
      if (await this._board.owns(this._job!)) {
        this._take(await this._board.api.metrics(this._id));
        this.whole = over;
      } else {
        this.whole = true;
      }
      this._failures = 0;
    } catch (error) {
      this._failures++;
      this.whole = !asApiError(error).transient;
    }
    this._asking = false;
    this.whole && this.changed();
    this._plan();
  }

  private _take(metrics: readonly Metric[]): void {
    const same = JSON.stringify(metrics) === JSON.stringify(this.metrics);
    this._same = same ? this._same + 1 : 0;
    if (!same) {
      this.metrics = metrics;
      this.changed();
    }
  }
}

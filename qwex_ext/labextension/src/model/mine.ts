/** One's own jobs that have not ended, known from the feed alone: nothing is asked for while nothing is shown. */
import { ended, RUNNING, WAITING, type JobState } from '../api/types';
import type { Board } from './board';
import type { JobNews, News } from './feed';
import { Observable } from './observable';

const MOST = 500;

export interface Brief {
  id: string;
  name: string;
  state: JobState;
  /** When it was submitted or first heard of, in milliseconds. */
  since: number;
}

/** Told of a job and for how many seconds it was there. */
export type End = (news: JobNews, seconds: number) => void;

export class Mine extends Observable {
  jobs: ReadonlyMap<string, Brief> = new Map();
  /** How many wait beside those. */
  private _beyond = 0;
  private readonly _ends = new Set<End>();
  /** What is heard while an answer is awaited. */
  private _missed: [news: JobNews, told: boolean][] | null = null;

  constructor(private readonly _board: Board) {
    super();
    _board.feed.subscribe(news => this._heard(news));
  }

  get running(): number {
    return this._count(RUNNING);
  }

  get waiting(): number {
    return this._count(WAITING) + this._beyond;
  }

  /** Calls `listener` when one of them has ended, until the function this gives back is called. */
  onEnd(listener: End): () => void {
    this._ends.add(listener);
    return () => {
      this._ends.delete(listener);
    };
  }

  private _count(states: readonly JobState[]): number {
    return [...this.jobs.values()].filter(job => states.includes(job.state)).length;
  }

  private _heard(news: News): void {
    if (news.kind === 'connected') {
      void this._load().catch(() => undefined);
    } else if (news.kind === 'job') {
      const told = news.user === this._board.me?.user && this._move(news);
      this._missed?.push([news, told]);
    }
  }

  private async _load(): Promise<void> {
    const { api } = this._board;
    const missed: [JobNews, boolean][] = [];
    this._missed = missed;
    try {
      this._board.me ??= await api.whoami();
      // What runs first: a job that starts meanwhile is in the other answer or in the news.
      const running = await api.jobs({ user: 'me', state: RUNNING }, MOST);
      const waiting = await api.jobs({ user: 'me', state: WAITING }, MOST);
      const jobs = [...waiting.jobs, ...running.jobs];
      this.jobs = new Map(jobs.map(job => [job.id, brief(job, job.created_at * 1000)]));
      this._beyond = waiting.total - waiting.jobs.length;
    } finally {
      this._missed = this._missed === missed ? null : this._missed;
    }
    // The answers may be older than what was heard while they came.
    missed.forEach(([news, told]) => news.user === this._board.me?.user && this._move(news, !told));
    this.changed();
  }

  /** Takes in a change; whether an end was told of. */
  private _move(news: JobNews, tells = true): boolean {
    const jobs = new Map(this.jobs);
    const had = jobs.get(news.id);
    if (!had && !['PENDING', 'QUEUED'].includes(news.state)) {
      this._beyond = Math.max(this._beyond - 1, 0);
    }
    if (ended(news)) {
      jobs.delete(news.id);
    } else {
      jobs.set(news.id, brief(news, had?.since ?? Date.now()));
    }
    this.jobs = jobs;
    this.changed();
    if (!tells || !had || !ended(news)) {
      return false;
    }
    this._ends.forEach(listener => listener(news, (Date.now() - had.since) / 1000));
    return true;
  }
}

function brief({ id, name, state }: Pick<Brief, 'id' | 'name' | 'state'>, since: number): Brief {
  return { id, name, state, since };
}

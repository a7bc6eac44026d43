/** All that is shown of jobs, machines and queues, kept true by the feed. One of it stands behind every view of a page. */
import type { Api } from '../api/client';
import { asApiError, type ApiError } from '../api/problem';
import { ENDED, RUNNING, WAITING, ended, type Counts, type Job, type JobState } from '../api/types';
import { Repeated, after, backOff } from './clock';
import type { Feed, News } from './feed';
import { Glances } from './glances';
import { EVERYTHING, JobList, type Search } from './jobs';
import { MachineList } from './machines';
import { Metrics } from './metrics';
import { Audience, Observable } from './observable';
import { QueueList } from './queues';

/** Endless answers that a page keeps open at once: a browser has six connections for all its tabs together. */
const STREAMS = 1;
/** Changes that come together are looked up together; while more come, again after a longer while. */
const TOGETHER = [20, 100] as const;
/** More than that are not looked up one by one. */
const MANY = 8;
/** Counts are not asked for at every change of a busy queue. */
const COUNT_AFTER = 250;
const FALLBACK = [2000, 15_000] as const;

export class Board extends Observable {
  readonly running: JobList;
  readonly waiting: JobList;
  readonly finished: JobList;
  /** All three in one. */
  readonly all: JobList;
  readonly queues: QueueList;
  readonly machines: MachineList;
  readonly glances: Glances;
  readonly metrics: Metrics;
  search: Search = EVERYTHING;
  /** One's own name, and whether the controller is one's own; null before it was asked. */
  me: { user: string; own: boolean } | null = null;
  /** Jobs by state, as far as the search lets them through but for their state. */
  counts: Counts | null = null;
  /** Jobs that were asked to stop and have not ended yet, by id. */
  stopping: ReadonlySet<string> = new Set();
  /** Why nothing can be shown. */
  problem: ApiError | null = null;

  /** Whether nobody can see the page. */
  hidden = false;

  private readonly _turns = new Set<() => void>();
  private _streams = 0;
  private readonly _lists: JobList[] = [];
  private readonly _moved = new Set<string>();
  private readonly _watched = new Map<string, Set<(job: Job) => void>>();
  private readonly _audience = new Audience(
    () => this._refreshing.start(),
    () => this._refreshing.stop()
  );
  private readonly _refreshing = new Repeated(
    () => this._refresh(),
    failures => this._pause(failures)
  );
  private _counting: (() => void) | null = null;
  private _looking = false;
  private _quiet = 0;

  constructor(
    readonly api: Api,
    readonly feed: Feed
  ) {
    super();
    this.running = this._list(RUNNING);
    this.waiting = this._list(WAITING);
    this.finished = this._list(ENDED, 'ended');
    this.all = this._list([...WAITING, ...RUNNING, ...ENDED]);
    this.queues = new QueueList(api);
    this.machines = new MachineList(api, feed, () => this.me?.user ?? null);
    this.glances = new Glances(api);
    this.metrics = new Metrics(this);
    feed.subscribe(news => this._heard(news));
  }

  /** Someone shows counts or lists, until the function this gives back is called. */
  show(): () => void {
    return this._audience.join();
  }

  find(search: Search): void {
    this.search = search;
    for (const list of this._lists) {
      list.search(search);
    }
    this.refresh();
  }

  /** As a person wishes: asks for everything on screen again, of a controller that is started where there is none. */
  again(): void {
    this.api.wake();
    this.refresh();
    this.machines.reload();
  }

  /** Asks for everything on screen again. */
  refresh(): void {
    if (this._audience.present) {
      this._refreshing.start();
    }
  }

  /** The page has come into sight, or gone. */
  turn(hidden: boolean): void {
    this.hidden = hidden;
    this._turns.forEach(listener => listener());
    hidden || this.refresh();
  }

  /** Calls `listener` after each turn, until the function this gives back is called. */
  onTurn(listener: () => void): () => void {
    this._turns.add(listener);
    return () => {
      this._turns.delete(listener);
    };
  }

  /** Whether that is one's own job; asks who one is where that is not known yet. */
  async owns(job: Pick<Job, 'user'>): Promise<boolean> {
    this.me ??= await this.api.whoami();
    return job.user === this.me.user;
  }

  /** Leave to keep an endless answer open, and the function that gives it back; null where there are enough. */
  stream(): (() => void) | null {
    if (this.hidden || this._streams >= STREAMS) {
      return null;
    }
    this._streams++;
    return () => {
      this._streams--;
    };
  }

  /** Calls `listener` with the job whenever it has changed, until the function this gives back is called. */
  watch(id: string, listener: (job: Job) => void): () => void {
    const listeners = this._watched.get(id) ?? new Set();
    this._watched.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (!listeners.size) {
        this._watched.delete(id);
      }
    };
  }

  /** Takes in a job as it is now, from wherever that is known. */
  put(job: Job): void {
    if (ended(job)) {
      this._stops(job.id, false);
    }
    for (const list of this._lists) {
      list.put(job);
    }
    this._watched.get(job.id)?.forEach(listener => listener(job));
  }

  async cancel(id: string): Promise<void> {
    this._stops(id, true);
    try {
      this.put(await this.api.cancel(id));
    } catch (error) {
      this._stops(id, false);
      throw error;
    }
  }

  async resubmit(id: string, changes?: Record<string, unknown>): Promise<Job> {
    const job = await this.api.resubmit(id, changes);
    this.put(job);
    this._count();
    return job;
  }

  private _list(states: readonly JobState[], order: 'created' | 'ended' = 'created'): JobList {
    const list = new JobList(this.api, states, () => this.me?.user ?? null, order);
    this._lists.push(list);
    return list;
  }

  private _stops(id: string, does: boolean): void {
    if (this.stopping.has(id) !== does) {
      this.stopping = new Set(does ? [...this.stopping, id] : [...this.stopping].filter(other => other !== id));
      this.changed();
    }
  }

  private _heard(news: News): void {
    if (news.kind === 'job') {
      this._quiet = 0;
      this._look(news.id);
    } else if (news.kind === 'connected' || (news.kind === 'silent' && news.problem)) {
      this.refresh();
      this.queues.reload();
      this.glances.soon();
      this._watched.forEach((_, id) => this._look(id));
    }
  }

  private _look(id: string): void {
    this._moved.add(id);
    if (!this._looking) {
      this._looking = true;
      after(TOGETHER[0], () => void this._lookUp());
    }
  }

  /** The jobs that have changed, as far as anyone shows them. One look at a time, so that an older one never wins. */
  private async _lookUp(): Promise<void> {
    const moved = [...this._moved];
    this._moved.clear();
    const shown = this._lists.some(list => list.shown);
    const wanted = moved.filter(id => shown || this._watched.has(id));
    const many = wanted.length > MANY;
    const each = many ? wanted.filter(id => this._watched.has(id)) : wanted;
    const lists = this._lists.filter(list => many || !list.shown);
    this._count();
    await Promise.all([...lists.map(list => list.reload()), ...each.map(id => this._lookAt(id))]);
    after(TOGETHER[1], () => {
      this._looking = false;
      this._moved.forEach(id => this._look(id));
    });
  }

  private async _lookAt(id: string): Promise<void> {
    try {
      this.put(await this.api.job(id));
    } catch {
      // It is asked for again with the next news, or when the feed is back.
    }
  }

  private _count(): void {
    this._counting ??= after(COUNT_AFTER, () => {
      this._counting = null;
      this.queues.reload();
      if (this._audience.present) {
        void this._countNow().catch(() => undefined);
      }
    });
  }

  private async _countNow(): Promise<void> {
    const { text, mine } = this.search;
    this.counts = await this.api.counts({ match: text.trim(), user: mine ? 'me' : '' });
    this.changed();
  }

  private async _refresh(): Promise<void> {
    if (document.hidden && this.counts) {
      return;
    }
    try {
      this.me ??= await this.api.whoami();
      await Promise.all([this._countNow(), ...this._lists.map(list => list.refresh())]);
      const problem = this._lists.find(list => list.problem)?.problem;
      if (problem) {
        throw problem;
      }
      this.problem = null;
      if (!this.feed.connected) {
        this._watched.forEach((_, id) => this._look(id));
      }
    } catch (error) {
      this.problem = asApiError(error);
      throw error;
    } finally {
      this.changed();
    }
  }

  /** With a feed there is nothing to ask for; without one more and more seldom while nothing happens. */
  private _pause(failures: number): number {
    if (failures) {
      return backOff(failures);
    }
    return this.feed.connected ? 60_000 : Math.min(FALLBACK[0] * 1.5 ** this._quiet++, FALLBACK[1]);
  }
}

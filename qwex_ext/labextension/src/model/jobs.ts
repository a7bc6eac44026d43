/** A list of jobs as it is shown: the pages that were asked for, kept true by what changes. */
import type { Api } from '../api/client';
import { asApiError, type ApiError } from '../api/problem';
import type { Filter, Job, JobState } from '../api/types';
import { Audience, Observable } from './observable';

/** The first page is soon there, the others are few; the API gives no longer ones than the last of these. */
const PAGE = { first: 50, next: 200, longest: 1000 };

/** What a person looks for; nothing chosen means everything. */
export interface Search {
  text: string;
  states: ReadonlySet<JobState>;
  /** One's own jobs only. */
  mine: boolean;
}

export const EVERYTHING: Search = { text: '', states: new Set(), mine: false };

/** Jobs in some states, newest first. Asks for nothing while nobody shows it. */
export class JobList extends Observable {
  jobs: readonly Job[] = [];
  /** How many there are, those not loaded too; null before the first answer. */
  total: number | null = null;
  problem: ApiError | null = null;

  private readonly _audience = new Audience(
    () => this._stale && void this.reload(),
    () => undefined
  );
  private _stale = true;
  private _search = EVERYTHING;
  private _cursor: string | null = null;
  private _asking: Promise<void> | null = null;
  /** What came in while an answer was awaited, which may be older. */
  private _since: Job[] = [];

  constructor(
    private readonly _api: Api,
    private readonly _states: readonly JobState[],
    private readonly _me: () => string | null,
    private readonly _order: 'created' | 'ended' = 'created'
  ) {
    super();
  }

  /** Whether someone shows it now. */
  get shown(): boolean {
    return this._audience.present;
  }

  /** Whether there are more than are loaded. */
  get more(): boolean {
    return this._cursor !== null;
  }

  /** Whether the search leaves any of its states. */
  get possible(): boolean {
    return this._wanted().length > 0;
  }

  /** Someone shows it, until the function this gives back is called. */
  show(): () => void {
    return this._audience.join();
  }

  /** From now on only these; see `refresh`. */
  search(search: Search): void {
    this._search = search;
    this._outdate();
  }

  /** As `reload`, unless an answer is on its way anyway. */
  async refresh(): Promise<void> {
    await (this._asking ?? this.reload());
  }

  /** What it has may be wrong: asks again, at once or when it is next shown. Never rejects; see `problem`. */
  async reload(): Promise<void> {
    this._outdate();
    if (this.shown) {
      await this._ask(null);
    }
  }

  /** The next page, if there is one and nothing else is on its way; to be asked for again after each change. */
  async loadMore(): Promise<void> {
    if (this.more && !this._asking && !this.problem) {
      await this._ask(this._cursor);
    }
  }

  /** Takes in a job as it is now. */
  put(job: Job): void {
    if (this._asking) {
      this._since.push(job);
    }
    const others = this.jobs.filter(other => other.id !== job.id);
    const fits = this._takes(job);
    if (!fits && others.length === this.jobs.length) {
      return;
    }
    const at = fits ? others.findIndex(other => this._key(other) < this._key(job)) : -1;
    if (at >= 0) {
      others.splice(at, 0, job);
    } else if (fits && !this.more) {
      others.push(job);
    }
    this.total = this.total === null ? null : Math.max(this.total + others.length - this.jobs.length, others.length);
    this.jobs = others;
    this.changed();
  }

  /** Neither what it has nor what is on its way is right any more. */
  private _outdate(): void {
    this._stale = true;
    this._asking = null;
    this._since = [];
  }

  /** An answer counts only while no other one is awaited by now. */
  private async _ask(cursor: string | null): Promise<void> {
    if (!this.possible) {
      this._asking = null;
      this._take([], null, 0);
      return;
    }
    const asking = this._load(cursor, () => this._asking === asking);
    this._asking = asking;
    this.changed();
    await asking;
  }

  private async _load(cursor: string | null, counts: () => boolean): Promise<void> {
    const limit = cursor ? PAGE.next : Math.min(Math.max(PAGE.first, this.jobs.length), PAGE.longest);
    const answer = this._api.jobs(this._filter(), limit, cursor);
    const [page, problem] = await answer.then(
      page => [page, null] as const,
      (error: unknown) => [null, asApiError(error)] as const
    );
    if (!counts()) {
      return;
    }
    this._asking = null;
    const since = this._since.splice(0);
    if (page) {
      this._take(cursor ? merged(this.jobs, page.jobs) : page.jobs, page.next_cursor, page.total);
      since.forEach(job => this.put(job));
    } else {
      this.problem = problem;
      this.changed();
    }
  }

  private _take(jobs: readonly Job[], cursor: string | null, total: number): void {
    [this.jobs, this._cursor, this.total] = [jobs, cursor, total];
    [this.problem, this._stale] = [null, false];
    this.changed();
  }

  private _wanted(): readonly JobState[] {
    const { states } = this._search;
    return states.size ? this._states.filter(state => states.has(state)) : this._states;
  }

  private _filter(): Filter {
    const { text, mine } = this._search;
    return { state: this._wanted(), match: text.trim(), user: mine ? 'me' : '', order: this._order };
  }

  private _takes(job: Job): boolean {
    const { text, mine } = this._search;
    const sought = text.trim().toLowerCase();
    const named = !sought || job.name.toLowerCase().includes(sought) || job.id.includes(sought);
    return named && this._wanted().includes(job.state) && (!mine || job.user === this._me());
  }

  private _key(job: Job): number {
    return (this._order === 'ended' ? job.ended_at : null) ?? job.created_at;
  }
}

/** Both, those that stand in both once. */
function merged(before: readonly Job[], more: readonly Job[]): readonly Job[] {
  const known = new Set(before.map(job => job.id));
  return [...before, ...more.filter(job => !known.has(job.id))];
}

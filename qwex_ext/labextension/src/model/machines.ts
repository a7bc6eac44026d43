/** One's own dev machines, kept true by the feed: they are few, so that after a change all are asked for, in one request. */
import type { Api } from '../api/client';
import { asApiError, type ApiError } from '../api/problem';
import type { Machine, MachineEvent, Why } from '../api/types';
import { Repeated, after, backOff } from './clock';
import type { Feed, News } from './feed';
import { Audience, Observable } from './observable';

/** Changes that come together are looked up together. */
const TOGETHER = 50;
/** With a feed there is nothing to ask for; without one a machine that starts is seen soon enough so. */
const EVERY = { heard: 60_000, deaf: 5000 };

export class MachineList extends Observable {
  machines: readonly Machine[] = [];
  /** Where one can be; the one of those that need not be named, empty where none is. */
  places: readonly string[] = [];
  place = '';
  /** Whether the above was ever told. */
  known = false;
  problem: ApiError | null = null;
  /** Machines of which something is being asked, and those that are being deleted, by id. */
  busy: ReadonlySet<string> = new Set();
  going: ReadonlySet<string> = new Set();

  private readonly _asking = new Repeated(
    () => this._ask(),
    failures => (failures ? backOff(failures) : this._feed.connected ? EVERY.heard : EVERY.deaf)
  );
  private readonly _audience = new Audience(
    () => this._asking.start(),
    () => this._asking.stop()
  );
  private _soon: (() => void) | null = null;
  /** Numbers the requests: only the newest one's answer counts. */
  private _asked = 0;

  constructor(
    private readonly _api: Api,
    private readonly _feed: Feed,
    private readonly _me: () => string | null
  ) {
    super();
    _feed.subscribe(news => this._heard(news));
  }

  /** Whether there is anything to show: a machine, or a place where a new one would be without being told. */
  get possible(): boolean {
    return this.machines.length > 0 || this.place !== '';
  }

  /** Someone shows them, until the function this gives back is called. */
  show(): () => void {
    return this._audience.join();
  }

  /** Asks again if anyone looks. */
  reload(): void {
    if (this._audience.present) {
      this._asking.start();
    }
  }

  /** What is shown beside them may be otherwise now. */
  touch(): void {
    this.changed();
  }

  start(id: string): Promise<void> {
    return this._act(id, () => this._api.startMachine(id));
  }

  stop(id: string): Promise<void> {
    return this._act(id, () => this._api.stopMachine(id));
  }

  async delete(id: string, purge: boolean): Promise<void> {
    await this._act(id, () => this._api.deleteMachine(id, purge));
    this.going = new Set([...this.going, id]);
    this.changed();
  }

  events(id: string): Promise<MachineEvent[]> {
    return this._api.machineEvents(id);
  }

  why(id: string): Promise<Why> {
    return this._api.machineWhy(id);
  }

  /** Takes in a machine as it is now; an answer that is on its way may be older. */
  put(machine: Machine): void {
    const at = this.machines.findIndex(other => other.id === machine.id);
    this.machines = at < 0 ? [...this.machines, machine] : this.machines.map((each, n) => (n === at ? machine : each));
    this.changed();
    this.reload();
  }

  private async _act(id: string, act: () => Promise<Machine>): Promise<void> {
    this._marks(id, true);
    try {
      this.put(await act());
    } finally {
      this._marks(id, false);
    }
  }

  private _marks(id: string, busy: boolean): void {
    this.busy = new Set(busy ? [...this.busy, id] : [...this.busy].filter(other => other !== id));
    this.changed();
  }

  private _heard(news: News): void {
    if (news.kind === 'connected' || (news.kind === 'silent' && news.problem)) {
      this.reload();
    } else if (news.kind === 'machine' && [null, news.user].includes(this._me())) {
      this._soon ??= after(TOGETHER, () => {
        this._soon = null;
        this.reload();
      });
    }
  }

  private async _ask(): Promise<void> {
    const asked = ++this._asked;
    try {
      const found = await this._api.machines();
      if (asked === this._asked) {
        // An older controller does not tell of places: there is something to show once there is a machine.
        [this.machines, this.places, this.place] = [
          found.machines,
          found.providers ?? [],
          found.default_provider ?? ''
        ];
        [this.known, this.problem] = [true, null];
        this.going = new Set([...this.going].filter(id => found.machines.some(machine => machine.id === id)));
      }
    } catch (error) {
      this.problem = asApiError(error);
      throw error;
    } finally {
      this.changed();
    }
  }
}

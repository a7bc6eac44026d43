/** The queues, asked for again after changes while they are shown. */
import type { Api } from '../api/client';
import { asApiError, type ApiError } from '../api/problem';
import type { Queue } from '../api/types';
import { Repeated, backOff } from './clock';
import { Audience, Observable } from './observable';

/** Quotas also change without a job of qwex's moving. */
const EVERY = 15_000;

export class QueueList extends Observable {
  queues: readonly Queue[] | null = null;
  /** Why a backend does not tell its own, by the backend's name. */
  away: Readonly<Record<string, string>> = {};
  problem: ApiError | null = null;

  private readonly _asking = new Repeated(
    () => this._ask(),
    failures => (failures ? backOff(failures) : EVERY)
  );
  private readonly _audience = new Audience(
    () => this._asking.start(),
    () => this._asking.stop()
  );

  constructor(private readonly _api: Api) {
    super();
  }

  show(): () => void {
    return this._audience.join();
  }

  /** Asks again if anyone looks. */
  reload(): void {
    if (this._audience.present) {
      this._asking.start();
    }
  }

  /** The queues now, for a form. */
  async now(): Promise<readonly Queue[]> {
    this._api.wake();
    await this._ask();
    return this.queues ?? [];
  }

  private async _ask(): Promise<void> {
    try {
      const { queues, away } = await this._api.queues();
      [this.queues, this.away, this.problem] = [queues, away, null];
    } catch (error) {
      this.problem = asApiError(error);
      throw error;
    } finally {
      this.changed();
    }
  }
}

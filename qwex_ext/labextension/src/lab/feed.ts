/** Changes of jobs and machines from Jupyter's event bus, over the one socket that a page has for it anyway. */
import type { Event, ServerConnection } from '@jupyterlab/services';
import { ApiError, asApiError, refusal } from '../api/problem';
import { Repeated, after } from '../model/clock';
import type { Feed, JobNews, MachineNews, News } from '../model/feed';
import { request } from './requests';

const JOB = 'https://schema.qwex.dev/jupyter/job/v1';
const MACHINE = 'https://schema.qwex.dev/jupyter/machine/v1';
const FEED = 'https://schema.qwex.dev/jupyter/feed/v1';
/** The answer to a greeting comes over the bus; where it does not come in time, websockets are blocked. */
const IN_TIME = 3000;
const GREET_AGAIN = [10_000, 120_000] as const;
/** The server says something every 20 seconds. */
const CHECK = 60_000;

/** What the server extension says of its connection to the controller. */
interface Standing {
  connected: boolean;
  message: string;
  command: string;
  /** Another one after each gap. */
  beginning: string;
  /** How many changes of jobs and machines the server has told. */
  told: number;
  notice: string;
}

export class BusFeed implements Feed {
  connected = false;
  private readonly _listeners = new Set<(news: News) => void>();
  private readonly _greeting = new Repeated(
    () => this._greet(),
    failures => (failures ? Math.min(GREET_AGAIN[0] * 2 ** (failures - 1), GREET_AGAIN[1]) : CHECK)
  );
  private _heard: (() => void) | null = null;
  private _beginning = '';
  private _told = 0;
  /** Changes heard since the server said how many it had told. */
  private _count = 0;
  /** Whether the server has said anything since the last check. */
  private _alive = false;

  constructor(
    private readonly _settings: ServerConnection.ISettings,
    stream: Event.Stream
  ) {
    stream.connect((_, emission) => this._take(emission));
  }

  /** Asks the server for news; begun once, after the page is there. */
  start(): void {
    this._greeting.start();
  }

  subscribe(listener: (news: News) => void): () => void {
    this._listeners.add(listener);
    return () => {
      this._listeners.delete(listener);
    };
  }

  /** Asks the server to say something on the bus, unless it does so anyway, and waits for it. */
  private async _greet(): Promise<void> {
    const alive = this._alive;
    this._alive = false;
    if (this.connected && alive) {
      return;
    }
    if (this.connected) {
      this.connected = false;
      this._tell({ kind: 'silent', problem: null });
    }
    const heard = new Promise<void>((resolve, reject) => {
      const stop = after(IN_TIME, () => reject(new Error('the event bus is silent')));
      this._heard = () => (stop(), resolve());
    });
    heard.catch(() => undefined);
    const response = await request(this._settings, 'qwex/feed', { method: 'POST', body: '{}' }).catch(error =>
      this._fail(asApiError(error))
    );
    if (!response.ok) {
      return this._fail(await refusal(response));
    }
    await heard;
  }

  private _fail(problem: ApiError): never {
    this._tell({ kind: 'silent', problem });
    throw problem;
  }

  private _take(emission: Event.Emission): void {
    if (emission.schema_id === JOB) {
      this._count++;
      this._tell({ ...(emission as unknown as Omit<JobNews, 'kind'>), kind: 'job' });
    } else if (emission.schema_id === MACHINE) {
      this._count++;
      this._tell({ ...(emission as unknown as Omit<MachineNews, 'kind'>), kind: 'machine' });
    } else if (emission.schema_id === FEED) {
      this._alive = true;
      this._heard?.();
      this._stands(emission as unknown as Standing);
    }
  }

  /** Also said again whenever another browser's tab greets. */
  private _stands({ connected, message, command, beginning, told, notice }: Standing): void {
    const missed = !this.connected || beginning !== this._beginning || told !== this._told + this._count;
    [this.connected, this._beginning, this._told, this._count] = [connected, beginning, told, 0];
    if (connected && missed) {
      this._tell({ kind: 'connected' });
    } else if (!connected) {
      this._tell({ kind: 'silent', problem: message ? new ApiError(message, 'Unreachable', 503, command) : null });
    }
    if (notice) {
      this._tell({ kind: 'notice', notice });
    }
  }

  private _tell(news: News): void {
    this._listeners.forEach(listener => listener(news));
  }
}

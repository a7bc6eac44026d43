/** Changes of jobs from Jupyter's event bus, over the one socket that a page has for it anyway. */
import type { Event, ServerConnection } from '@jupyterlab/services';
import { ApiError, asApiError, refusal } from '../api/problem';
import { Repeated, after } from '../model/clock';
import type { Feed, JobNews, News } from '../model/feed';
import { request } from './requests';

const JOB = 'https://schema.qwex.dev/jupyter/job/v1';
const FEED = 'https://schema.qwex.dev/jupyter/feed/v1';
/** The answer to a greeting comes over the bus; where it does not come in time, websockets are blocked. */
const IN_TIME = 3000;
const GREET_AGAIN = [10_000, 120_000] as const;

/** What the server extension says of its connection to the controller. */
interface Standing {
  connected: boolean;
  message: string;
  command: string;
  /** Another one after each gap. */
  beginning: string;
  notice: string;
}

export class BusFeed implements Feed {
  connected = false;
  private readonly _listeners = new Set<(news: News) => void>();
  private readonly _greeting = new Repeated(
    () => this._greet(),
    failures => (failures ? Math.min(GREET_AGAIN[0] * 2 ** (failures - 1), GREET_AGAIN[1]) : GREET_AGAIN[1])
  );
  private _heard: (() => void) | null = null;
  private _beginning = '';

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

  /** Asks the server to say something on the bus, and waits for it. */
  private async _greet(): Promise<void> {
    if (this.connected) {
      return;
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
      this._tell({ ...(emission as unknown as Omit<JobNews, 'kind'>), kind: 'job' });
    } else if (emission.schema_id === FEED) {
      this._heard?.();
      this._stands(emission as unknown as Standing);
    }
  }

  /** Also said again whenever another browser's tab greets. */
  private _stands({ connected, message, command, beginning, notice }: Standing): void {
    const begun = connected && !(this.connected && beginning === this._beginning);
    [this.connected, this._beginning] = [connected, beginning];
    if (begun) {
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

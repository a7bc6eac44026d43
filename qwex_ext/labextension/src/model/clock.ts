/** Something done again and again: soon after it went well, later and later while it fails. */
export class Repeated {
  private _cancel: (() => void) | null = null;
  private _failures = 0;
  private _run = 0;
  private _running = false;

  constructor(
    private readonly _do: () => Promise<void>,
    /** Milliseconds to the next time, after so many failures in a row. */
    private readonly _pause: (failures: number) => number
  ) {}

  get running(): boolean {
    return this._running;
  }

  /** Begins now, or does it again now. */
  start(): void {
    this.stop();
    this._running = true;
    this._failures = 0;
    void this._once(this._run);
  }

  stop(): void {
    this._cancel?.();
    this._cancel = null;
    this._running = false;
    this._run++;
  }

  private async _once(run: number): Promise<void> {
    try {
      await this._do();
      this._failures = 0;
    } catch {
      this._failures++;
    }
    if (run === this._run) {
      this._cancel = after(this._pause(this._failures), () => void this._once(run));
    }
  }
}

/** Calls `then` once, `milliseconds` from now, unless the function this gives back is called before. */
export function after(milliseconds: number, then: () => void): () => void {
  const timer = setTimeout(then, milliseconds);
  return () => clearTimeout(timer);
}

/** Milliseconds before the next try: a second after the first failure, at most half a minute. */
export function backOff(failures: number): number {
  return Math.min(1000 * 2 ** Math.max(failures - 1, 0), 30_000);
}

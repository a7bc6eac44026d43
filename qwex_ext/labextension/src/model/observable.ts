/** Something that tells its watchers when it has changed; what has changed they read off it. */
export class Observable {
  private readonly _watchers = new Set<() => void>();
  private _version = 0;

  /** Rises with every change, so that a view can tell two moments apart. */
  readonly version = (): number => this._version;

  /** Calls `watcher` after every change until the function it gives back is called. */
  readonly subscribe = (watcher: () => void): (() => void) => {
    this._watchers.add(watcher);
    return () => {
      this._watchers.delete(watcher);
    };
  };

  protected changed(): void {
    this._version++;
    for (const watcher of [...this._watchers]) {
      watcher();
    }
  }
}

/** Counts who shows something: work is done only while somebody does. */
export class Audience {
  private _size = 0;

  constructor(
    private readonly _enter: () => void,
    private readonly _leave: () => void
  ) {}

  get present(): boolean {
    return this._size > 0;
  }

  /** One more shows it, until the function this gives back is called. */
  join(): () => void {
    let here = true;
    if (++this._size === 1) {
      this._enter();
    }
    return () => {
      if (here) {
        here = false;
        if (--this._size === 0) {
          this._leave();
        }
      }
    };
  }
}

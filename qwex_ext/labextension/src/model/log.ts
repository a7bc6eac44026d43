/** A job's output as lines, the last of them: what a terminal would show, kept small however much comes. */

import type { Event } from '../api/types';

export interface Line {
  /** With its colours, as ANSI escapes; those still open from lines before stand at its front. */
  text: string;
  /** `qwex` for what is no output of the job's own. */
  source: 'stdout' | 'stderr' | 'qwex';
}

/** Characters and lines that are kept at most. */
const MOST = { characters: 40_000_000, lines: 250_000 };
/** A longer line goes on in the next one: one of millions of characters would hold up the page. */
const LONGEST = 4000;
/** More than there are lines at once. */
const NAMES = 2 ** 18;

// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
// eslint-disable-next-line no-control-regex
const COLOUR = /\u001b\[([0-9;]*)m/g;
/** One of them; those of 256 and of all colours are several numbers. */
const CODE = /[34]8;(?:5;\d+|2;\d+;\d+;\d+)|\d+/g;

export class Log {
  /** Lines that were let go of from the front. */
  dropped = 0;
  private _lines: Line[] = [];
  private _characters = 0;
  /** Whether the last line may go on. */
  private _open = false;
  /** The colours that are on at the end of the last whole line. */
  private _colours = '';

  get lines(): readonly Line[] {
    return this._lines;
  }

  /** Takes in a record, if it holds text; what is drawn elsewhere than in a terminal is left out. */
  take({ type, data }: Event): void {
    if (type === 'stream') {
      this.append(String(data.text), data.name === 'stderr' ? 'stderr' : 'stdout');
    } else if (type === 'error') {
      this.append(`${(data.traceback as string[]).join('\n')}\n`, 'stderr');
    } else if (type === 'notice') {
      this.say(String(data.message));
    }
  }

  append(text: string, source: Line['source']): void {
    if (!text) {
      return;
    }
    const pieces = text.split('\n');
    pieces.forEach((piece, index) => this._add(piece, source, index === pieces.length - 1));
    this._trim();
  }

  /** A whole line of its own. */
  say(text: string): void {
    if (this._open) {
      this.append('\n', 'stdout');
    }
    this.append(`${text}\n`, 'qwex');
  }

  clear(): void {
    [this._lines, this._characters, this._open, this._colours, this.dropped] = [[], 0, false, '', 0];
  }

  /** The numbers, from 0 and with those let go of, of the lines that contain `sought`, whatever their case and colours. */
  find(sought: string): number[] {
    const word = new RegExp(sought.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i');
    const found: number[] = [];
    this._lines.forEach((line, index) => {
      if (word.test(plain(line.text))) {
        found.push(index + this.dropped);
      }
    });
    return found;
  }

  /** What tells the line at `index` from the others for as long as it is kept; used again for later ones. */
  key(index: number): number {
    return (index + this.dropped) % NAMES;
  }

  private _add(piece: string, source: Line['source'], last: boolean): void {
    if (this._open) {
      const line = this._lines[this._lines.length - 1]!;
      const text = overwritten(line.text + piece);
      this._characters += text.length - line.text.length;
      this._lines[this._lines.length - 1] = { ...line, text };
    } else if (piece || !last) {
      const text = this._colours + overwritten(piece);
      this._characters += text.length;
      this._lines.push({ text, source });
    } else {
      return;
    }
    this._open = last;
    this._fold();
    if (!last) {
      this._closed();
    }
  }

  /** Breaks the last line where it is too long. */
  private _fold(): void {
    for (;;) {
      const { text, source } = this._lines[this._lines.length - 1]!;
      if (text.length <= LONGEST) {
        return;
      }
      this._lines[this._lines.length - 1] = { text: text.slice(0, LONGEST), source };
      this._colours = left(text.slice(0, LONGEST));
      this._characters += this._colours.length;
      this._lines.push({ text: this._colours + text.slice(LONGEST), source });
    }
  }

  /** The last line is whole. */
  private _closed(): void {
    const line = this._lines[this._lines.length - 1]!;
    if (line.text.endsWith('\r')) {
      this._lines[this._lines.length - 1] = { ...line, text: line.text.slice(0, -1) };
    }
    this._colours = left(line.text);
  }

  private _trim(): void {
    if (this._lines.length <= MOST.lines && this._characters <= MOST.characters) {
      return;
    }
    // A tenth at once, so that it is seldom done.
    let count = Math.max(this._lines.length - MOST.lines * 0.9, 0) | 0;
    let gone = this._lines.slice(0, count).reduce((sum, line) => sum + line.text.length, 0);
    while (this._characters - gone > MOST.characters * 0.9 && count < this._lines.length - 1) {
      gone += this._lines[count++]!.text.length;
    }
    this._lines = this._lines.slice(count);
    this._characters -= gone;
    this.dropped += count;
  }
}

/** Without colours and other escapes. */
export function plain(text: string): string {
  return text.includes('\u001b') ? text.replace(ESCAPES, '') : text;
}

/** What is left of a line in which carriage returns went back to its front. */
function overwritten(text: string): string {
  const body = text.endsWith('\r') ? text.slice(0, -1) : text;
  const back = body.lastIndexOf('\r');
  const shown = back < 0 ? body : body.slice(back + 1);
  // A return at the very end takes effect with what comes next.
  return text.endsWith('\r') ? `${shown}\r` : shown;
}

/** The colours that are still on at the end of a line, each in one code: what is said in vain must not add up. */
function left(text: string): string {
  if (!text.includes('\u001b[')) {
    return '';
  }
  const on = new Map<string, string>();
  for (const [, codes] of text.matchAll(COLOUR)) {
    for (const [code] of (codes || '0').matchAll(CODE)) {
      turn(on, code);
    }
  }
  return on.size ? `\u001b[${[...on.values()].join(';')}m` : '';
}

/** What one code of ECMA-48, 8.3.117, turns on or off. */
function turn(on: Map<string, string>, code: string): void {
  const number = parseInt(code);
  if (number === 0) {
    on.clear();
  } else if (number === 39 || number === 49) {
    on.delete(number === 39 ? 'text' : 'ground');
  } else if ((number >= 30 && number < 39) || (number >= 90 && number < 98)) {
    on.set('text', code);
  } else if ((number >= 40 && number < 49) || (number >= 100 && number < 108)) {
    on.set('ground', code);
  } else if (number < 10) {
    on.set(code, code);
  } else if (number > 20 && number < 30) {
    // 22 is neither bold nor dim.
    (number === 22 ? ['1', '2'] : [String(number - 20)]).forEach(other => on.delete(other));
  }
}

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

// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g;
// eslint-disable-next-line no-control-regex
const COLOUR = /\u001b\[([0-9;]*)m/g;

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

  /** The numbers of the lines that contain `sought`, whatever their case and colours. */
  find(sought: string): number[] {
    const word = sought.toLowerCase();
    const found: number[] = [];
    this._lines.forEach((line, number) => {
      if (plain(line.text).toLowerCase().includes(word)) {
        found.push(number);
      }
    });
    return found;
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
    if (!last) {
      this._closed();
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

/** The colours that are still on at the end of a line. */
function left(text: string): string {
  if (!text.includes('\u001b[')) {
    return '';
  }
  let open = '';
  for (const [escape, codes] of text.matchAll(COLOUR)) {
    open = codes === '' || codes === '0' ? '' : open + escape;
  }
  return open;
}

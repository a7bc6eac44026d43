/** The outputs of a job as nbformat has them in a cell, folded from its records. */
import type { Event } from '../api/types';

/** An output of nbformat 4's; `name` and `text` of a stream are left to the log. */
export interface Output {
  output_type: 'display_data' | 'execute_result' | 'error';
  data?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  execution_count?: number | null;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

/** More than anybody looks at; the log of events has them all. */
const MOST = 500;

export class Outputs {
  list: readonly Output[] = [];
  private _named = new Map<string, number[]>();
  private _clear = false;
  /** Where those of the present cell begin; what it clears are its own. */
  private _from = 0;

  /** Takes in a record; whether it changed anything. */
  take({ type, data }: Event): boolean {
    if (type === 'cell') {
      [this._from, this._clear] = [this.list.length, false];
      return false;
    }
    if (type === 'clear_output') {
      this._clear = true;
      return data.wait ? false : this._cleared();
    }
    if (type === 'update_display') {
      return this._update(data);
    }
    if (type !== 'display' && type !== 'result' && type !== 'error') {
      return false;
    }
    this._cleared();
    const id = displayId(data);
    if (id) {
      this._named.set(id, [...(this._named.get(id) ?? []), this.list.length]);
    }
    if (this.list.length < MOST) {
      this.list = [...this.list, output(type, data)];
    }
    return true;
  }

  clear(): void {
    this._from = 0;
    this._clear = true;
    this._cleared();
  }

  private _cleared(): boolean {
    if (!this._clear) {
      return false;
    }
    const from = this._from;
    this.list = this.list.slice(0, from);
    this._named = new Map([...this._named].map(([id, places]) => [id, places.filter(at => at < from)]));
    this._clear = false;
    return true;
  }

  private _update(data: Record<string, unknown>): boolean {
    const places = this._named.get(displayId(data)) ?? [];
    const next = [...this.list];
    for (const place of places.filter(at => at < next.length)) {
      next[place] = { ...next[place]!, ...bundle(data) };
    }
    this.list = next;
    return places.length > 0;
  }
}

function output(type: 'display' | 'result' | 'error', data: Record<string, unknown>): Output {
  if (type === 'error') {
    const { ename, evalue, traceback } = data as { ename: string; evalue: string; traceback: string[] };
    return { output_type: 'error', ename, evalue, traceback };
  }
  if (type === 'result') {
    return {
      output_type: 'execute_result',
      execution_count: (data.execution_count as number) ?? null,
      ...bundle(data)
    };
  }
  return { output_type: 'display_data', ...bundle(data) };
}

function bundle(data: Record<string, unknown>): Pick<Output, 'data' | 'metadata'> {
  return {
    data: (data.data as Record<string, unknown>) ?? {},
    metadata: (data.metadata as Record<string, unknown>) ?? {}
  };
}

function displayId(data: Record<string, unknown>): string {
  return String((data.transient as Record<string, unknown> | undefined)?.display_id ?? '');
}

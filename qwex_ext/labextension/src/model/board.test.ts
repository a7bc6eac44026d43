import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Api } from '../api/client';
import { ApiError } from '../api/problem';
import type { Job, JobState } from '../api/types';
import { Board } from './board';
import type { Feed, News } from './feed';
import { EVERYTHING } from './jobs';
import { Mine } from './mine';

class Wire implements Feed {
  connected = true;
  private _listeners: ((news: News) => void)[] = [];
  subscribe(listener: (news: News) => void): () => void {
    this._listeners.push(listener);
    return () => undefined;
  }
  tell(news: News): void {
    this._listeners.forEach(listener => listener(news));
  }
  moved(job: Job): void {
    this.tell({ kind: 'job', ...job });
  }
}

/** A controller with these jobs, and what it was asked. */
class Controller {
  readonly jobs = new Map<string, Job>();
  readonly asked: string[] = [];
  /** Those of them that would start it, were it not there. */
  readonly starting: string[] = [];
  away = false;
  /** The server in front of it answers that it is not there. */
  missing = false;
  /** Milliseconds before an answer comes, which is made before. */
  delay = 0;

  readonly fetch = async (path: string, init?: RequestInit): Promise<Response> => {
    const asked = `${init?.method ?? 'GET'} ${path}`;
    this.asked.push(asked);
    if (!new Headers(init?.headers).has('qwex-start')) {
      this.starting.push(asked);
    }
    if (this.away) {
      throw new TypeError('refused');
    }
    if (this.missing) {
      return new Response('{}', { status: 503 });
    }
    const [where, query] = path.split('?');
    const id = where!.split('/')[2];
    const answer = JSON.stringify(id ? this._one(id, init) : this._many(where!, new URLSearchParams(query)));
    await new Promise<void>(resolve => (this.delay ? setTimeout(resolve, this.delay) : resolve()));
    return new Response(answer);
  };

  add(id: string, state: JobState, more: Partial<Job> = {}): Job {
    const job = { id, name: id, user: 'ada', state, created_at: this.jobs.size, ended_at: null, ...more } as Job;
    this.jobs.set(id, job);
    return job;
  }

  private _one(id: string, init?: RequestInit): Job {
    return init?.method === 'DELETE' ? this.add(id, 'CANCELLED', { ended_at: 9 }) : this.jobs.get(id)!;
  }

  private _many(path: string, query: URLSearchParams): unknown {
    if (path === '/whoami') {
      return { user: 'ada', own: true };
    }
    const states = query.get('state')?.split(',') ?? [];
    const jobs = [...this.jobs.values()].filter(job => !states.length || states.includes(job.state)).reverse();
    if (path === '/counts') {
      return Object.fromEntries(jobs.map(job => [job.state, jobs.filter(other => other.state === job.state).length]));
    }
    const page = jobs.slice(0, Number(query.get('limit')));
    const next_cursor = page.length < jobs.length ? 'more' : null;
    return path === '/queues' ? { queues: [], away: {} } : { jobs: page, next_cursor, total: jobs.length };
  }
}

let controller: Controller;
let wire: Wire;
let board: Board;
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(1000);
const ids = (list: { jobs: readonly Job[] }): string[] => list.jobs.map(job => job.id);

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  controller = new Controller();
  wire = new Wire();
  board = new Board(new Api(controller.fetch), wire);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function shown(): () => void {
  const leave = [board.show(), board.running.show(), board.waiting.show(), board.finished.show()];
  return () => leave.forEach(each => each());
}

describe('the board', () => {
  test('shows jobs where they belong, and moves them', async () => {
    controller.add('a', 'RUNNING');
    const b = controller.add('b', 'QUEUED');
    shown();
    await settle();
    expect([ids(board.running), ids(board.waiting), ids(board.finished)]).toEqual([['a'], ['b'], []]);
    wire.moved(controller.add('b', 'RUNNING', { created_at: b.created_at }));
    await settle();
    expect([ids(board.running), ids(board.waiting)]).toEqual([['b', 'a'], []]);
    expect(board.counts?.RUNNING).toBe(2);
  });

  test('asks for nothing while nobody looks', async () => {
    const leave = shown();
    await settle();
    leave();
    controller.asked.length = 0;
    wire.moved(controller.add('a', 'RUNNING'));
    wire.tell({ kind: 'connected' });
    await vi.advanceTimersByTimeAsync(600_000);
    expect(controller.asked).toEqual([]);
    shown();
    await settle();
    expect(ids(board.running)).toEqual(['a']);
  });

  test('asks for each list once when it is opened, and when something else is looked for', async () => {
    const lists = (): number => controller.asked.filter(each => each.startsWith('GET /jobs?')).length;
    shown();
    await settle();
    expect(lists()).toBe(3);
    board.find({ ...EVERYTHING, text: 'a' });
    await settle();
    expect(lists()).toBe(6);
  });

  test('what is on its way when a list is hidden is not taken for what changed since', async () => {
    const leave = shown();
    await settle();
    void board.running.reload();
    leave();
    controller.add('a', 'RUNNING');
    void board.running.reload();
    await settle();
    shown();
    await settle();
    expect(ids(board.running)).toEqual(['a']);
  });

  test('looks a change up with one request', async () => {
    shown();
    await settle();
    controller.asked.length = 0;
    wire.moved(controller.add('a', 'QUEUED'));
    wire.moved(controller.add('a', 'RUNNING'));
    await vi.advanceTimersByTimeAsync(50);
    expect(controller.asked).toEqual(['GET /jobs/a']);
  });

  test('asks for the lists after many changes at once', async () => {
    shown();
    await settle();
    controller.asked.length = 0;
    for (let n = 0; n < 100; n++) {
      wire.moved(controller.add(`j${n}`, 'RUNNING'));
    }
    await settle();
    expect(controller.asked.length).toBeLessThan(8);
    expect(board.running.total).toBe(100);
  });

  test('shows what goes on while jobs move without a pause, and asks no more than it must', async () => {
    controller.delay = 60;
    for (let n = 0; n < 100; n++) {
      controller.add(`j${n}`, 'QUEUED');
    }
    shown();
    await settle();
    controller.asked.length = 0;
    const seen = new Set<number>();
    for (let n = 0; n < 100; n++) {
      wire.moved(controller.add(`j${n}`, 'RUNNING'));
      await vi.advanceTimersByTimeAsync(10);
      seen.add(board.running.total ?? 0);
    }
    expect(seen.size).toBeGreaterThan(3);
    expect(controller.asked.length).toBeLessThan(50);
    await settle();
    expect([board.counts?.RUNNING, board.waiting.jobs.length]).toEqual([100, 0]);
  });

  test('what is known of a job is not undone by a list that was asked for before', async () => {
    shown();
    await settle();
    const a = controller.add('a', 'RUNNING');
    controller.delay = 50;
    board.refresh();
    await vi.advanceTimersByTimeAsync(10);
    board.put({ ...a, state: 'SUCCEEDED', ended_at: 7 });
    await settle();
    expect([ids(board.running), ids(board.finished)]).toEqual([[], ['a']]);
  });

  test('counts all that wait, also those that are too many to know each', async () => {
    const mine = new Mine(board);
    for (let n = 0; n < 700; n++) {
      controller.add(`j${n}`, n ? 'QUEUED' : 'RUNNING');
    }
    wire.tell({ kind: 'connected' });
    await settle();
    expect([mine.running, mine.waiting]).toEqual([1, 699]);
    wire.moved(controller.add('j1', 'RUNNING'));
    wire.moved(controller.add('new', 'QUEUED'));
    expect([mine.running, mine.waiting]).toEqual([2, 699]);
  });

  test('asks again and again without a feed, and hears of changes that way', async () => {
    wire.connected = false;
    shown();
    await settle();
    controller.add('a', 'RUNNING');
    await vi.advanceTimersByTimeAsync(5000);
    expect(ids(board.running)).toEqual(['a']);
  });

  test('says what is wrong, and is well again by itself', async () => {
    controller.away = true;
    shown();
    await settle();
    expect(board.problem?.message).toContain('refused');
    controller.away = false;
    controller.add('a', 'RUNNING');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(board.problem).toBeNull();
    expect(ids(board.running)).toEqual(['a']);
  });

  test('starts a controller as a person wishes, and never by itself', async () => {
    const leave = shown();
    await settle();
    expect(controller.starting).toContain('GET /whoami');
    controller.starting.length = 0;
    controller.missing = true;
    wire.tell({ kind: 'silent', problem: new ApiError('not running', 'Unreachable', 503) });
    await vi.advanceTimersByTimeAsync(100_000);
    expect(controller.starting).toEqual([]);
    board.again();
    await settle();
    expect(controller.starting.length).toBeGreaterThan(0);
    controller.starting.length = 0;
    await vi.advanceTimersByTimeAsync(100_000);
    expect(controller.starting).toEqual([]);
    leave();
    shown();
    await settle();
    expect(controller.starting).toEqual([]);
  });

  test('finds by name and by state', async () => {
    controller.add('a', 'RUNNING');
    controller.add('b', 'FAILED', { ended_at: 5 });
    shown();
    board.find({ ...EVERYTHING, states: new Set<JobState>(['FAILED']) });
    await settle();
    expect([ids(board.running), ids(board.finished)]).toEqual([[], ['b']]);
    expect(board.running.possible).toBe(false);
    wire.moved(controller.add('c', 'RUNNING'));
    await settle();
    expect(ids(board.running)).toEqual([]);
  });

  test('says of a job that it stops until it has ended', async () => {
    controller.add('a', 'RUNNING');
    shown();
    await settle();
    const cancelling = board.cancel('a');
    expect(board.stopping.has('a')).toBe(true);
    await cancelling;
    expect(board.stopping.has('a')).toBe(false);
    expect([ids(board.running), ids(board.finished)]).toEqual([[], ['a']]);
  });

  test('a card hears of its job alone', async () => {
    const a = controller.add('a', 'RUNNING');
    const heard: JobState[] = [];
    const leave = board.watch('a', job => heard.push(job.state));
    wire.moved(controller.add('b', 'RUNNING'));
    wire.moved({ ...a, state: 'SUCCEEDED' });
    controller.add('a', 'SUCCEEDED', { ended_at: 4 });
    await settle();
    expect(heard).toEqual(['SUCCEEDED']);
    expect(controller.asked).toEqual(['GET /jobs/a']);
    leave();
  });
});

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Api } from '../api/client';
import { Board } from './board';
import { Followed } from './followed';

const job = { id: 'a', name: 'a', user: 'ada', state: 'RUNNING', attempt: 1, created_at: 1, ended_at: null };
let events: string[];
let away: boolean;
let streams: ReadableStreamDefaultController<Uint8Array>[];
let hear: (news: never) => void;
let followed: Followed;
const settle = (milliseconds = 100): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

/** The controller tells of a line that the job printed. */
const print = (id: number, text: string): void => {
  const data = JSON.stringify({ ts: 1, attempt: 1, name: 'stdout', text: `${text}\n` });
  streams[streams.length - 1]!.enqueue(new TextEncoder().encode(`id: ${id}\nevent: stream\ndata: ${data}\n\n`));
};

const answer = async (path: string, init?: RequestInit): Promise<Response> => {
  if (away) {
    return new Response(JSON.stringify({ detail: 'not running', command: 'qwex controller start' }), { status: 503 });
  }
  if (!path.includes('/events')) {
    return new Response(JSON.stringify(job));
  }
  events.push(path.split('?')[1]!);
  const start = (stream: ReadableStreamDefaultController<Uint8Array>): void => {
    streams.push(stream);
    init?.signal?.addEventListener('abort', () => stream.error(new DOMException('left', 'AbortError')));
  };
  return new Response(new ReadableStream({ start }));
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  [events, streams, away] = [[], [], false];
  const feed = { connected: true, subscribe: (listener: typeof hear) => ((hear = listener), () => undefined) };
  followed = new Followed(new Board(new Api(answer), feed as never), 'a');
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('goes on after a cut where it was, as soon as the controller is heard of again', async () => {
  followed.show();
  await settle();
  print(5, 'one');
  await settle();
  away = true;
  streams[0]!.error(new TypeError('network error'));
  await settle();
  expect(followed.problem).toBeNull();
  await settle(60_000);
  expect(followed.problem?.command).toBe('qwex controller start');
  expect(followed.log.lines.map(line => line.text)).toEqual(['one']);

  away = false;
  hear({ kind: 'connected' } as never);
  await settle();
  expect(followed.problem).toBeNull();
  print(5, 'one');
  print(6, 'two');
  await settle();
  expect(followed.log.lines.map(line => line.text)).toEqual(['one', 'two']);
  expect(events.map(query => query.split('&')[0])).toEqual(['tail=16000000', 'after=5']);
});

test('keeps one connection for all pages, and none while nobody sees them', async () => {
  const board = (followed as unknown as { _board: Board })._board;
  const other = new Followed(board, 'b');
  followed.show();
  other.show();
  await settle();
  const follows = (): string[] => events.map(query => /follow=(\d)/.exec(query)![1]!);
  expect(follows()).toEqual(['1', '0']);
  streams[1]!.close();
  await settle(1500);
  expect(follows()).toEqual(['1', '0', '0']);
  board.turn(true);
  await settle(60_000);
  expect(follows()).toEqual(['1', '0', '0']);
  board.turn(false);
  await settle();
  expect(follows().slice(3).sort()).toEqual(['0', '1']);
});

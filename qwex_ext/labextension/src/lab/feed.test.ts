import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { News } from '../model/feed';
import { BusFeed } from './feed';

const request = vi.hoisted(() => vi.fn());
vi.mock('./requests', () => ({ request }));

const JOB = 'https://schema.qwex.dev/jupyter/job/v1';
const MACHINE = 'https://schema.qwex.dev/jupyter/machine/v1';
const FEED = 'https://schema.qwex.dev/jupyter/feed/v1';

let hear: (emission: Record<string, unknown>) => void;
let kinds: string[];
let feed: BusFeed;

/** Jupyter's bus brings what the server says of its feed. */
const said = (told: number, more: Record<string, unknown> = {}): void =>
  hear({ schema_id: FEED, connected: true, message: '', command: '', beginning: 'a', told, notice: '', ...more });

beforeEach(() => {
  vi.useFakeTimers();
  request.mockReset();
  request.mockImplementation(async () => new Response('{}'));
  const stream = { connect: (slot: (_: unknown, emission: unknown) => void) => (hear = each => slot(null, each)) };
  feed = new BusFeed({} as never, stream as never);
  kinds = [];
  feed.subscribe((news: News) => kinds.push(news.kind));
});

afterEach(() => {
  vi.useRealTimers();
});

test('what is said again brings nothing new', () => {
  said(3);
  hear({ schema_id: JOB, id: 'a' });
  hear({ schema_id: MACHINE, id: 'm' });
  said(5);
  said(5);
  expect(kinds).toEqual(['connected', 'job', 'machine']);
});

test('who has heard of fewer changes than were told asks for everything anew', () => {
  said(3);
  hear({ schema_id: JOB, id: 'a' });
  said(5);
  said(5);
  expect(kinds).toEqual(['connected', 'job', 'connected']);
});

test('a bus that falls silent is no connection, and one that speaks again is', async () => {
  request.mockImplementation(async () => (said(0), new Response('{}')));
  feed.start();
  await vi.advanceTimersByTimeAsync(50_000);
  said(0);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(request).toHaveBeenCalledTimes(1);
  request.mockImplementation(async () => new Response('{}'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([feed.connected, kinds]).toEqual([false, ['connected', 'silent']]);
  expect(request.mock.calls.length).toBeGreaterThan(1);
  said(7);
  expect([feed.connected, kinds]).toEqual([true, ['connected', 'silent', 'connected']]);
});

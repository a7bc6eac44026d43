import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Api } from '../api/client';
import type { Job, JobState } from '../api/types';
import { Board } from './board';
import type { Course } from './metrics';

let asked: string[];
let loss: number[];
let status: number;
let board: Board;
let course: Course;
const settle = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
const at = (state: JobState, user = 'ada'): Pick<Job, 'state' | 'user'> => ({ state, user });

const answer = async (path: string): Promise<Response> => {
  asked.push(path);
  if (path === '/whoami') {
    return new Response(JSON.stringify({ user: 'ada', own: true }));
  }
  const one = { name: 'loss', value: loss[loss.length - 1], step: loss.length, ts: 1, history: loss };
  return new Response(JSON.stringify({ metrics: loss.length ? [one] : [] }), { status });
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
  [asked, loss, status] = [[], [], 200];
  const feed = { connected: true, subscribe: () => () => undefined };
  board = new Board(new Api(answer), feed);
  board.me = { user: 'ada', own: true };
  course = board.metrics.of('a');
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('is asked for at once, then every two seconds while it changes, by one for all', async () => {
  loss = [2];
  course.show(at('RUNNING'));
  board.metrics.of('a').show(at('RUNNING'));
  await settle(0);
  expect(asked).toEqual(['/jobs/a/metrics']);
  for (let step = 0; step < 5; step++) {
    loss = [...loss, 1 / (step + 1)];
    await settle(2000);
  }
  expect(asked).toHaveLength(6);
  expect(course.metrics[0]?.history).toHaveLength(6);
});

test('is asked for more and more seldom while nothing changes', async () => {
  loss = [2];
  course.show(at('RUNNING'));
  await settle(60_000);
  asked.length = 0;
  await settle(60_000);
  expect(asked).toHaveLength(6);
});

test('is asked for every ten seconds where nothing is logged', async () => {
  course.show(at('RUNNING'));
  await settle(4000);
  expect(asked).toHaveLength(3);
  await settle(9999);
  expect(asked).toHaveLength(3);
  await settle(1);
  expect(asked).toHaveLength(4);
});

test('is not asked for while nobody can see it, and not more often by looking away and back', async () => {
  const leave = course.show(at('RUNNING'));
  await settle(0);
  leave();
  course.show(at('RUNNING'))();
  await settle(60_000);
  expect(asked).toHaveLength(1);
  course.show(at('RUNNING'));
  await settle(0);
  board.turn(true);
  await settle(60_000);
  expect(asked).toHaveLength(2);
  board.turn(false);
  await settle(0);
  expect(asked).toHaveLength(3);
});

test('is asked for once more at the end, and never again', async () => {
  loss = [2];
  const leave = course.show(at('RUNNING'));
  await settle(100);
  loss = [2, 1];
  course.show(at('SUCCEEDED'));
  leave();
  await settle(0);
  expect(course.metrics[0]?.value).toBe(1);
  // Another card has not heard of the end yet.
  course.show(at('RUNNING'));
  await settle(60_000);
  expect(asked).toHaveLength(2);
});

test('an answer that was on its way at the end does not count as the last one', async () => {
  loss = [2];
  course.show(at('RUNNING'));
  vi.advanceTimersToNextTimer();
  course.show(at('SUCCEEDED'));
  await settle(0);
  expect(asked).toHaveLength(2);
});

test("is never asked for of other people's jobs, nor again where that is refused", async () => {
  board.me = null;
  board.metrics.of('b').show(at('RUNNING', 'eve'));
  await settle(60_000);
  expect(asked).toEqual(['/whoami']);
  status = 404;
  course.show(at('RUNNING'));
  await settle(60_000);
  expect(asked).toEqual(['/whoami', '/jobs/a/metrics']);
});

test('what failed is tried again, later and later', async () => {
  status = 503;
  course.show(at('RUNNING'));
  await settle(10_000);
  expect(asked).toHaveLength(3);
  [status, loss] = [200, [1]];
  await settle(10_000);
  expect(course.metrics[0]?.value).toBe(1);
});

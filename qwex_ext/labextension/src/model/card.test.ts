import { expect, test } from 'vitest';
import type { Job, Metric } from '../api/types';
import { lacks, newest, newestOf, snapshot, type Snapshot } from './card';

const LINKS = { MLflow: 'http://127.0.0.1/#/runs/1' };
const metric = (name: string, ts: number, value = ts): Metric => ({ name, value, step: 1, ts, history: [value] });
const kept = (more: object): Snapshot => snapshot({ id: 'a', state: 'RUNNING', ...more })!;
const live = (more: object): Job => kept(more);

test('a notebook that is ahead of the controller gets the links that this one knows', () => {
  const over = kept({ state: 'SUCCEEDED', message: 'kept' });
  expect(newest(over, live({ links: LINKS }))).toEqual({ ...over, links: LINKS });
  expect(newest(over, live({}))).toBe(over);
  const ended = live({ state: 'SUCCEEDED', links: LINKS });
  expect(newest(over, ended)).toBe(ended);
});

test('of two answers to what it logs the later one is shown', () => {
  const over = kept({ state: 'SUCCEEDED', metrics: [metric('loss', 3), metric('accuracy', 3)] });
  const shown = newestOf(over, [metric('accuracy', 4), metric('loss', 2), metric('rate', 1)]);
  expect(shown.map(({ name, value }) => [name, value])).toEqual([
    ['accuracy', 4],
    ['loss', 3],
    ['rate', 1]
  ]);
});

test('a notebook is written to for what it does not have, and only once', () => {
  const over = kept({ state: 'SUCCEEDED', metrics: [metric('loss', 3)] });
  expect(lacks(over, {}, [metric('loss', 3)])).toBe(false);
  expect(lacks(over, LINKS, [])).toBe(true);
  expect(lacks(over, {}, [metric('rate', 1)])).toBe(true);
  const metrics = newestOf(over, [metric('rate', 1)]);
  expect(lacks({ ...over, links: LINKS, metrics }, LINKS, newestOf({ ...over, metrics }, metrics))).toBe(false);
});

test('what stands in a stranger’s notebook is a metric or left out', () => {
  const good = metric('loss', 3);
  const strange = [null, 5, {}, { ...good, name: 5 }, { ...good, history: ['x'] }, { ...good, history: null }];
  expect(kept({ metrics: [...strange, good] }).metrics).toEqual([good]);
  expect(kept({ metrics: 'x' }).metrics).toEqual([]);
});

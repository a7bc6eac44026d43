import { expect, test } from 'vitest';
import type { Job, Why } from '../api/types';
import type { Words } from './host';
import {
  asks,
  bytes,
  ending,
  estimate,
  figure,
  headline,
  metricLabel,
  moreMemory,
  ordinal,
  span,
  waiting
} from './words';

const trans: Words = {
  __: (text, ...values) => values.reduce<string>((said, value, at) => said.replace(`%${at + 1}`, String(value)), text),
  _n: (one, many, count) => (count === 1 ? one : many).replace('%1', String(count))
};
const job = (more: Partial<Job>): Job =>
  ({
    state: 'RUNNING',
    created_at: 100,
    started_at: 110,
    ended_at: null,
    message: '',
    reason: '',
    resources: {},
    ...more
  }) as Job;
const why = (more: Partial<Why>): Why =>
  ({
    summary: 'waits for 1 GPU: 8 of 8 in use',
    reason: '',
    position: null,
    position_in: '',
    cluster_position: null,
    quota: [],
    eta: null,
    basis: '',
    suggestions: [],
    ...more
  }) as Why;

test.each([
  [0.34, '340ms'],
  [1.84, '1.8s'],
  [42, '42s'],
  [192, '3m12s'],
  [3840, '1h04m'],
  [183_600, '2d03h']
])('%f seconds are %s', (seconds, said) => expect(span(seconds)).toBe(said));

test.each([
  [1, '1st'],
  [2, '2nd'],
  [3, '3rd'],
  [4, '4th'],
  [11, '11th'],
  [22, '22nd'],
  [113, '113th']
])('%i is %s', (number, said) => expect(ordinal(number)).toBe(said));

test('both places in one sentence', () => {
  const said = waiting(why({ position: 3, position_in: 'gpu-team', cluster_position: 11 }), trans);
  expect(said).toBe('3rd in gpu-team, 11th in the cluster queue · waits for 1 GPU: 8 of 8 in use');
});

test('an estimate says what it is from', () => {
  expect(estimate(why({ eta: [240, 660], basis: '37 admissions' }), trans)).toBe(
    'starts in 4–11 min (from 37 admissions)'
  );
  expect(estimate(why({ eta: [0, 0.2] }), trans)).toBe('starts in a moment');
  expect(estimate(why({}), trans)).toBe('');
});

test('how it ended', () => {
  expect(ending(job({ state: 'SUCCEEDED', ended_at: 302 }), 0, trans)).toBe('finished in 3m12s');
  expect(ending(job({ state: 'CANCELLED', started_at: null, ended_at: 302 }), 0, trans)).toBe(
    'cancelled before it started'
  );
  const failed = job({ state: 'FAILED', ended_at: 112, reason: 'Exception', message: 'ValueError: x' });
  expect(headline(failed, null, 0, trans)).toBe('failed after 2s · ValueError: x');
});

test('what it asks for', () => {
  expect(asks(job({ resources: { gpu: '2', cpu: '1', memory: '4Gi' } }), trans)).toBe('2 GPUs · 1 CPU · 4Gi');
  expect(asks(job({ resources: { gpu: 'A100:2', cpu: '0.5' } }), trans)).toBe('A100:2 · 0.5 CPUs');
});

test('more memory only for a job that ran out of it', () => {
  expect(moreMemory(job({ reason: 'OutOfMemory', resources: { memory: '1.5Gi' } }))).toBe('3Gi');
  expect(moreMemory(job({ reason: 'Exception', resources: { memory: '1Gi' } }))).toBe('');
  expect(moreMemory(job({ reason: 'OutOfMemory', resources: {} }))).toBe('');
});

test.each([
  [999, '999 B'],
  [1500, '1.5 kB'],
  [84_000_000, '84 MB']
])('%i bytes are %s', (size, said) => expect(bytes(size)).toBe(said));

test.each([
  [0.0313, '0.0313'],
  [1, '1'],
  [0.123456789, '0.123457'],
  [123456, '123456'],
  [1234567, '1.23457e+06'],
  [-0.00001, '-1e-05'],
  [0.0001, '0.0001'],
  [999999.9, '1e+06'],
  [0, '0'],
  [1e-300, '1e-300'],
  [null, 'no number']
])('%s is %s, as on the command line', (value, said) => {
  expect(figure(value, trans)).toBe(said);
});

test('a short number loses nothing before its point', () => {
  expect([12345.6, 0.98765, 6.19223e-5, 1234567].map(value => figure(value, trans, 4))).toEqual([
    '12346',
    '0.9877',
    '6.192e-05',
    '1.235e+06'
  ]);
});

test('a metric says where it is and where it comes from', () => {
  const loss = { name: 'loss', value: 0.0313, step: 90, ts: 1, history: [null, 2.3, 0.0313] };
  expect(metricLabel(loss, trans)).toBe('loss: 0.0313 at step 90, from 2.3');
  expect(metricLabel({ ...loss, step: 0, history: [0.0313] }, trans)).toBe('loss: 0.0313');
});

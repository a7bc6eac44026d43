import { expect, test } from 'vitest';
import type { Job, Machine, MachineEvent, Why } from '../api/types';
import type { Words } from './host';
import {
  asks,
  became,
  bytes,
  ending,
  estimate,
  figure,
  headline,
  limit,
  metricLabel,
  moreMemory,
  ordinal,
  span,
  standing,
  upFor,
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

const machine = (more: Partial<Machine>): Machine =>
  ({
    state: 'RUNNING',
    reason: '',
    message: '',
    doing: [],
    active_at: null,
    idle: null,
    max_age: null,
    ...more
  }) as Machine;

test.each([
  [machine({ idle: 7200, active_at: 1000 }), 'inactive 34m of 2h'],
  [machine({ active_at: 1000 }), 'inactive 34m'],
  [machine({ idle: 5400 }), 'stops after 1h30m of nothing'],
  [machine({ idle: 5400, active_at: 1000, doing: ['2 ssh connections', 'terminal 0'] }), '2 ssh connections'],
  [machine({ state: 'STOPPED', reason: 'StoppedByUser', active_at: 1000 }), ''],
  [machine({ state: 'STOPPED', reason: 'Idle', idle: 7200 }), 'nobody used it for 2h'],
  [machine({ state: 'STOPPED', reason: 'TooOld', max_age: 86400 }), 'it ran for 1d'],
  [machine({ state: 'QUEUED', reason: 'Preempted', message: 'by train-b' }), 'Preempted: by train-b']
])('the last line of a machine %#', (given, said) => {
  expect(standing(given, 3_060_000, trans)).toBe(said);
});

test('a machine that runs has been running for a while', () => {
  expect(upFor(machine({ started_at: 1000 }), 3_060_000)).toBe('34m');
  expect(upFor(machine({ state: 'STOPPED', started_at: 1000 }), 3_060_000)).toBe('');
});

test('chosen durations have no tail of zeros', () => {
  expect([30, 600, 5400, 7200, 90_000, 86_400].map(limit)).toEqual(['30s', '10m', '1h30m', '2h', '1d01h', '1d']);
});

test('what became of a machine names who asked, and the policy where nobody did', () => {
  const event = { asked: 'stop', user: 'ada', reason: 'StoppedByUser', message: '', node: '' } as MachineEvent;
  expect(became(event, trans)).toBe('stop by ada · StoppedByUser');
  expect(became({ ...event, user: '', reason: 'Idle' }, trans)).toBe('stop · Idle');
});

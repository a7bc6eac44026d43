import { expect, test } from 'vitest';
import type { Event } from '../api/types';
import { Outputs } from './outputs';

const event = (type: string, data: Record<string, unknown>): Event => ({ id: 1, ts: 0, attempt: 1, type, data });
const display = (text: string, id?: string): Event =>
  event('display', { data: { 'text/plain': text }, metadata: {}, transient: id ? { display_id: id } : {} });
const texts = (outputs: Outputs): unknown[] => outputs.list.map(output => output.data?.['text/plain']);

test('outputs are those of a cell', () => {
  const outputs = new Outputs();
  outputs.take(display('a'));
  outputs.take(event('result', { data: { 'text/plain': '1' }, metadata: {}, execution_count: 3 }));
  outputs.take(event('error', { ename: 'E', evalue: 'v', traceback: ['t'] }));
  outputs.take(event('stream', { name: 'stdout', text: 'x' }));
  expect(outputs.list.map(output => output.output_type)).toEqual(['display_data', 'execute_result', 'error']);
});

test('a display is changed in place', () => {
  const outputs = new Outputs();
  outputs.take(display('0%', 'bar'));
  outputs.take(display('b'));
  outputs.take(event('update_display', { data: { 'text/plain': '100%' }, transient: { display_id: 'bar' } }));
  expect(texts(outputs)).toEqual(['100%', 'b']);
});

test('cleared at once, or with what comes next', () => {
  const outputs = new Outputs();
  outputs.take(display('a'));
  outputs.take(event('clear_output', { wait: true }));
  expect(texts(outputs)).toEqual(['a']);
  outputs.take(display('b'));
  expect(texts(outputs)).toEqual(['b']);
  outputs.take(event('clear_output', { wait: false }));
  expect(texts(outputs)).toEqual([]);
});

test('a cell of a notebook clears its own only', () => {
  const outputs = new Outputs();
  outputs.take(display('a', 'x'));
  outputs.take(event('clear_output', { wait: true }));
  outputs.take(event('cell', { id: 'c2', number: 2, total: 2 }));
  outputs.take(display('b', 'x'));
  outputs.take(event('clear_output', { wait: false }));
  expect(texts(outputs)).toEqual(['a']);
  outputs.take(display('c'));
  outputs.take(event('update_display', { data: { 'text/plain': 'new' }, transient: { display_id: 'x' } }));
  expect(texts(outputs)).toEqual(['new', 'c']);
});

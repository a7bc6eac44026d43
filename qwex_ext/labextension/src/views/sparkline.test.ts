import { expect, test } from 'vitest';
import { path, places } from './sparkline';

test('the lowest is at the bottom, the highest at the top', () => {
  expect(places([0, 5, 10], 24, 14)).toEqual([
    [2, 12],
    [12, 7],
    [22, 2]
  ]);
});

test('numbers that are all the same lie in the middle', () => {
  expect(places([3, 3], 24, 14)).toEqual([
    [2, 7],
    [22, 7]
  ]);
});

test('what is no number is a gap, and what stands alone a dot', () => {
  expect(path(places([0, 10, null, 5, null], 24, 14))).toBe('M2 12h0L7 2M17 7h0');
  expect(path(places([null, null], 24, 14))).toBe('');
});

import { expect, test } from 'vitest';
import { parameters, valued } from './parameters';

const cell = (source: string | string[], tags: string[] = []): unknown => ({
  cell_type: 'code',
  source,
  metadata: { tags }
});

test('parameters are what the tagged cell sets', () => {
  const source = ['lr = 0.1  # the rate\n', 'name: str = "x"\n', '# no = 1\n', 'a == b\n', 'f(x=1)'];
  expect(parameters({ cells: [cell('lr = 9'), cell(source, ['parameters'])] })).toEqual([
    { name: 'lr', value: '0.1' },
    { name: 'name', value: '"x"' }
  ]);
});

test('a notebook without such a cell has none', () => {
  expect(parameters({ cells: [cell('lr = 1')] })).toEqual([]);
  expect(parameters({})).toEqual([]);
});

test('what was typed is JSON, else Python as far as it is the same, else text', () => {
  const typed = { a: '0.1', b: '[1, 2]', c: 'True', d: 'None', e: 'adam', f: "'adam'", g: ' ' };
  expect(valued(typed)).toEqual({ a: 0.1, b: [1, 2], c: true, d: null, e: 'adam', f: 'adam' });
});

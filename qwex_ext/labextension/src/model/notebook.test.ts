import { describe, expect, test } from 'vitest';
import { parameters } from './notebook';

const cell = (source: string | string[], ...tags: string[]): object => ({
  cell_type: 'code',
  source,
  metadata: { tags }
});

describe('parameters', () => {
  test('are what the tagged cell assigns', () => {
    const source = ['lr = 0.1  # learning rate\n', "name: str = 'a#b'\n", '# lr = 2\n', 'if x == 1:\n', '    y = 2\n'];
    expect(
      parameters({ cells: [cell('a = 1'), cell(source, 'x', 'parameters'), cell('b = 1', 'parameters')] })
    ).toEqual([
      { name: 'lr', value: '0.1' },
      { name: 'name', value: "'a#b'" }
    ]);
  });

  test('are none without such a cell, whatever the notebook holds', () => {
    expect(parameters({})).toBeNull();
    expect(parameters({ cells: [cell('a = 1'), { cell_type: 'code', metadata: { tags: 3 } }] })).toBeNull();
  });
});

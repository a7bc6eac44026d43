import { describe, expect, test } from 'vitest';
import { NOTHING, isJob, read, remove, write } from './magic';

describe('the line of a cell', () => {
  test('is written above a plain cell', () => {
    expect(write('train()', { ...NOTHING, gpu: '1', outputs: 'model, history' })).toBe(
      '%%qwex --gpu 1 -o model,history\ntrain()'
    );
  });

  test('is read as it was written', () => {
    const asked = { gpu: 'A100:2', cpu: '4', mem: '16Gi', queue: 'team-a', inputs: 'df,config', outputs: 'model' };
    expect(read(write('x', asked))).toEqual(asked);
  });

  test('keeps the flags that the form does not know', () => {
    const source = "%%qwex --gpu=2 -i a -i b --name 'my job' --detach --env LR=$lr\nbody";
    expect(read(source)).toEqual({ ...NOTHING, gpu: '2', inputs: 'a,b' });
    expect(write(source, { ...NOTHING, cpu: '2' })).toBe("%%qwex --cpu 2 --name 'my job' --detach --env LR=$lr\nbody");
  });

  test('is found below empty lines, and is not where another magic is', () => {
    expect(isJob('\n\n%%qwex\nx')).toBe(true);
    expect(isJob('%%qwexy\nx')).toBe(false);
    expect(isJob('# %%qwex\nx')).toBe(false);
    expect(isJob('')).toBe(false);
  });

  test('goes without a trace', () => {
    expect(remove('%%qwex --gpu 1\na\nb')).toBe('a\nb');
    expect(remove('a')).toBe('a');
  });

  test('quotes what would be several words', () => {
    expect(write('x', { ...NOTHING, queue: 'a b' })).toBe("%%qwex --queue 'a b'\nx");
  });
});

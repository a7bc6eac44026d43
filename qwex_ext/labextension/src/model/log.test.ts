import { describe, expect, test } from 'vitest';
import { Log, plain } from './log';

function lines(...pieces: string[]): string[] {
  const log = new Log();
  pieces.forEach(piece => log.append(piece, 'stdout'));
  return log.lines.map(line => line.text);
}

describe('a log', () => {
  test('has the same lines however the text was cut', () => {
    const text = 'one\ntwo\n\nfour';
    expect(lines(text)).toEqual(['one', 'two', '', 'four']);
    expect(lines(...text)).toEqual(['one', 'two', '', 'four']);
  });

  test('a carriage return begins the line anew, also in a later piece', () => {
    expect(lines('10%\r50%\r', '100%\ndone\r\n')).toEqual(['100%', 'done']);
  });

  test('colours go on over lines until they are off', () => {
    expect(lines('\u001b[31mred\nstill\u001b[0m\nplain\n')).toEqual([
      '\u001b[31mred',
      '\u001b[31mstill\u001b[0m',
      'plain'
    ]);
  });

  test('colours that are never turned off altogether do not add up', () => {
    const text = lines('\u001b[1;32mok\u001b[39m\n'.repeat(1000) + '\u001b[38;5;208m\u001b[22mnow\n', 'end\n');
    expect(text[999]).toBe('\u001b[1m\u001b[1;32mok\u001b[39m');
    expect(text[1001]).toBe('\u001b[38;5;208mend');
  });

  test('what qwex says stands on a line of its own', () => {
    const log = new Log();
    log.append('unfinished', 'stdout');
    log.say('attempt 2');
    log.append('again\n', 'stdout');
    expect(log.lines.map(line => `${line.source} ${line.text}`)).toEqual([
      'stdout unfinished',
      'qwex attempt 2',
      'stdout again'
    ]);
  });

  test('is searched without its colours', () => {
    const log = new Log();
    log.append('Err\u001b[31mor\u001b[0m: x\nfine\n', 'stdout');
    expect(log.find('error')).toEqual([0]);
    expect(log.find('E.*r')).toEqual([]);
  });

  test('numbers its lines from the first that ever came', () => {
    const log = new Log();
    log.append('early\n', 'stdout');
    log.append('-\n'.repeat(260_000), 'stdout');
    log.append('late\n', 'stdout');
    expect(log.find('late')).toEqual([260_001]);
    expect(log.find('early')).toEqual([]);
    expect(new Set(log.lines.map((_, index) => log.key(index))).size).toBe(log.lines.length);
  });

  test('a line of great length goes on in the next ones, in its colours', () => {
    const log = new Log();
    for (let piece = 0; piece < 100; piece++) {
      log.append(`${piece ? '' : '\u001b[31m'}${'.'.repeat(1000)}`, 'stdout');
    }
    expect(log.lines.every(line => line.text.length <= 4000 && line.text.startsWith('\u001b[31m'))).toBe(true);
    expect(log.lines.map(line => plain(line.text)).join('')).toBe('.'.repeat(100_000));
  });

  test('stays small, and says how much it let go of', () => {
    const log = new Log();
    for (let batch = 0; batch < 300; batch++) {
      log.append(`${batch}\n`.repeat(1000), 'stdout');
    }
    expect(log.lines.length).toBeLessThanOrEqual(250_000);
    expect(log.lines.length + log.dropped).toBe(300_000);
    expect(log.lines[log.lines.length - 1]!.text).toBe('299');
  });

  test('endless lines do not fill the memory either', () => {
    const log = new Log();
    for (let batch = 0; batch < 60; batch++) {
      log.append(`${'x'.repeat(1_000_000)}\n`, 'stdout');
    }
    expect(log.lines.reduce((sum, line) => sum + line.text.length, 0)).toBeLessThanOrEqual(40_000_000);
  });
});

test('plain text has no escapes, titles of terminals included', () => {
  expect(plain('\u001b]0;title\u0007a\u001b[1;31mb\u001b[0m\u001b[2K')).toBe('ab');
});

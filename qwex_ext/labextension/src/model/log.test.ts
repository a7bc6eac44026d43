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
    expect(log.lines.length).toBeLessThanOrEqual(40);
  });
});

test('plain text has no escapes, titles of terminals included', () => {
  expect(plain('\u001b]0;title\u0007a\u001b[1;31mb\u001b[0m\u001b[2K')).toBe('ab');
});

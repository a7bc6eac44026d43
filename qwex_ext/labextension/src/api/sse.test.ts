import { describe, expect, test } from 'vitest';
import { frames, type Frame } from './sse';

function body(...pieces: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      }
      controller.close();
    }
  });
}

async function all(stream: ReadableStream<Uint8Array>): Promise<Frame[]> {
  const found = [];
  for await (const frame of frames(stream)) {
    found.push(frame);
  }
  return found;
}

describe('server-sent events', () => {
  test('frames come whole however they were cut', async () => {
    const text = 'id: 1\nevent: stream\ndata: {"a":1}\n\nid: 2\nevent: exit\ndata: {}\n\n';
    const whole = await all(body(text));
    expect(whole).toEqual([
      { id: '1', event: 'stream', data: '{"a":1}' },
      { id: '2', event: 'exit', data: '{}' }
    ]);
    expect(await all(body(...text))).toEqual(whole);
  });

  test('a letter that was cut in two is one letter', async () => {
    const bytes = new TextEncoder().encode('data: é\n\n');
    expect(await all(body(bytes.slice(0, 7), bytes.slice(7)))).toEqual([{ id: '', event: 'message', data: 'é' }]);
  });

  test('pings are no frames, and what is not whole is none either', async () => {
    expect(await all(body(': ping\n\n', 'data: 1\n\n', 'data: cut'))).toHaveLength(1);
  });

  test('who stops reading stops the request', async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => {
        cancelled = true;
      }
    });
    for await (const frame of frames(endless)) {
      expect(frame.data).toBe('1');
      break;
    }
    expect(cancelled).toBe(true);
  });
});

/** Server-sent events (WHATWG HTML, section 9.2), as far as qwex sends them, from the body of a fetch. */

export interface Frame {
  id: string;
  event: string;
  data: string;
}

/** The frames of a body as they come; pings and other comments are passed over. */
export async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const frame = parse(block);
        if (frame) {
          yield frame;
        }
      }
    }
  } finally {
    // Whoever stops reading stops the request.
    await reader.cancel().catch(() => undefined);
  }
}

function parse(block: string): Frame | null {
  const frame: Frame = { id: '', event: 'message', data: '' };
  let told = false;
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) {
      continue;
    }
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    const field = line.slice(0, colon);
    if (field === 'data') {
      frame.data = told ? `${frame.data}\n${value}` : value;
      told = true;
    } else if (field === 'id' || field === 'event') {
      frame[field] = value;
    }
  }
  return told ? frame : null;
}

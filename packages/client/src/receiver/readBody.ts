import type { Clock } from '../clock.ts';

/** A sender that needs longer than this has given the attempt up long since. */
const READ_TIMEOUT_MS = 15_000;

/**
 * Reads a body of at most `maxBytes`, and keeps no more of a longer one, whatever its `Content-Length` claims (RECV-08).
 *
 * @throws what the stream fails with
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  clock: Clock,
): Promise<Uint8Array | 'large' | 'slow'> {
  if (Number(request.headers.get('content-length')) > maxBytes) return 'large';
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  let slow = false;
  // Cancelling ends the pending read.
  const timer = clock.setTimeout(() => {
    slow = true;
    cancel(reader);
  }, READ_TIMEOUT_MS);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      // A stream may hold anything. What has no length could not be bounded.
      if (!ArrayBuffer.isView(next.value)) throw new TypeError('The body is not a stream of bytes.');
      length += next.value.byteLength;
      if (length > maxBytes) {
        cancel(reader);
        return 'large';
      }
      chunks.push(next.value);
    }
    return slow ? 'slow' : joined(chunks, length);
  } finally {
    clock.clearTimeout(timer);
  }
}

function cancel(reader: ReadableStreamDefaultReader<Uint8Array>): void {
  reader.cancel().catch(() => {});
}

function joined(chunks: Uint8Array[], length: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}

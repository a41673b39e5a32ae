import { EventsClientError } from '../errors.ts';

/** Bounds of what one answer may bring, in bytes after decompression. */
export interface BodyBounds {
  /** A JSON answer, or one message of an event stream. */
  maxMessageBytes: number;
  /** The text of an answer that is an error: what is longer is cut. */
  maxErrorBytes: number;
}

const LF = 10;
const CR = 13;

/** Measures what has to be kept until a message is complete. */
type Measure = (chunk: Uint8Array) => number;

/**
 * The answer with a body that fails as soon as it goes beyond its bound, and the connection with it, so that nothing more is
 * read; the text of an error is cut instead.
 *
 * @param onExceeded told why
 */
export function boundedAnswer(response: Response, bounds: BodyBounds, onExceeded: (error: Error) => void): Response {
  if (response.body === null) return response;
  const type = response.headers.get('content-type') ?? '';
  const body = response.ok
    ? failingBeyond(response.body, bounds.maxMessageBytes, /^text\/event-stream\b/i.test(type), onExceeded)
    : cutAt(response.body, bounds.maxErrorBytes);
  const { status, statusText, headers, url, redirected, type: kind } = response;
  const bounded = new Response(body, { status, statusText, headers });
  // What a made response does not say of itself, and the SDK's client looks at.
  Object.defineProperties(bounded, { url: { value: url }, redirected: { value: redirected }, type: { value: kind } });
  return bounded;
}

function failingBeyond(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  isStream: boolean,
  onExceeded: (error: Error) => void,
): ReadableStream<Uint8Array> {
  const measure = isStream ? messageBytes() : totalBytes();
  const what = isStream ? 'A message of an event stream' : 'An answer';
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        if (measure(chunk) <= maxBytes) {
          controller.enqueue(chunk);
          return;
        }
        const error = new EventsClientError(
          'ANSWER_TOO_LARGE',
          `${what} of the server has more than ${maxBytes} bytes and was given up. If it may be as large, set maxMessageBytes of the transport.`,
        );
        onExceeded(error);
        throw error;
      },
    }),
  );
}

function totalBytes(): Measure {
  let bytes = 0;
  return ({ length }) => (bytes += length);
}

/** The largest message so far: parsers keep all lines of one until a blank line ends it. */
function messageBytes(): Measure {
  let message = 0;
  let isLineEmpty = true;
  let last = 0;
  return (chunk) => {
    let largest = 0;
    for (const byte of chunk) {
      message += 1;
      if (byte === LF && last === CR) {
        // The second half of one line end.
      } else if (byte !== LF && byte !== CR) isLineEmpty = false;
      else if (isLineEmpty) {
        largest = Math.max(largest, message);
        message = 0;
      } else isLineEmpty = true;
      last = byte;
    }
    return Math.max(largest, message);
  };
}

function cutAt(body: ReadableStream<Uint8Array>, maxBytes: number): ReadableStream<Uint8Array> {
  let leftBytes = maxBytes;
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { value, done } = leftBytes > 0 ? await reader.read() : { value: undefined, done: true };
      if (value !== undefined) {
        controller.enqueue(value.subarray(0, leftBytes));
        leftBytes -= value.length;
        return;
      }
      controller.close();
      if (!done || leftBytes <= 0) await reader.cancel().catch(() => {});
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

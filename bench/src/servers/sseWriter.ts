import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BenchData } from './author.ts';
import { activeFrame, frameHead, frameTail } from './frames.ts';
import type { PushTarget } from './pushServer.ts';

/** What may wait for one stream, as in the package under test. */
const BOUND_BYTES = 256 * 1024;

interface Stream {
  readonly response: ServerResponse;
  readonly tail: Buffer;
}

/**
 * The ceiling of push: what one would write by hand for exactly this task. No protocol, no schemas, no filters, no
 * replay; every stream gets every event. An event is serialised and encoded once; once per turn of the event loop the
 * bytes of the turn's events and the stream's id are copied together and written. A stream over its bound makes the
 * author wait.
 */
class SseWriter {
  readonly #streams = new Set<Stream>();
  readonly #epoch = randomBytes(8).toString('hex');
  readonly #idPrefix = randomBytes(12).toString('hex');
  #position = 0;
  /** Frames of this turn. */
  #heads: Buffer[] = [];
  #headBytes = 0;
  #full = 0;
  #release: (() => void) | undefined;
  #room: Promise<void> | undefined;

  async open(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { id } = JSON.parse(body) as { id: number };
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform' });
    response.write(activeFrame(id, `${this.#epoch}.${this.#position}`));
    const stream: Stream = { response, tail: Buffer.from(frameTail(id)) };
    this.#streams.add(stream);
    response.once('close', () => this.#streams.delete(stream));
  }

  /** Settles at once, or when every stream is within its bound again. */
  async emit(data: BenchData): Promise<void> {
    const position = ++this.#position;
    const text = frameHead({
      eventId: `evt_${this.#idPrefix}${position.toString(16).padStart(8, '0')}`,
      timestamp: new Date().toISOString(),
      cursor: `${this.#epoch}.${position}`,
      dataJson: JSON.stringify(data),
    });
    const head = Buffer.from(text);
    this.#headBytes += head.length;
    if (this.#heads.push(head) === 1) setImmediate(() => this.#flush());
    return this.#room;
  }

  #flush(): void {
    const heads = this.#heads;
    const headBytes = this.#headBytes;
    this.#heads = [];
    this.#headBytes = 0;
    for (const { response, tail } of this.#streams) {
      const chunk = Buffer.allocUnsafe(headBytes + heads.length * tail.length);
      let at = 0;
      for (const head of heads) {
        chunk.set(head, at);
        chunk.set(tail, at + head.length);
        at += head.length + tail.length;
      }
      if (!response.write(chunk) && response.writableLength > BOUND_BYTES) this.#waitFor(response);
    }
  }

  #waitFor(response: ServerResponse): void {
    this.#full++;
    this.#room ??= new Promise((resolve) => (this.#release = resolve));
    response.once('drain', () => {
      if (--this.#full > 0) return;
      this.#room = undefined;
      this.#release?.();
    });
  }
}

export function createSseTarget(): PushTarget {
  const writer = new SseWriter();
  return {
    server: createServer((request, response) => void writer.open(request, response)),
    emit: (data) => writer.emit(data),
  };
}

import { concatBytes } from '../../utf8.ts';
import type { TurnFlusher } from './turnFlusher.ts';

export interface FrameBodyOptions {
  /** Most bytes that wait here or at the consumer; the largest cost of a stalled client. */
  readonly maxBufferedBytes: number;
  readonly flusher: TurnFlusher;
  /** There is room again after a refusal. */
  readonly onRoom: () => void;
  /** The consumer is gone. */
  readonly onCancel: () => void;
}

/**
 * A response body that is asked for its bytes, never pushed: what the consumer has not drained stays here, within a
 * bound, and beyond the bound the producer is refused.
 *
 * It is a web stream like any other. Consumers that iterate it (the SDK's Node adapter does) get the chunks without
 * the queues and promises of the stream machinery in between, which would cost as much as everything else together.
 */
export class FrameBody {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #options: FrameBodyOptions;
  readonly #maxBufferedBytes: number;
  /** References to bytes that streams share; copied together once per turn. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Bytes handed to the consumer, which asks for more only when it has drained them. */
  #drainingBytes = 0;
  #deliver: ((chunk: Uint8Array | undefined) => void) | undefined;
  #refused = false;
  #scheduled = false;
  #ended = false;

  constructor(options: FrameBodyOptions) {
    this.#options = options;
    this.#maxBufferedBytes = options.maxBufferedBytes;
    this.stream = new FrameStream(this);
  }

  /**
   * Takes bytes, and more that belong to them, or returns `false` when they do not fit: then `onRoom` tells when to try
   * again. Anything fits into an empty buffer, so that an event larger than the bound cannot block its stream for ever.
   */
  write(bytes: Uint8Array, tail?: Uint8Array): boolean {
    if (this.#ended) return true;
    const byteLength = bytes.byteLength + (tail?.byteLength ?? 0);
    const bufferedBytes = this.#waitingBytes + this.#drainingBytes;
    if (bufferedBytes > 0 && bufferedBytes + byteLength > this.#maxBufferedBytes) {
      this.#refused = true;
      return false;
    }
    this.append(bytes, tail);
    return true;
  }

  /** Takes bytes whatever the bound: for the few that must not be lost, such as the last one. */
  append(bytes: Uint8Array, tail?: Uint8Array): void {
    if (this.#ended) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.byteLength;
    if (tail !== undefined) {
      this.#waiting.push(tail);
      this.#waitingBytes += tail.byteLength;
    }
    if (this.#deliver !== undefined) this.#schedule();
  }

  /** Ends the body after what was written. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#deliver !== undefined) this.#schedule();
  }

  /** The consumer will not read on. */
  cancel(): void {
    const notify = !this.#ended;
    this.#ended = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#deliver?.(undefined);
    this.#deliver = undefined;
    if (notify) this.#options.onCancel();
  }

  /** The next bytes as soon as there are any, `undefined` at the end. Called again only when those were drained. */
  nextChunk(): Promise<Uint8Array | undefined> {
    this.#drainingBytes = 0;
    const next = new Promise<Uint8Array | undefined>((resolve) => (this.#deliver = resolve));
    if (this.#waitingBytes > 0 || this.#ended) this.#schedule();
    if (this.#refused) {
      this.#refused = false;
      this.#options.onRoom();
    }
    return next;
  }

  flush(): void {
    this.#scheduled = false;
    const deliver = this.#deliver;
    if (deliver === undefined) return;
    this.#deliver = undefined;
    if (this.#waitingBytes === 0) {
      deliver(undefined);
      return;
    }
    const chunk = concatBytes(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#drainingBytes = chunk.byteLength;
    deliver(chunk);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.flusher.schedule(this);
  }
}

class FrameStream extends ReadableStream<Uint8Array> {
  readonly #body: FrameBody;

  constructor(body: FrameBody) {
    super(
      {
        pull: async (controller) => {
          const chunk = await body.nextChunk();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: () => body.cancel(),
      },
      // Nothing is asked for ahead of the consumer.
      { highWaterMark: 0 },
    );
    this.#body = body;
  }

  override [Symbol.asyncIterator](): ReturnType<ReadableStream<Uint8Array>['values']> {
    if (this.locked) return super[Symbol.asyncIterator]();
    const body = this.#body;
    const iterator = {
      next: async (): Promise<IteratorResult<Uint8Array, undefined>> => {
        const value = await body.nextChunk();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
      return: async (): Promise<IteratorResult<Uint8Array, undefined>> => {
        body.cancel();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
      [Symbol.asyncDispose]: async (): Promise<void> => body.cancel(),
    };
    return iterator;
  }
}

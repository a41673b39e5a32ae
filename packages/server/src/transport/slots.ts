import type { SseChannel } from '../delivery/push/sseChannel.ts';
import type { PacedBody } from './pacedBody.ts';

/**
 * Where the method handler inside the SDK leaves for the wrapper around it what the SDK's own answer cannot carry: the
 * channel of a stream, and an HTTP status.
 */
export class RequestSlot {
  /** Whether the wrapper writes the stream this request asks for. */
  readonly takesStream: boolean;
  /** Where the stream is written to among other messages: its consumer's pace. */
  readonly paced: PacedBody | undefined;
  /** Status of the answer, where it is not the SDK's. */
  status: number | undefined;
  #channel: SseChannel | undefined;
  #closed = false;

  constructor(takesStream: boolean, paced?: PacedBody) {
    this.takesStream = takesStream;
    this.paced = paced;
  }

  /** Leaves the channel of a stream that has begun. It ends at once when nobody waits for it any more. */
  offer(channel: SseChannel): void {
    if (this.#closed) channel.abandon();
    else this.#channel = channel;
  }

  /** The channel, if there is one. Whatever is offered from now on ends at once: a request is answered once. */
  take(): SseChannel | undefined {
    this.#closed = true;
    const channel = this.#channel;
    this.#channel = undefined;
    return channel;
  }

  /** Ends the stream that was or will be offered. After {@link take} it is with whoever took it. */
  abandon(): void {
    this.take()?.abandon();
  }
}

/**
 * Connects the two ends of one HTTP request: the wrapper around the SDK's handler, and the method handler inside it.
 * Both see the same `Request` object, and nothing else connects them.
 */
export type RequestSlots = WeakMap<Request, RequestSlot>;

import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import { encodeUtf8 } from '../../utf8.ts';
import type { ChannelListener, PushChannel } from './channel.ts';
import { FrameBody } from './frameBody.ts';
import { frameTail, messageFrame, rawFrame, sharedFrame } from './frames.ts';
import type { TurnFlusher } from './turnFlusher.ts';

export interface SseChannelOptions {
  readonly subscriptionId: string | number;
  readonly maxBufferedBytes: number;
  readonly flusher: TurnFlusher;
  readonly listener: ChannelListener;
}

/** Server-sent events as the body of a response that this package writes itself. */
export class SseChannel implements PushChannel {
  readonly #body: FrameBody;
  readonly #listener: ChannelListener;
  readonly #tail: string;
  readonly #tailBytes: Uint8Array;
  /** The JSON-RPC result, known once the SDK has answered the request. */
  #result: string | undefined;
  #finished = false;

  constructor({ subscriptionId, maxBufferedBytes, flusher, listener }: SseChannelOptions) {
    this.#listener = listener;
    this.#tail = frameTail(subscriptionId);
    this.#tailBytes = encodeUtf8(this.#tail);
    this.#body = new FrameBody({
      maxBufferedBytes,
      flusher,
      onRoom: () => listener.onRoom(),
      onCancel: () => listener.onClosed(),
    });
  }

  event(event: FeedEvent): boolean {
    return this.#body.write(sharedFrame(event), this.#tailBytes);
  }

  message(method: string, params: Readonly<Record<string, unknown>>): boolean {
    return this.#body.write(messageFrame(method, params, this.#tail));
  }

  finish(last?: { readonly method: string; readonly params: Readonly<Record<string, unknown>> }): void {
    if (last !== undefined) this.#body.append(messageFrame(last.method, last.params, this.#tail));
    this.#finished = true;
    this.#close();
  }

  /** The HTTP response. `result` is sent as the last frame when the server ends the stream. */
  response(result: string, signal: AbortSignal): Response {
    this.#result = result;
    if (this.#finished) this.#close();
    const abort = (): void => this.#body.cancel();
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    return new Response(this.#body.stream, {
      headers: {
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache, no-transform',
        'x-accel-buffering': 'no',
      },
    });
  }

  /** Ends the body with the result, which goes last (PUSH-13): a stream may end before the SDK has answered. */
  #close(): void {
    if (this.#result === undefined) return;
    this.#body.append(rawFrame(this.#result));
    this.#body.end();
  }

  /** The request was not answered as a stream after all. */
  abandon(): void {
    this.#body.cancel();
    this.#listener.onClosed();
  }
}

import { Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { ChannelListener, PushChannel } from './channel.ts';
import { sharedFrame } from './frames.ts';

interface Message {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly byteLength: number;
}

export interface NotifyChannelOptions {
  readonly subscriptionId: string | number;
  readonly maxBufferedBytes: number;
  /** Sends one notification; settles when the transport has taken it. */
  readonly notify: (message: { method: string; params: Record<string, unknown> }) => Promise<void>;
  readonly listener: ChannelListener;
}

/**
 * Notifications through the SDK: for stdio, whose pipe pushes back, and any other transport that is not HTTP. One
 * message is on its way at a time, so a slow pipe fills this bounded queue and then only holds the cursor.
 */
export class NotifyChannel implements PushChannel {
  /** Settles when the stream has ended and everything was sent: then the request can be answered. */
  readonly finished: Promise<void>;
  readonly #options: NotifyChannelOptions;
  readonly #finish: () => void;
  #queue: Message[] = [];
  #bufferedBytes = 0;
  #sending = false;
  #refused = false;
  #ended = false;

  constructor(options: NotifyChannelOptions) {
    this.#options = options;
    let finish = (): void => {};
    this.finished = new Promise((resolve) => (finish = resolve));
    this.#finish = finish;
  }

  event(event: FeedEvent): boolean {
    const { eventId, name, timestamp, data, cursor, _meta } = event;
    const params = { eventId, name, timestamp, data, cursor, _meta };
    return this.#offer(Notifications.event, params, sharedFrame(event).byteLength);
  }

  message(method: string, params: Readonly<Record<string, unknown>>): boolean {
    return this.#offer(method, params, JSON.stringify(params).length);
  }

  finish(last?: { readonly method: string; readonly params: Readonly<Record<string, unknown>> }): void {
    if (this.#ended) return;
    if (last !== undefined) this.#queue.push({ ...last, byteLength: 0 });
    this.#ended = true;
    void this.#send();
  }

  /** The request was cancelled: nothing more is sent for it (PUSH-15). */
  abandon(): void {
    this.#queue = [];
    const notify = !this.#ended;
    this.#ended = true;
    this.#finish();
    if (notify) this.#options.listener.onClosed();
  }

  #offer(method: string, params: Readonly<Record<string, unknown>>, byteLength: number): boolean {
    if (this.#ended) return true;
    if (this.#bufferedBytes > 0 && this.#bufferedBytes + byteLength > this.#options.maxBufferedBytes) {
      this.#refused = true;
      return false;
    }
    this.#bufferedBytes += byteLength;
    this.#queue.push({ method, params, byteLength });
    void this.#send();
    return true;
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    let message: Message | undefined;
    while ((message = this.#queue.shift()) !== undefined) {
      const { method, params, byteLength } = message;
      const _meta = {
        ...(params['_meta'] as object | undefined),
        [SUBSCRIPTION_ID_META_KEY]: this.#options.subscriptionId,
      };
      try {
        await this.#options.notify({ method, params: { ...params, _meta } });
      } catch {
        // The transport is closed: there is nobody to tell.
        this.abandon();
      }
      this.#bufferedBytes -= byteLength;
      if (this.#refused && !this.#ended) {
        this.#refused = false;
        this.#options.listener.onRoom();
      }
    }
    this.#sending = false;
    if (this.#ended) this.#finish();
  }
}

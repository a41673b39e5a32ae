import { Methods, Notifications } from '@mcp-events/protocol';
import { Subscriber } from './subscriber.ts';
import type { SubscriberContext, Wish } from './subscriber.ts';

export interface PushMessage {
  readonly method: string;
  readonly params: {
    readonly cursor?: string | null;
    readonly truncated?: boolean;
    readonly eventId?: string;
    readonly data?: unknown;
    readonly timestamp?: string;
  };
}

/** An open stream. What is written to it arrives in order, until it is cut. */
class Stream {
  readonly abort = new AbortController();
  cut = false;
  /** Set while the client does not read. */
  stalled: Promise<void> | undefined;
  unstall: (() => void) | undefined;
  readonly arriving: PushMessage[] = [];
  lastSeenMs: number;
  /** The server that writes to it. */
  server: unknown;
  /** The server said that it ends. */
  isOver = false;

  constructor(openedMs: number) {
    this.lastSeenMs = openedMs;
  }
}

/** A stream from which nothing was heard for so long is given up. */
const SILENCE_MS = 90_000;

/** Keeps a stream open, and comes back with the last cursor when it ends. */
export class PushSubscriber extends Subscriber {
  readonly mode = 'push';
  #stream: Stream | undefined;
  #settling = false;

  constructor(wish: Wish, context: SubscriberContext) {
    super(wish, context);
    context.network.onServerGone.add(() => this.#onServerGone());
  }

  act(): void {
    const { time, network } = this.context;
    if (this.#stream !== undefined) {
      if (this.#stream.stalled === undefined && time.nowMs - this.#stream.lastSeenMs > SILENCE_MS) this.#cut();
      return;
    }
    const stream = new Stream(time.nowMs);
    this.#stream = stream;
    this.begin();
    const params = { cursor: this.cursor, ...this.maxAge() };
    const ended = (_result: unknown, error?: Error): void => {
      // One that goes away itself says nothing, and what is not read is not seen.
      const isAsked = error === undefined && stream.server !== undefined && stream.server === network.server;
      const isSeen = isAsked && stream.stalled === undefined;
      // What was written before the end arrives before the end.
      network.later(() => {
        this.#drain(stream);
        if (isSeen && !stream.cut && !stream.isOver) {
          this.context.complain(`${this.wish.subscription}: the server ended the stream and did not say so`);
        }
        stream.cut = true;
        if (this.#stream !== stream) return;
        this.#stream = undefined;
        if (this.#settling) network.later(() => this.act());
      });
    };
    this.request(Methods.stream, params, ended, {
      signal: stream.abort.signal,
      notify: (message: PushMessage) => this.#write(stream, message),
    });
  }

  suffer(): void {
    const stream = this.#stream;
    const fate = this.context.random.weighted({ cut: 2, stall: 2, restart: 1 });
    if (fate === 'restart') {
      this.#cut();
      this.restart();
    } else if (stream === undefined) this.act();
    else if (fate === 'cut') this.#cut();
    else if (stream.stalled !== undefined) stream.unstall?.();
    else this.stall();
  }

  /** Does not read any more. */
  stall(): void {
    const stream = this.#stream;
    if (stream === undefined || stream.stalled !== undefined) return;
    stream.stalled = new Promise((resolve) => {
      stream.unstall = () => {
        stream.stalled = undefined;
        const { record, time } = this.context;
        // Whatever kept the server from something meanwhile is told only now, however often.
        const { subscription } = this.wish;
        record({ fact: 'lossCause', subscription, why: 'read late', isOfEach: true, at: time.nowMs });
        resolve();
      };
    });
  }

  /** Reads on. */
  unstall(): void {
    this.#stream?.unstall?.();
  }

  recover(): void {
    this.#settling = true;
    this.#cut();
    this.act();
  }

  /** The server is gone, and with it the stream. */
  #onServerGone(): void {
    if (this.#stream !== undefined && this.context.random.chance(0.5)) this.#drain(this.#stream);
    this.#cut();
    if (this.#settling) this.act();
  }

  #cut(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.cut = true;
    stream.unstall?.();
    // The server learns of it some time later.
    this.context.network.later(() => stream.abort.abort());
    this.#stream = undefined;
  }

  async #write(stream: Stream, message: PushMessage): Promise<void> {
    await stream.stalled;
    if (stream.cut) return;
    stream.server = this.context.network.server;
    stream.arriving.push(message);
    this.context.network.later(() => this.#drain(stream));
  }

  /** Takes what is on its way, in its order. */
  #drain(stream: Stream): void {
    for (const message of stream.arriving.splice(0)) {
      if (stream.cut) return;
      stream.lastSeenMs = this.context.time.nowMs;
      if (message.method === Notifications.terminated) stream.isOver = true;
      this.take(message);
    }
  }

  protected take({ method, params }: PushMessage): void {
    const { cursor, truncated, eventId, data, timestamp } = params;
    if (method === Notifications.active) this.received({ cursor: cursor ?? null, gap: truncated === true }, 'active');
    else if (method === Notifications.heartbeat) this.received({ cursor: cursor ?? null }, 'heartbeat');
    else if (method === Notifications.event && eventId !== undefined) {
      this.received({ events: [{ eventId, data, timestamp }], cursor: cursor ?? null }, 'event');
      this.hand(eventId);
    } else if (method === Notifications.terminated) this.ended('told');
  }
}

import type { DeliveryStatus } from '@mcp-events/protocol';
import { asError } from '../errors.ts';
import type { SubscriptionStatus } from '../delivery/supervisor.ts';
import type { CursorStore, SubscriptionRecord } from '../store/cursorStore.ts';
import type { SubscribeOptions } from '../options.ts';
import type { EventBuffer, BufferItem } from './eventBuffer.ts';
import { PostedIds } from './postedIds.ts';
import type { ReceivedEvent } from './receivedEvent.ts';
import { RECENT_IDS_COUNT } from './recentIds.ts';

/** What a subscription gets from the client that made it. */
export interface SubscriptionParts {
  key: string;
  record: SubscriptionRecord;
  buffer: EventBuffer;
  store: CursorStore;
  options: SubscribeOptions;
  onWarning: (message: string) => void;
  /** The server ended delivery; what was received before is still to be read. */
  onTerminate: () => void;
  /**
   * The subscription is over, for whatever reason; `storing` is what the store may still be doing for it. Resolves when
   * delivery has ended too.
   */
  onEnd: (storing: Promise<unknown>) => Promise<void>;
}

/**
 * One subscription: an async iterator of its events, the same in all delivery modes (CLIENT-05).
 *
 * Asking for the next event acknowledges the one before: only then the position moves and is saved, before the next
 * event is handed out. Leaving the loop (`break`, a thrown error) stops delivery and keeps the position, with the last
 * event unacknowledged; subscribing again continues there.
 */
export class Subscription<T = Record<string, unknown>> implements AsyncIterableIterator<ReceivedEvent<T>> {
  /** The event type. */
  readonly name: string;
  /** The subscription's arguments. */
  readonly arguments: Record<string, unknown>;

  readonly #parts: SubscriptionParts;
  #record: SubscriptionRecord;
  readonly #posted: PostedIds;
  #status: SubscriptionStatus = { state: 'connecting' };
  readonly #stop = new AbortController();
  /** The event the application has in hand. */
  #handedOut: (BufferItem & { kind: 'event' }) | undefined;
  /** `#record` moved since it was saved. */
  #unsaved = false;
  #saving: Promise<void> = Promise.resolve();
  /** Set by the server's end of the subscription; thrown once after the events that were received before it. */
  #ending: Error | undefined;
  // Steps run one after the other: positions must be saved in the order of acknowledgement.
  #turns: Promise<unknown> = Promise.resolve();
  #markersDue = false;
  #wake: (() => void) | undefined;

  /** Made by `EventsClient.subscribe()`. */
  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.#record = parts.record;
    this.#posted = new PostedIds(parts.record.webhook?.seen ?? []);
    this.name = parts.record.name;
    this.arguments = parts.record.arguments;
    parts.buffer.onArrival = () => this.#arrived();
    parts.options.signal?.addEventListener('abort', () => this.stop(), { signal: this.#stop.signal });
  }

  /** How delivery is doing; changes are also told to `onStatus`. */
  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** The position up to which everything is acknowledged; null while there is none. Usable as `from` later on. */
  get cursor(): string | null {
    return this.#record.cursor;
  }

  /** Aborts when delivery is over. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * The next event; acknowledges the previous one.
   *
   * @throws what the server ended the subscription with, once, after everything received before; what the store threw
   *   (the event stays unacknowledged, the call can be repeated); what `filter` threw (the event stays the next one)
   */
  next(): Promise<IteratorResult<ReceivedEvent<T>, undefined>> {
    return this.#turn(async () => {
      if (this.#handedOut !== undefined) {
        this.#acknowledge(this.#handedOut);
        this.#handedOut = undefined;
      }
      for (let first = true; ; first = false) {
        if (this.#isOver()) return { done: true, value: undefined };
        const item = await this.#upcoming();
        if (item === undefined) {
          await this.#save();
          if (this.#ending !== undefined && this.#parts.buffer.peek() === undefined) {
            const error = this.#ending;
            this.#ending = undefined;
            this.stop();
            throw error;
          }
          // Something may have arrived while the position was being saved.
          if (this.#parts.buffer.peek() === undefined && !this.#isOver()) await this.#arrival();
          continue;
        }
        // Before the filter, which may take its time; what it refuses afterwards is saved with the next one handed out.
        if (first) await this.#save();
        const wanted = (await this.#parts.options.filter?.(item.event)) ?? true;
        if (this.#isOver()) continue;
        if (!wanted) {
          // AUTH-07: a refused event counts as handled.
          this.#parts.buffer.shift();
          this.#acknowledge(item);
          continue;
        }
        await this.#save();
        if (this.#isOver()) continue;
        this.#parts.buffer.shift();
        this.#handedOut = item;
        return { done: false, value: item.event as ReceivedEvent<T> };
      }
    });
  }

  /** Ends the iteration, as `break` does: delivery stops and the position is kept. */
  async return(): Promise<IteratorResult<ReceivedEvent<T>, undefined>> {
    this.stop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Stops delivery at once and keeps the position: `subscribe()` or `resume()` continue from it. */
  stop(): void {
    void this.#end({ state: 'stopped' });
  }

  /**
   * The kill switch (AUTH-07): stops delivery at once, hands out nothing any more and forgets the position (CLIENT-07).
   * Resolves when the server was told, or did not answer in time. Also clears the record of a subscription that the
   * server ended.
   */
  async cancel(): Promise<void> {
    // A save under way would bring the record back.
    const forgetting = this.#saving.catch(() => {}).then(() => this.#parts.store.delete(this.#parts.key));
    await this.#end({ state: 'cancelled' }, forgetting);
    await forgetting;
  }

  /** For the supervisor. */
  report(status: SubscriptionStatus): void {
    const { state, delivery } = this.#status;
    // Each poll reports success: only a change is one for the application.
    if (this.#isOver() || (status.error === undefined && status.state === state && status.delivery === delivery))
      return;
    this.#status = status;
    this.#tell(() => this.#parts.options.onStatus?.(status));
  }

  /** For the supervisor: a failure after which delivery goes on. */
  fail(error: Error): void {
    if (!this.#isOver()) this.#tell(() => this.#parts.options.onError?.(error));
  }

  /** For the supervisor: how the server's deliveries went. */
  tellDeliveryStatus(status: DeliveryStatus): void {
    if (!this.#isOver()) this.#tell(() => this.#parts.options.onDeliveryStatus?.(status));
  }

  /** For the supervisor: the server ended it. What was received before is still handed out, then the error is thrown. */
  terminate(error: Error): void {
    if (this.#isOver()) return;
    this.#status = { state: 'terminated', error };
    this.#ending = error;
    this.#record = { ...this.#record, ended: true };
    this.#unsaved = true;
    this.#parts.onTerminate();
    this.#tell(() => this.#parts.options.onTerminated?.(error));
    this.#tell(() => this.#parts.options.onStatus?.(this.#status));
    this.#arrived();
  }

  /** Lets markers take effect and returns the next event, which stays in the buffer. */
  async #upcoming(): Promise<(BufferItem & { kind: 'event' }) | undefined> {
    for (;;) {
      const item = this.#parts.buffer.peek();
      if (item === undefined || item.kind === 'event') return item;
      this.#parts.buffer.shift();
      if (item.kind === 'gap') {
        await this.#save();
        await this.#tellGap(item.gap);
      }
      if (item.cursor !== null) this.#move(item.cursor, item.seen ?? this.#record.seen);
    }
  }

  #acknowledge({ event, inOrder }: BufferItem & { kind: 'event' }): void {
    const { eventId } = event;
    const cursor = event.cursor ?? this.#record.cursor;
    // Without a position nothing can be replayed, so nothing has to be recognised either.
    if (cursor === null) return;
    let { seen } = this.#record;
    if (!inOrder) this.#posted.add(eventId);
    else {
      this.#posted.pass();
      seen = event.cursor === null ? [...seen, eventId].slice(-RECENT_IDS_COUNT) : [];
    }
    this.#move(cursor, seen);
  }

  #move(cursor: string, seen: string[]): void {
    const { webhook } = this.#record;
    const posted = this.#posted.ids;
    if (cursor === this.#record.cursor && seen === this.#record.seen && posted === webhook?.seen) return;
    this.#record = { ...this.#record, cursor, seen, ...(webhook && { webhook: { ...webhook, seen: posted } }) };
    this.#unsaved = true;
  }

  async #save(): Promise<void> {
    // Over: the record belongs to whoever subscribes next.
    if (!this.#unsaved || this.#isOver()) return;
    this.#saving = this.#parts.store.save(this.#parts.key, this.#record);
    await this.#saving;
    this.#unsaved = false;
  }

  /** Without a waiting reader, and with nothing unacknowledged before them, markers take effect on arrival. */
  #arrived(): void {
    this.#wake?.();
    if (this.#markersDue || this.#handedOut !== undefined) return;
    this.#markersDue = true;
    this.#turn(async () => {
      this.#markersDue = false;
      if (this.#handedOut !== undefined || this.#isOver()) return;
      await this.#upcoming();
      await this.#save();
    }).catch((error: unknown) => {
      this.#tell(() => this.#parts.options.onError?.(asError(error)));
    });
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake = undefined;
        resolve();
      };
      this.#wake = wake;
    });
  }

  #turn<R>(step: () => Promise<R>): Promise<R> {
    const turn = this.#turns.then(step);
    this.#turns = turn.catch(() => {});
    return turn;
  }

  #isOver(): boolean {
    const { state } = this.#status;
    return state === 'stopped' || state === 'cancelled' || (state === 'terminated' && this.#ending === undefined);
  }

  async #end(status: SubscriptionStatus, storing: Promise<unknown> = this.#saving): Promise<void> {
    const before = this.#status.state;
    if (before === 'cancelled' || (before === 'stopped' && status.state === 'stopped')) return;
    // `terminated` says more than `stopped`, and stays.
    if (before !== 'terminated' || status.state === 'cancelled') this.#status = status;
    this.#ending = undefined;
    this.#parts.buffer.clear();
    this.#stop.abort();
    this.#wake?.();
    const ended = this.#parts.onEnd(storing);
    if (this.#status === status) this.#tell(() => this.#parts.options.onStatus?.(status));
    await ended;
  }

  async #tellGap(gap: Parameters<NonNullable<SubscribeOptions['onGap']>>[0]): Promise<void> {
    try {
      await this.#parts.options.onGap?.(gap);
    } catch (error) {
      this.#parts.onWarning(`onGap of "${this.name}" threw: ${asError(error).message}`);
    }
  }

  /** A callback that throws must not stop delivery. */
  #tell(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#parts.onWarning(`A callback of "${this.name}" threw: ${asError(error).message}`);
    }
  }
}

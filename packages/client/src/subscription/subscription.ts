import type { DeliveryStatus } from '@mcp-events/protocol';
import { tell, wrongValue } from '@mcp-events/protocol/options';
import { asError, EventsClientError, shortened } from '../errors.ts';
import {
  assertProcessing,
  type EventHandler,
  type PreparedHandler,
  type ProcessOptions,
} from '../inbox/processOptions.ts';
import { type ProcessedSubscription, Processor } from '../inbox/processor.ts';
import { untilStored, type Waits } from '../inbox/untilStored.ts';
import type { SubscriptionStatus } from '../delivery/supervisor.ts';
import type { CursorStore, SubscriptionRecord } from '../store/cursorStore.ts';
import type { SubscribeOptions } from '../options.ts';
import type { EventBuffer, EventItem, Gap } from './eventBuffer.ts';
import { KeptPosition } from './keptPosition.ts';
import { PayloadCheck } from './payloadSchema.ts';
import { acknowledged, moved } from './position.ts';
import { Start } from './start.ts';
import { copied, type ReceivedEvent } from './receivedEvent.ts';
import { isPromise, onAborted, untilAborted } from '../untilAborted.ts';

/** Where a subscription's events come from, and where its position is kept. */
export interface Source {
  record: SubscriptionRecord;
  buffer: EventBuffer;
  store: CursorStore;
}

/** What a subscription gets from the client that made it. */
export interface SubscriptionParts {
  key: string;
  source: Source;
  /** The client's own session of an inbox. */
  sessionOf: <I extends CursorStore>(inbox: I) => I;
  /**
   * Keeps the position in another store from now on: where that one knows the subscription already, delivery begins again
   * from the position there, else the one of `record` is taken over.
   */
  moveTo: (store: CursorStore, record: SubscriptionRecord) => Promise<Source>;
  options: SubscribeOptions;
  waits: Waits;
  onWarning: (message: string) => void;
  /** The server ended delivery; what was received before is still to be read. */
  onTerminate: () => void;
  /**
   * The subscription is over, for whatever reason; `storing` is what the store may still be doing for it. Resolves when
   * delivery has ended too.
   */
  onEnd: (storing: Promise<unknown>) => Promise<void>;
  /**
   * Does a last change of the record after the subscription is over, unless the record belongs to a later one with the same
   * key by now; whoever subscribes next waits for it.
   */
  afterEnd: (store: () => Promise<void>) => Promise<void>;
}

/**
 * One subscription: an async iterator of its events, the same in all delivery modes (CLIENT-05).
 *
 * Asking for the next event acknowledges the one before: only then the position moves and is saved, before the next
 * event is handed out. That holds as well when the subscription was stopped meanwhile, by `stop()`, its signal or the
 * client's `close()`: a loop body that is under way may finish, and asking for the next event then acknowledges its event
 * and ends the loop.
 *
 * Leaving the loop early (`break`, `return`, a thrown error: the iterator cannot tell them apart) stops delivery and keeps
 * the position, with the last event unacknowledged; subscribing again continues there. Call {@link acknowledge} before
 * leaving if the event is done with.
 */
export class Subscription<T = Record<string, unknown>> implements AsyncIterableIterator<ReceivedEvent<T>> {
  /** The event type. */
  readonly name: string;
  /** The subscription's arguments. */
  readonly arguments: Record<string, unknown>;

  readonly #parts: SubscriptionParts;
  #buffer: EventBuffer;
  readonly #position: KeptPosition;
  #status: SubscriptionStatus = { state: 'connecting' };
  readonly #stop = new AbortController();
  /** The event the application has in hand. */
  #handedOut: EventItem | undefined;
  /** Who takes the events: whoever asks for the next one, or a handler. */
  #consumer: 'reader' | 'handler' | undefined;
  /** Set by the server's end of the subscription; thrown once after the events that were received before it. */
  #ending: Error | undefined;
  // Steps run one after the other: positions must be saved in the order of acknowledgement.
  #turns: Promise<unknown> = Promise.resolve();
  #markersDue = false;
  #wake: (() => void) | undefined;
  readonly #start = new Start();
  readonly #payload: PayloadCheck | undefined;

  /** Made by `EventsClient.subscribe()`. */
  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    const { record, buffer } = parts.source;
    this.#position = new KeptPosition(parts.key, parts.source, this.#stop.signal);
    this.name = record.name;
    // The application's own: delivery goes by what the subscription was made with.
    this.arguments = structuredClone(record.arguments);
    this.#buffer = buffer;
    const { payload } = parts.options;
    this.#payload = payload && new PayloadCheck(payload);
    buffer.onArrival = () => this.#arrived();
    const { signal } = parts.options;
    if (signal?.aborted === false) {
      onAborted(
        this.#stop.signal,
        onAborted(signal, () => this.stop()),
      );
    }
    // Whatever happens after a position can be asked for later.
    if (record.cursor !== null) this.#start.end();
    if (record.cursor !== null || record.promised === true) buffer.promise();
  }

  /**
   * For the client: resolves when nothing can be missed any more without being told, because the server accepted the
   * subscription and its position is stored, or because what comes before that will be told as a gap, or because it is over.
   * Rejects with what the store threw.
   */
  get begun(): Promise<void> {
    return this.#start.begun;
  }

  /** How delivery is doing; changes are also told to `onStatus`. */
  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** The position up to which everything is acknowledged; null while there is none. Usable as `from` later on. */
  get cursor(): string | null {
    return this.#position.current.record.cursor;
  }

  /** Aborts when delivery is over. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * The next event; acknowledges the previous one.
   *
   * @throws what the server ended the subscription with, once, after everything received before; what the store threw
   *   (the position is not stored yet, and the call can be repeated); what `filter` threw (the event stays the next one);
   *   EventsClientError `ALREADY_CONSUMED` if a handler processes the events
   */
  async next(): Promise<IteratorResult<ReceivedEvent<T>, undefined>> {
    this.#consume('reader');
    return this.#turn(async () => {
      this.#acknowledge(this.#handedOut);
      // Also what an earlier call could not store.
      if (this.#isOver()) await this.#storeLast();
      for (let first = true; ; first = false) {
        if (this.#isOver()) return { done: true, value: undefined };
        const item = await this.#upcoming();
        if (item === undefined) {
          await this.#position.save();
          if (this.#ending !== undefined && this.#buffer.peek() === undefined) {
            const error = this.#ending;
            this.stop();
            throw error;
          }
          // Something may have arrived while the position was being saved.
          if (this.#buffer.peek() === undefined && !this.#isOver()) await this.#arrival();
          continue;
        }
        // Before the filter, which may take its time; what it refuses afterwards is saved with the next one handed out.
        if (first) await this.#position.save();
        const wanted = await this.#isWanted(item.event);
        if (this.#isOver()) continue;
        if (!wanted) {
          // AUTH-07: a refused event counts as handled.
          this.#buffer.shift();
          this.#position.move(acknowledged(this.#position.current, item));
          continue;
        }
        await this.#position.save();
        if (this.#isOver()) continue;
        this.#buffer.shift();
        this.#handedOut = item;
        return { done: false, value: item.event as ReceivedEvent<T> };
      }
    });
  }

  /**
   * Hands each event to a handler, whose writes and the position after the event are one transaction of the inbox: each
   * event has its effect exactly once, in order, whatever dies in between.
   *
   * An event whose handler fails is handled again after a while, and the others wait for it; after `maxAttempts` it is
   * parked in the inbox, told to `onParked`, and the others go on. Failed attempts, and failures of the database, which do
   * not count as attempts, are told to `onError`.
   *
   * The position is the inbox's. Where it has one, processing goes on from there, whatever the client's `store` or `from`
   * say: to begin elsewhere, `cancel()` first.
   *
   * Resolves when the subscription was stopped. Whatever ends it, delivery stops and the position is kept.
   *
   * @throws TypeError for a handler or an option that cannot be used; what the server ended the subscription with, after
   *   everything received before; what `filter` threw; what `onGap` threw in its last attempt; EventsClientError `TAKEN_OVER` if another process goes on with this subscription,
   *   `PARKED_FULL`, `HANDLER_MISUSED` if a handler is asynchronous or ends the transaction, `STORE_CORRUPT` if what is stored
   *   cannot be read, `ALREADY_CONSUMED`
   */
  async process<Db, P = undefined>(
    handler: EventHandler<T, Db> | PreparedHandler<T, Db, P>,
    options: ProcessOptions<Db>,
  ): Promise<void> {
    assertProcessing(handler, options);
    this.#consume('handler');
    const { key, waits } = this.#parts;
    const prepared = typeof handler === 'function' ? { handle: handler } : handler;
    try {
      const inbox = this.#parts.sessionOf(options.inbox);
      // After what took effect on arrival.
      await this.#turn(() => untilStored(() => this.#moveTo(inbox), this, waits));
      await new Processor<Db, P>(this.#processed(key), prepared as never, { ...options, inbox }, waits).run();
    } finally {
      this.stop();
    }
  }

  /**
   * Acknowledges the event in hand without asking for the next one: to be called before leaving the loop when the event is
   * done with. Resolves when the position after it is stored; without an event in hand, when everything acknowledged is.
   *
   * @throws what the store threw (the call can be repeated); EventsClientError `ALREADY_CONSUMED` if a handler processes the
   *   events
   */
  async acknowledge(): Promise<void> {
    this.#consume('reader');
    const inHand = this.#handedOut;
    // Who asks for the next event waits in its turn, and may be about to hand one out that nobody has handled yet.
    if (inHand === undefined) return this.#storeAcknowledged();
    await this.#turn(() => {
      if (this.#handedOut === inHand) this.#acknowledge(inHand);
      return this.#storeAcknowledged();
    });
    // What arrived meanwhile and waited for this.
    if (!this.#isOver()) this.#arrived();
  }

  /**
   * Ends the iteration, as `break` does: delivery stops and the position is kept, in front of an event that is in hand and
   * not acknowledged.
   */
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
    const forgetting = this.#position.forget();
    await this.#end({ state: 'cancelled' }, forgetting);
    await forgetting;
  }

  /** For the client: something is stored of this subscription or the one before; whoever cancels meanwhile waits for that. */
  stored(saving: Promise<unknown>): Promise<unknown> {
    return this.#position.track(saving);
  }

  /** For the supervisor. */
  report(status: SubscriptionStatus): void {
    const { state, delivery } = this.#status;
    // Each poll reports success: only a change is one for the application.
    if (this.#isOver() || (status.error === undefined && status.state === state && status.delivery === delivery))
      return;
    this.#status = status;
    // From a failure on nothing is missed without being told.
    if (status.state === 'waiting') this.#buffer.promise();
    if (status.state === 'active' || status.state === 'waiting') this.#storeStart();
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

  /** For webhook delivery: the callback has another path from now on. */
  keepCallback(path: string): void {
    const seen = this.#position.current.record.webhook?.seen ?? [];
    this.#position.update({ webhook: { path, seen } });
    this.#arrived();
  }

  /** For the supervisor: the server ended it. What was received before is still handed out, then the error is thrown. */
  terminate(error: Error): void {
    if (this.#isOver()) return;
    this.#status = { state: 'terminated', error };
    this.#ending = error;
    this.#position.update({ ended: true });
    this.#start.end();
    this.#parts.onTerminate();
    const status = this.#status;
    this.#tell(() => this.#parts.options.onTerminated?.(error));
    // Unless the application cancelled it just then, and was told of that.
    if (this.#status === status) this.#tell(() => this.#parts.options.onStatus?.(status));
    this.#arrived();
  }

  /** @throws EventsClientError `ALREADY_CONSUMED`: an event goes to one consumer */
  #consume(consumer: 'reader' | 'handler'): void {
    if (this.#consumer === undefined || (consumer === 'reader' && this.#consumer === 'reader')) {
      this.#consumer = consumer;
      return;
    }
    throw new EventsClientError(
      'ALREADY_CONSUMED',
      `The events of "${this.name}" are ${this.#consumer === 'handler' ? 'processed by a handler' : 'being iterated'} already: use one of both, once.`,
    );
  }

  async #moveTo(store: CursorStore): Promise<void> {
    if (this.#isOver()) return;
    await this.#position.save();
    // What is cancelled meanwhile must not be left there.
    this.#position.mayBeIn(store);
    const source = await this.#position.track(this.#parts.moveTo(store, this.#position.current.record));
    this.#position.moveTo(source, source.buffer === this.#buffer);
    this.#buffer = source.buffer;
    this.#buffer.onArrival = () => this.#arrived();
  }

  #processed(key: string): ProcessedSubscription {
    return {
      key,
      name: this.name,
      buffer: this.#buffer,
      stopped: this.stopped,
      position: this.#position,
      filters: this.#parts.options.filter !== undefined || this.#payload !== undefined,
      isWanted: (event) => this.#isWanted(event),
      // What a schema made of the data is the application's own, and may be anything.
      handed: (event) => (this.#payload === undefined ? copied(event) : { ...event }),
      tellGap: (gap) => this.#tellGap(gap),
      fail: (error) => this.fail(error),
      tell: (callback) => this.#tell(callback),
      arrival: () => this.#arrival(),
      wake: () => this.#wake?.(),
      ending: () => this.#ending,
    };
  }

  /** Lets markers take effect and returns the next event, which stays in the buffer. */
  async #upcoming(): Promise<EventItem | undefined> {
    for (;;) {
      const item = this.#buffer.claim();
      if (item === undefined || item.kind === 'event') return item;
      if (item.kind === 'gap') {
        // It stays for a reader, or the handler that `process()` tells, and with it the position before it.
        if (!this.#hearsGaps) return undefined;
        // Should this fail, the gap is still there for the next call.
        await this.#position.save();
        if (this.#isOver()) return undefined;
        await this.#tellGap(item.gap);
        if (this.#isOver()) return undefined;
      }
      this.#buffer.shift();
      if (item.cursor !== null) this.#position.move(moved(this.#position.current, item.cursor, item.seen));
    }
  }

  /** Whether anybody is told of a gap; `process()` may come later, with an `onGap` of its own. */
  get #hearsGaps(): boolean {
    return this.#consumer !== undefined || this.#parts.options.onGap !== undefined;
  }

  /** Without a waiting reader, and with nothing unacknowledged before them, markers that somebody hears take effect on arrival. */
  #arrived(): void {
    this.#wake?.();
    if (this.#markersDue || this.#handedOut !== undefined || this.#consumer === 'handler') return;
    this.#markersDue = true;
    this.#turn(() => {
      this.#markersDue = false;
      return this.#applyMarkers();
    }).catch((error: unknown) => this.fail(asError(error)));
  }

  async #applyMarkers(): Promise<void> {
    if (this.#handedOut !== undefined || this.#isOver() || this.#consumer === 'handler') return;
    await this.#upcoming();
    await this.#position.save();
  }

  #acknowledge(inHand: EventItem | undefined): void {
    if (inHand !== undefined) this.#position.move(acknowledged(this.#position.current, inHand));
    this.#handedOut = undefined;
  }

  #storeAcknowledged(): Promise<void> {
    return this.#isOver() ? this.#storeLast() : this.#position.save();
  }

  /** Stores what was acknowledged although delivery is over. */
  #storeLast(): Promise<void> {
    return this.#parts.afterEnd(() => this.#position.saveLast());
  }

  /** Its position, if it has one, is stored before anybody relies on it; else that somebody does. */
  #storeStart(): void {
    if (this.#start.isOver) return;
    this.#turn(async () => {
      await this.#applyMarkers();
      if (this.#isOver() || this.cursor !== null) return;
      this.#position.update({ promised: true });
      await this.#position.save();
    }).then(
      () => this.#start.end(),
      (error: unknown) => this.#start.end(asError(error)),
    );
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
    return this.#stop.signal.aborted;
  }

  async #end(status: SubscriptionStatus, storing?: Promise<unknown>): Promise<void> {
    const before = this.#status.state;
    if (before === 'cancelled' || (before === 'stopped' && status.state === 'stopped')) return;
    // `terminated` says more than `stopped`, and stays.
    if (before !== 'terminated' || status.state === 'cancelled') this.#status = status;
    this.#ending = undefined;
    this.#buffer.clear();
    this.#stop.abort();
    this.#wake?.();
    this.#start.end();
    const ended = this.#parts.onEnd(storing ?? this.#lastSteps());
    if (this.#status === status) this.#tell(() => this.#parts.options.onStatus?.(status));
    await ended;
  }

  /** What the store has to do before the next one may begin with the record. */
  #lastSteps(): Promise<unknown> {
    // With a handler the record is the inbox's, which has it of the transactions alone.
    if (this.#consumer === 'handler') return this.#position.storing;
    return this.#position.saveLast().catch((error: unknown) => {
      this.#parts.onWarning(`The position of "${this.name}" could not be stored at its end: ${asError(error).message}`);
    });
  }

  async #isWanted(event: ReceivedEvent): Promise<boolean> {
    const problem = await this.#untilOver(() => this.#payload?.check(event));
    if (problem !== undefined) {
      const text = shortened(`The data of event "${event.eventId}" does not fit the schema: ${problem}`);
      this.fail(new EventsClientError('MALFORMED_EVENT', text));
      await this.#tellGap({ reason: 'unreadable', cursor: event.cursor });
      return false;
    }
    if (this.#isOver()) return false;
    if (this.#parts.options.filter === undefined) return true;
    const answer: unknown = await this.#untilOver(() => this.#parts.options.filter?.(event));
    if (typeof answer === 'boolean' || this.#isOver()) return answer === true;
    // Neither handed out, as nobody said so, nor passed over, as that would lose it.
    throw wrongValue(`the answer of the filter of "${this.name}"`, 'true or false', answer);
  }

  /** Waits for the application, and no longer than delivery goes on: whoever stops it must not wait for what never ends. */
  async #untilOver<R>(step: () => R | PromiseLike<R>): Promise<R | undefined> {
    try {
      const result = step();
      return isPromise(result) ? await untilAborted(result, this.stopped) : result;
    } catch (error) {
      if (this.#isOver()) return undefined;
      throw error;
    }
  }

  async #tellGap(gap: Gap): Promise<void> {
    try {
      await this.#untilOver(() => this.#parts.options.onGap?.(gap));
    } catch (error) {
      this.#parts.onWarning(`onGap of "${this.name}" threw: ${asError(error).message}`);
    }
  }

  /** A callback that throws must not stop delivery. */
  #tell(callback: () => unknown): void {
    tell(callback, (thrown) => this.#parts.onWarning(`A callback of "${this.name}" threw: ${asError(thrown).message}`));
  }
}

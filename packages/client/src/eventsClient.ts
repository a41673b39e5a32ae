import { type EventsCapability, type EventTypeDescriptor, subscriptionKey } from '@mcp-events/protocol';
import { func, tell } from '@mcp-events/protocol/options';
import { AwaitedTypes } from './catalog/awaitedTypes.ts';
import { EventTypes, ownTypes, unknownType } from './catalog/eventTypes.ts';
import { watchEventTypes } from './catalog/watchEventTypes.ts';
import { type ClientSource, Connection } from './connection/connection.ts';
import { isUnusable } from './delivery/chooseMode.ts';
import { type DeliveredSource, SubscriptionDelivery } from './delivery/subscriptionDelivery.ts';
import { Callback } from './delivery/webhook/callback.ts';
import { asError, closed, EventsClientError, isUnreachable } from './errors.ts';
import { assertNotTakenOver, isInbox } from './inbox/inbox.ts';
import type { EventsClientOptions, SubscribeOptions } from './options.ts';
import {
  assertClientOptions,
  assertClientSource,
  assertListOptions,
  assertNoOptions,
  assertResumeOptions,
  assertSubscription,
} from './optionChecks.ts';
import { type Settings, settingsOf } from './settings.ts';
import type { CursorStore, SubscriptionRecord } from './store/cursorStore.ts';
import { EventBuffer } from './subscription/eventBuffer.ts';
import { Subscription } from './subscription/subscription.ts';
import { untilAborted } from './untilAborted.ts';

/**
 * The Events side of an MCP client: lists event types, subscribes, keeps delivery going and positions safe.
 *
 * Create the SDK's client with `versionNegotiation: { mode: 'auto' }` and `capabilities: eventsClientCapabilities`.
 * One `EventsClient` serves one connection; it adds to what the SDK's client does and takes nothing from it.
 */
export class EventsClient {
  readonly #options: EventsClientOptions;
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #types: EventTypes;
  readonly #awaitedTypes: AwaitedTypes;
  readonly #subscriptions = new Map<string, Subscription<unknown>>();
  /** Ended by the server and not read to the end yet. */
  readonly #terminated = new Map<string, Subscription<unknown>>();
  /** What is still done for subscriptions that ended: the next one with the same key starts from what they leave. */
  readonly #ending = new Map<string, Promise<unknown>>();
  /** The subscription that had a key last, as long as its record is in the store: that record is its own to change. */
  readonly #owners = new Map<string, object>();
  readonly #closing = new AbortController();
  /** Looks for changes of the event types. */
  #watching: Promise<void> | undefined;

  /**
   * @param client a connected SDK client, or a function that makes one and is called again after a lost connection
   *   (PUSH-19) and while the server cannot be reached at the start; clients it made are closed by `close()`
   * @throws TypeError for an option that cannot be used, such as a `webhook.url` that cannot be a callback URL
   */
  constructor(client: ClientSource, options: EventsClientOptions = {}) {
    assertClientSource(client);
    assertClientOptions(options);
    this.#options = options;
    this.#settings = settingsOf(options, this.#warn);
    this.#connection = new Connection(client, options.acceptSketch ?? true, this.#warn);
    this.#types = new EventTypes(this.#connection, this.#warn);
    this.#awaitedTypes = new AwaitedTypes(this.#types, this.#settings);
  }

  /** The subscriptions delivered at present. */
  get subscriptions(): Subscription<unknown>[] {
    return [...this.#subscriptions.values()];
  }

  /**
   * What the server declared, and in which dialect (DIALECT-03).
   *
   * @throws EventsNotSupportedError if it declared nothing; no `events/*` request is sent then (CAP-05)
   */
  capability(): Promise<EventsCapability> {
    return untilAborted(this.#connection.capability(), this.#closing.signal);
  }

  /**
   * The event types the server offers: all pages, read once, and again after an announced change (LIST-04, LIST-12).
   *
   * @param options `refresh` reads them now
   * @throws EventsNotSupportedError, EventsError as answered by the server, EventsClientError
   */
  async list(options: { refresh?: boolean } = {}): Promise<EventTypeDescriptor[]> {
    assertListOptions(options);
    this.#assertOpen();
    this.#watch();
    const listing = options.refresh === true ? this.#types.refresh() : this.#types.list();
    return ownTypes(await untilAborted(listing, this.#closing.signal));
  }

  /**
   * Subscribes to an event type. Resolves when the server has accepted the subscription and its position is stored: from
   * here on nothing is missed (CLIENT-11), so whatever state is read afterwards misses nothing. With a position to go on
   * from, of the store or `from`, that holds at once. Delivery runs in the background from then on, also through failures,
   * until it is stopped or the server ends it.
   *
   * If an attempt to begin fails in a way that may pass, it resolves as well: what is missed until delivery begins is then
   * told as a gap (`interrupted`). If the server cannot be reached and the client was given a function that connects, it resolves too: the client goes
   * on connecting in the background with `backoff`, one attempt at a time for all subscriptions that wait, each failure
   * told to `onError` (the first ones perhaps before this resolves). If the server then has no such type, no usable mode
   * or no Events, that ends the subscription, as an error that comes later does: told to `onTerminated`, and thrown by
   * the iteration. Anything else is tried again.
   *
   * The server looks at the arguments only when delivery begins, so `InvalidParams` and `Forbidden` are thrown by the
   * iteration as well.
   *
   * @typeParam T what the type's `payloadSchema` describes; the data is checked against `options.payload`, if that is given
   * @param args compared as canonical JSON: the same name and arguments are the same subscription
   * @throws TypeError for an argument or option that cannot be used
   * @throws EventsError `NotFound` if the server has no such type
   * @throws NoCompatibleDeliveryModeError, DeliveryModeNotAvailableError (CLIENT-03, CLIENT-04)
   * @throws EventsNotSupportedError if the server does not offer Events (CAP-05)
   * @throws EventsClientError `ALREADY_SUBSCRIBED` while the same subscription is being delivered; `SERVER_UNREACHABLE`
   *   if the client was given connected, so that it cannot connect again; `CLOSED`, also if it is closed meanwhile
   * @throws what else the function that connects threw, unless it says that the server cannot be reached now: a refused
   *   login, a wrong address and mistakes in the program pass; what the store threw
   */
  async subscribe<T = Record<string, unknown>>(
    name: string,
    args: Record<string, unknown> = {},
    options?: SubscribeOptions<T>,
  ): Promise<Subscription<T>> {
    const given = options === undefined ? {} : options;
    assertSubscription(name, args, given);
    const key = subscriptionKey({ name, arguments: args });
    // The application may go on using its object, while the key was made from what it holds now.
    const ownArguments = structuredClone(args);
    const { delivery, maxAgeMs, maxEvents, longPollMs, ordered, from, signal } = given;
    // What an ended one has not handed out comes again, from the position it leaves.
    this.#terminated.get(key)?.stop();
    await this.#ending.get(key);
    const { store } = this.#settings;
    const kept = await store.load(key);
    const start = isInbox(store) && typeof kept?.cursor === 'string' ? undefined : from;
    this.#assertFree(key);
    const found = await this.#find(name, signal);
    if (found === undefined) throw unknownType(name);
    if (options === undefined && !(found instanceof Error)) assertNoOptions(ownArguments, found.inputSchema);
    const subscription = await this.#start<T>(
      key,
      found,
      {
        name,
        arguments: ownArguments,
        cursor: start === undefined ? (kept?.cursor ?? null) : start,
        promised: start === undefined ? kept?.promised : undefined,
        seen: start === undefined ? (kept?.seen ?? []) : [],
        webhook: kept?.webhook && { ...kept.webhook, seen: start === undefined ? kept.webhook.seen : [] },
        delivery,
        maxAgeMs,
        maxEvents,
        longPollMs,
        ordered,
      },
      given,
    );
    return this.#begun(subscription);
  }

  /**
   * Starts every subscription of the store again, each from its position (CLIENT-01). Left out are those that run
   * already, that the server had ended, and whose type is not offered any more (told to `onWarning`; they stay in the
   * store).
   *
   * A server that cannot be reached is waited for in the background, as by {@link subscribe}. A type that turns out then
   * not to be offered ends its subscription, and the record is marked as ended.
   *
   * @param optionsFor callbacks for a subscription, which the store cannot keep; the other options are kept
   * @throws EventsNotSupportedError, EventsError as answered by the server, EventsClientError `SERVER_UNREACHABLE` if the
   *   client was given connected, `CLOSED`; what else the function that connects threw, as for {@link subscribe}; what
   *   the store threw. Subscriptions resumed before that go on (see {@link subscriptions})
   */
  async resume(
    optionsFor: (record: SubscriptionRecord) => Omit<SubscribeOptions, 'from'> = () => ({}),
  ): Promise<Subscription[]> {
    func(optionsFor, 'what is given to resume()');
    const resumed: Subscription[] = [];
    await Promise.all(this.#ending.values());
    const { store } = this.#settings;
    for (const listed of await store.list()) {
      const key = subscriptionKey({ name: listed.name, arguments: listed.arguments });
      if (listed.ended === true || this.#subscriptions.has(key)) continue;
      // In an inbox, loading it is what takes it over. Meanwhile it may have been cancelled, or ended.
      const record = await store.load(key);
      if (record === undefined || record.ended === true) continue;
      const { delivery, maxAgeMs, maxEvents, longPollMs, ordered } = record;
      const given = optionsFor(record);
      assertResumeOptions(given);
      const options = { delivery, maxAgeMs, maxEvents, longPollMs, ordered, ...given };
      const found = await this.#find(record.name, options.signal);
      if (this.#subscriptions.has(key)) continue;
      try {
        if (found === undefined) throw unknownType(record.name);
        resumed.push(await this.#start(key, found, record, options));
      } catch (error) {
        if (found !== undefined && !isUnusable(error)) throw error;
        this.#warn(`Subscription "${record.name}" was not resumed: ${(error as Error).message}`);
      }
    }
    return Promise.all(resumed.map((subscription) => this.#begun(subscription)));
  }

  /** Stops all subscriptions, keeps their positions, and leaves the SDK's client as it was. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    for (const subscription of [...this.#subscriptions.values(), ...this.#terminated.values()]) subscription.stop();
    await Promise.all([this.#watching, ...this.#ending.values()]);
    await this.#connection.close();
  }

  /** The type, undefined if there is none, or why the server has to be waited for. */
  async #find(name: string, signal?: AbortSignal): Promise<EventTypeDescriptor | Error | undefined> {
    this.#watch();
    const { outage } = this.#awaitedTypes;
    // What is not an outage, each call is told by itself.
    if (isUnreachable(outage) && this.#types.last === undefined) return outage;
    try {
      return await untilAborted(untilAborted(this.#types.find(name), signal), this.#closing.signal);
    } catch (error) {
      // It is stopped before it starts, and needs no type.
      if (signal?.aborted === true && !this.#closing.signal.aborted) return asError(error);
      if (this.#connection.canReconnect && isUnreachable(error)) return error;
      throw error;
    }
  }

  async #start<T>(
    key: string,
    found: EventTypeDescriptor | Error,
    kept: SubscriptionRecord,
    options: SubscribeOptions,
  ): Promise<Subscription<T>> {
    const context = {
      settings: this.#settings,
      connection: this.#connection,
      types: this.#types,
      awaitedTypes: this.#awaitedTypes,
      onWarning: this.#warn,
    };
    const delivery = new SubscriptionDelivery(context, found, options);
    // Checked again because of the wait; from here to the registration nothing waits.
    this.#assertFree(key);
    const { store, clock, backoff, random } = this.#settings;
    let place = store;
    let forgetting: Promise<unknown> | undefined;
    const assertOwn = async (): Promise<void> => {
      // Whoever could delete the record had it.
      if (isInbox(place)) await assertNotTakenOver(forgetting ?? place.commit({ key }));
    };
    const first = this.#sourceOf(kept, store, assertOwn);
    const owner = {};
    const subscription: Subscription<T> = new Subscription<T>({
      key,
      source: first,
      sessionOf: (inbox) => this.#settings.sessions.of(inbox),
      moveTo: async (to, record) => {
        const there = to === store ? undefined : await to.load(key);
        if (there === undefined) {
          await to.save(key, record);
          place = to;
          return { ...first, record, store: to };
        }
        await delivery.stop();
        const { seen, webhook } = there;
        const goesOn = { ...record, cursor: there.cursor ?? record.cursor, seen, webhook };
        const next = this.#sourceOf(goesOn, to, assertOwn);
        next.buffer.promise();
        await to.save(key, next.record);
        place = to;
        delivery.start(subscription, next);
        return next;
      },
      options,
      waits: { clock, backoff, random },
      onWarning: this.#warn,
      onTerminate: () => {
        this.#subscriptions.delete(key);
        this.#terminated.set(key, subscription);
      },
      afterEnd: async (step) => {
        if (this.#owners.get(key) !== owner) return;
        const done = step();
        void this.#endLast(key, [done, Promise.resolve(this.#ending.get(key))]);
        await done;
      },
      onEnd: (storing) => {
        const isForgotten = subscription.status.state === 'cancelled';
        if (isForgotten) forgetting = storing;
        if (isForgotten) this.#owners.delete(key);
        if (this.#subscriptions.get(key) === subscription) this.#subscriptions.delete(key);
        if (this.#terminated.get(key) === subscription) this.#terminated.delete(key);
        return this.#endLast(key, [storing, isForgotten ? delivery.refuse() : delivery.running]);
      },
    });
    this.#subscriptions.set(key, subscription);
    this.#owners.set(key, owner);
    try {
      // An acknowledgement that came late may be on its way to the store.
      const ending = this.#ending.get(key);
      if (ending !== undefined) await subscription.stored(ending);
      if (subscription.status.state !== 'cancelled') await subscription.stored(store.save(key, first.record));
    } catch (error) {
      subscription.stop();
      throw error;
    }
    if (options.signal?.aborted) subscription.stop();
    delivery.start(subscription, first);
    return subscription;
  }

  /** Waits until nothing of a subscription can be missed any more without being told. */
  async #begun<T>(subscription: Subscription<T>): Promise<Subscription<T>> {
    try {
      await untilAborted(subscription.begun, this.#closing.signal);
    } catch (error) {
      subscription.stop();
      throw error;
    }
    return subscription;
  }

  /** What a subscription begins with: its position, and a buffer that goes on from it. */
  #sourceOf(kept: SubscriptionRecord, store: CursorStore, assertOwn: () => Promise<void>): DeliveredSource {
    const { webhook, limits } = this.#settings;
    const callback = webhook && new Callback(webhook, kept.webhook?.path, assertOwn);
    // In the store before the server hears of it.
    const record = callback ? { ...kept, webhook: { path: callback.path, seen: kept.webhook?.seen ?? [] } } : kept;
    const buffer = new EventBuffer(record.cursor, [...(record.webhook?.seen ?? []), ...record.seen], limits);
    return { record, buffer, store, callback };
  }

  #endLast(key: string, ending: Promise<unknown>[]): Promise<void> {
    const done = Promise.allSettled(ending).then(() => {
      if (this.#ending.get(key) === done) this.#ending.delete(key);
    });
    this.#ending.set(key, done);
    return done;
  }

  #assertFree(key: string): void {
    this.#assertOpen();
    if (!this.#subscriptions.has(key)) return;
    throw new EventsClientError(
      'ALREADY_SUBSCRIBED',
      `The subscription ${key} is being delivered already: use that one, or stop it first.`,
    );
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw closed();
  }

  #watch(): void {
    const { onEventTypesChanged } = this.#options;
    if (onEventTypesChanged === undefined || this.#watching !== undefined || this.#closing.signal.aborted) return;
    const { clock, backoff, random } = this.#settings;
    this.#watching = watchEventTypes({
      connection: this.#connection,
      types: this.#types,
      clock,
      backoff,
      random,
      signal: this.#closing.signal,
      onChange: (types) =>
        tell(
          () => onEventTypesChanged(ownTypes(types)),
          (thrown) => this.#warn(`onEventTypesChanged threw: ${asError(thrown).message}`),
        ),
      onWarning: this.#warn,
    });
  }

  // A log that fails must not stop delivery, and there is nowhere left to tell it.
  readonly #warn = (message: string): void => tell(() => this.#options.onWarning?.(message));
}

import type { EventOrder } from '@mcp-events/protocol';
import { type Check, checkMembers, having, numberOf } from '@mcp-events/protocol/options';
import { checkClock, type Clock, systemClock } from '../clock.ts';
import { ArrivalOrder } from './arrivalOrder.ts';
import { Deduplication, idsOf, type MessageIds } from './deduplication.ts';
import {
  type InboxContent,
  type InboxStore,
  memoryInboxStore,
  REMEMBERED_MESSAGES,
  type StoredMessage,
} from './inboxStore.ts';
import type { AcceptResult, EventMessage, TerminatedMessage, WebhookMessage } from './registration.ts';
import { SubscriptionOrders } from './subscriptionOrders.ts';

/** Options of a {@link WebhookInbox}. */
export interface WebhookInboxOptions {
  /** What survives a restart. Default: nothing, `memoryInboxStore()`. */
  store?: InboxStore;
  /** Most messages kept at a time, or Infinity; more are left to the server, which sends them again. Default 10000. */
  maxMessages?: number;
  /** Most bytes of bodies kept at a time, or Infinity. Default 64 MiB. */
  maxBytes?: number;
  /** Default: the runtime's. */
  clock?: Clock;
}

/** What an inbox hands out. Events of one subscription come in its order. */
export type InboxItem = EventMessage | InboxGap | TerminatedMessage;

/** Events of the subscription may be missing here (CUR-13). */
export interface InboxGap {
  kind: 'gap';
  subscriptionId: string;
  /** Where delivery goes on, as the server told; null if a message did not arrive in time. */
  cursor: string | null;
}

interface Ready {
  item: InboxItem;
  /** Absent for a gap that was found here. */
  stored?: StoredMessage;
  /** What it counts for; the application may change the message it was handed. */
  bytes: number;
}

/** What a store kept of the order of one subscription. */
interface KeptPlaces {
  /** Positions of events that are acknowledged. */
  readonly acknowledged: Set<string>;
  /** Of those that are not. */
  readonly waiting: Set<string>;
  /** Positions that nothing has to wait for, the last one last. */
  readonly passed: Set<string>;
  /** Places behind one that is not acknowledged at which something is missing. */
  readonly missing: EventOrder[];
}

const bound: Check = numberOf({ least: 1, unlimited: true });

const inboxOptions = {
  store: having(['load', 'append', 'close'], 'such as fileInboxStore(path) makes'),
  maxMessages: bound,
  maxBytes: bound,
  clock: checkClock,
};

/** Counted for an envelope, beside the places that a gap names. */
const ENVELOPE_BYTES = 1_024;

/**
 * Keeps webhooks from the moment they are accepted until the application has dealt with them, for applications that run
 * a receiver without an `EventsClient`. Give {@link WebhookInbox.accept} to `register`, as `repeated` too, and iterate:
 * asking for the next item acknowledges the one before, leaving the loop does not.
 *
 * An event whose predecessor is missing waits for it up to a minute; then a gap is handed out and it follows.
 */
export class WebhookInbox implements AsyncIterable<InboxItem> {
  readonly #store: InboxStore;
  readonly #clock: Clock;
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #received = new Deduplication(REMEMBERED_MESSAGES);
  readonly #orders = new SubscriptionOrders<StoredMessage>((subscriptionId, passed) =>
    this.#makeOrder(subscriptionId, passed),
  );
  /** In the order of the hand-out. What waits for a predecessor is in `#orders` instead. */
  readonly #ready = new Set<Ready>();
  #messages = 0;
  #bytes = 0;
  #nextNumber = 1;
  #isIterated = false;
  #closed = false;
  #wake: () => void = () => {};

  private constructor(store: InboxStore, options: WebhookInboxOptions) {
    this.#store = store;
    this.#clock = options.clock ?? systemClock;
    const { maxMessages = 10_000, maxBytes = 64 * 1024 * 1024 } = options;
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes up what the store kept.
   *
   * @throws TypeError for an option that does not exist or cannot be used; what the store fails with
   */
  static async open(options: WebhookInboxOptions = {}): Promise<WebhookInbox> {
    checkMembers<Required<WebhookInboxOptions>>(options, inboxOptions, 'the options of WebhookInbox');
    const store = options.store ?? memoryInboxStore();
    const inbox = new WebhookInbox(store, options);
    inbox.#restore(await store.load());
    return inbox;
  }

  /** For `register`: resolves once the message is stored. A full inbox answers `retry`. */
  readonly accept = async (message: WebhookMessage): Promise<AcceptResult> => {
    if (this.#closed) return 'retry';
    const ids = idsOf(message);
    const result = await this.#received.once(ids, () => this.#take(message));
    if (result !== 'repeated') return result;
    if (message.kind === 'event' && message.order !== undefined && !this.#received.isAtKnownPlace(ids)) {
      await this.#store.append({ kind: 'mark', mark: ids });
      this.#received.add(ids);
      this.#repeated(message.subscriptionId, message.event.eventId, message.order);
    }
    return 'accepted';
  };

  /**
   * Hands out the items, one at a time. Ends when the inbox is closed.
   *
   * @throws what the store fails with; the item then stays, and is handed out again by the next loop
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<InboxItem, void, undefined> {
    if (this.#isIterated) throw new Error('The inbox is read by another loop. One loop at a time keeps the order.');
    this.#isIterated = true;
    try {
      for (;;) {
        const [first] = this.#ready;
        if (this.#closed) return;
        if (first === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
        else {
          yield first.item;
          if (this.#closed) return;
          await this.#acknowledge(first);
        }
      }
    } finally {
      this.#isIterated = false;
    }
  }

  /** Accepts and hands out nothing more. What was not acknowledged comes again when the store is opened anew. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const order of this.#orders) order.close();
    this.#wake();
    await this.#store.close();
  }

  async #take(message: WebhookMessage): Promise<AcceptResult> {
    const bytes = bytesOf(message);
    if (this.#isFull(message, bytes)) return 'retry';
    const stored = { number: this.#nextNumber, message };
    this.#nextNumber += 1;
    // Counted before it is stored: many may arrive at once.
    this.#count(1, bytes);
    try {
      await this.#store.append({ kind: 'message', ...stored });
    } catch (error) {
      this.#count(-1, -bytes);
      throw error;
    }
    this.#place(stored);
    return 'accepted';
  }

  /** What waits may use half of the room, so that it never keeps out the one it waits for. */
  #isFull(message: WebhookMessage, bytes: number): boolean {
    if (this.#messages === 0) return false;
    const waits = message.kind === 'event' && this.#orders.get(message.subscriptionId).wouldWait(message.order);
    const share = waits ? 0.5 : 1;
    return this.#messages >= this.#maxMessages * share || this.#bytes + bytes > this.#maxBytes * share;
  }

  #place(stored: StoredMessage): void {
    const { message } = stored;
    const { subscriptionId } = message;
    const order = this.#orders.get(subscriptionId);
    switch (message.kind) {
      case 'event':
        // What belongs where a gap was handed out comes late rather than never.
        if (order.take(stored, message.order, message.bytes, message.event.cursor) === 'late')
          this.#add(message, stored);
        return;
      case 'gap':
        // Before what waits: that is where something is missing.
        this.#add({ kind: 'gap', subscriptionId, cursor: message.cursor }, stored);
        order.settle(message.missing);
        return;
      case 'terminated':
        if (order.waiting > 0) this.#add({ kind: 'gap', subscriptionId, cursor: null });
        order.settle();
        this.#add(message, stored);
    }
  }

  #repeated(subscriptionId: string, eventId: string, order: EventOrder): void {
    this.#orders.get(subscriptionId).repeated(order, ({ message }) => idsOf(message).eventId === eventId);
  }

  #makeOrder(subscriptionId: string, passed: readonly string[]): ArrivalOrder<StoredMessage> {
    return new ArrivalOrder<StoredMessage>({
      clock: this.#clock,
      passed,
      // The bounds are kept by refusing: giving the order up would tell a gap where there is none.
      maxWaiting: Infinity,
      maxWaitingBytes: Infinity,
      release: (stored) => {
        if (stored.message.kind === 'event') this.#add(stored.message, stored);
      },
      gap: () => this.#add({ kind: 'gap', subscriptionId, cursor: null }),
    });
  }

  #add(item: InboxItem, stored?: StoredMessage): void {
    this.#ready.add({ item, ...(stored && { stored }), bytes: stored === undefined ? 0 : bytesOf(stored.message) });
    this.#wake();
  }

  async #acknowledge(ready: Ready): Promise<void> {
    const { stored, bytes } = ready;
    if (stored !== undefined) {
      await this.#store.append({ kind: 'done', number: stored.number });
      this.#count(-1, -bytes);
    }
    this.#ready.delete(ready);
  }

  #count(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
  }

  #restore({ messages, marks }: InboxContent): void {
    const waiting = new Set(messages.map(({ message }) => eventKey(idsOf(message))));
    const places = new Map<string, KeptPlaces>();
    const placesOf = (subscriptionId: string): KeptPlaces => {
      let kept = places.get(subscriptionId);
      if (kept === undefined) {
        kept = { acknowledged: new Set(), waiting: new Set(), passed: new Set(), missing: [] };
        places.set(subscriptionId, kept);
      }
      return kept;
    };
    for (const { message } of messages) {
      if (message.kind !== 'event' || message.order === undefined) continue;
      placesOf(message.subscriptionId).waiting.add(message.order.position);
    }
    for (const { subscriptionId, order } of marks) {
      if (order !== undefined) placesOf(subscriptionId).acknowledged.add(order.position);
    }
    for (const mark of marks) {
      this.#received.add(mark);
      const { order } = mark;
      const { acknowledged, passed, missing, ...kept } = placesOf(mark.subscriptionId);
      if (order !== undefined && !waiting.has(eventKey(mark))) passed.add(order.position);
      for (const { position, previous } of mark.missing ?? []) {
        if (previous === null || acknowledged.has(previous) || passed.has(previous)) passed.add(position);
        // What any other comes after may be long gone: it would be waited for, and told as a gap.
        else if (kept.waiting.has(previous)) missing.push({ position, previous });
      }
    }
    for (const [subscriptionId, { passed, missing }] of places) {
      const order = this.#orders.get(subscriptionId, [...passed]);
      if (missing.length > 0) order.settle(missing);
    }
    for (const stored of messages) {
      this.#received.add(idsOf(stored.message));
      this.#count(1, bytesOf(stored.message));
      this.#nextNumber = Math.max(this.#nextNumber, stored.number + 1);
      this.#place(stored);
    }
    // Repeated at another place, and not acknowledged yet.
    for (const mark of marks) {
      const { subscriptionId, eventId, order } = mark;
      if (eventId === undefined || order === undefined || !waiting.has(eventKey(mark))) continue;
      this.#repeated(subscriptionId, eventId, order);
    }
  }
}

function bytesOf(message: WebhookMessage): number {
  if (message.kind === 'event') return message.bytes;
  let bytes = ENVELOPE_BYTES;
  const places = message.kind === 'gap' ? message.missing : undefined;
  for (const { position, previous } of places ?? []) bytes += position.length + (previous?.length ?? 0);
  return bytes;
}

function eventKey({ subscriptionId, eventId }: MessageIds): string {
  return JSON.stringify([subscriptionId, eventId]);
}

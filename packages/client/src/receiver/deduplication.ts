import type { EventOrder } from '@mcp-events/protocol';
import { RecentKeys } from './recentKeys.ts';
import type { AcceptResult, WebhookMessage } from './registration.ts';

/** What tells a message, and its event, from others. */
export interface MessageIds {
  subscriptionId: string;
  webhookId: string;
  /** Only of an event. */
  eventId?: string;
  /** Where an event was told to stand, if its server tells the order. */
  order?: EventOrder;
}

export function idsOf(message: WebhookMessage): MessageIds {
  const { subscriptionId, webhookId } = message;
  if (message.kind !== 'event') return { subscriptionId, webhookId };
  const { event, order } = message;
  return { subscriptionId, webhookId, eventId: event.eventId, ...(order !== undefined && { order }) };
}

/**
 * Lets each message through once: by its `webhook-id`, and by its event's id, since a server may send an event again as
 * another message (RECV-05, RECV-06, DIALECT-10).
 */
export class Deduplication {
  readonly #accepted: RecentKeys;
  /** Apart from the ids: a place that is forgotten is told again, which does no harm. */
  readonly #places: RecentKeys;
  /** Messages in the hands of `accept`. */
  readonly #pending = new Map<string, Promise<AcceptResult>>();

  /** @param maxMessages how many of the latest are remembered, at least */
  constructor(maxMessages: number) {
    // An event has two.
    this.#accepted = new RecentKeys(2 * maxMessages);
    this.#places = new RecentKeys(maxMessages);
  }

  /**
   * Whether an event was accepted at the very place it tells, or tells none. After a restart of its server it may come
   * again at another one, under the `webhook-id` it had (RECV-17).
   */
  isAtKnownPlace({ order, ...ids }: MessageIds): boolean {
    return order === undefined || this.#places.has(placeKey(ids, order));
  }

  /** Counts a message as accepted. */
  add(ids: MessageIds): void {
    for (const key of keysOf(ids)) this.#accepted.add(key);
    if (ids.order !== undefined) this.#places.add(placeKey(ids, ids.order));
  }

  /**
   * Calls `accept`, unless the message is a repetition. One that arrives meanwhile waits for the outcome and shares it;
   * only what was accepted counts as received.
   *
   * @throws what `accept` throws
   */
  async once(ids: MessageIds, accept: () => AcceptResult | Promise<AcceptResult>): Promise<AcceptResult | 'repeated'> {
    const keys = keysOf(ids);
    for (;;) {
      const pending = keys.map((key) => this.#pending.get(key)).find((outcome) => outcome !== undefined);
      if (pending === undefined) break;
      const outcome = await pending;
      if (outcome !== 'accepted') return outcome;
    }
    if (keys.some((key) => this.#accepted.has(key))) return 'repeated';
    // Nothing is awaited between these looks and the marks below, so a message is let through once.
    const outcome = (async () => accept())();
    for (const key of keys) this.#pending.set(key, outcome);
    try {
      const result = await outcome;
      if (result === 'accepted') this.add(ids);
      return result;
    } finally {
      for (const key of keys) this.#pending.delete(key);
    }
  }
}

function keysOf(ids: MessageIds): string[] {
  const { subscriptionId, eventId } = ids;
  // As JSON, so that no choice of ids makes two different keys one.
  return eventId === undefined
    ? [messageKey(ids)]
    : [messageKey(ids), JSON.stringify([subscriptionId, 'event', eventId])];
}

function messageKey({ subscriptionId, webhookId }: MessageIds): string {
  return JSON.stringify([subscriptionId, 'message', webhookId]);
}

function placeKey({ subscriptionId, eventId }: MessageIds, { position, previous }: EventOrder): string {
  return JSON.stringify([subscriptionId, eventId, position, previous]);
}

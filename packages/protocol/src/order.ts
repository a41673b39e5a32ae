import { isJsonObject } from './schemas/json.ts';

/** Key in an occurrence's `_meta` that tells a receiver the order of a webhook subscription's events (ORDER-02). */
export const ORDER_META_KEY = 'mcp-events/order';

/**
 * The place of an event among the events of its webhook subscription. Posts overtake each other; by this a receiver puts
 * them back in order. Both positions are opaque: compared for equality, nothing else.
 */
export interface EventOrder {
  /** This event's place. */
  position: string;
  /**
   * The place of the event sent before it. Null for the first one since the server began to send: everything before it
   * is acknowledged, was told as lost, or will be sent again after it.
   */
  previous: string | null;
}

/**
 * Reads the order of an event. Other servers do not tell it, so anything else found there counts as absent.
 *
 * @param meta `_meta` of an occurrence, as received
 */
export function orderOf(meta: unknown): EventOrder | undefined {
  const order = isJsonObject(meta) ? meta[ORDER_META_KEY] : undefined;
  if (!isJsonObject(order)) return undefined;
  const { position, previous } = order;
  if (typeof position !== 'string' || (typeof previous !== 'string' && previous !== null)) return undefined;
  // An event that comes after itself could never be handed out.
  return position === previous ? undefined : { position, previous };
}

import { isJsonObject } from './schemas/json.ts';

/**
 * Key in `_meta` that tells a receiver the order of a webhook subscription's events (ORDER-02): in an occurrence its
 * place, in a gap the places that will not come.
 */
export const ORDER_META_KEY = 'mcp-events/order';

/**
 * Key in `_meta` of `events/subscribe` by which a client asks for order on the wire (ORDER-06): `true` for one delivery at
 * a time, `false` for several, as for clients that put events in order themselves. In the result, `true` says that the
 * subscription has it. Servers that do not know the key ignore it, and say nothing.
 */
export const ORDERED_META_KEY = 'mcp-events/ordered';

/** Receivers remember positions, so a longer one is read as none. */
const MAX_POSITION_LENGTH = 256;

/**
 * The place of an event among the events of its webhook subscription. Posts overtake each other; by this a receiver puts
 * them back in order. Both positions are opaque, of at most 256 characters: compared for equality, nothing else.
 */
export interface EventOrder {
  /** This event's place. Never that of another event of the subscription, not even after the server restarted. */
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
  return readOrder(isJsonObject(meta) ? meta[ORDER_META_KEY] : undefined);
}

/**
 * Reads the places that a gap tells of, in their order: no event will come for them, and those behind them need not be
 * kept waiting. Anything malformed is left out.
 *
 * @param meta `_meta` of a gap envelope, as received
 */
export function missingOf(meta: unknown): EventOrder[] {
  const order = isJsonObject(meta) ? meta[ORDER_META_KEY] : undefined;
  const missing = isJsonObject(order) ? order['missing'] : undefined;
  return Array.isArray(missing) ? missing.map(readOrder).filter((place) => place !== undefined) : [];
}

function readOrder(order: unknown): EventOrder | undefined {
  if (!isJsonObject(order)) return undefined;
  const { position, previous } = order;
  // An event that comes after itself could never be handed out.
  if (!isPosition(position) || position === previous) return undefined;
  return previous === null || isPosition(previous) ? { position, previous } : undefined;
}

function isPosition(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_POSITION_LENGTH;
}

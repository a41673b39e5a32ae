import { type EventOccurrence, ORDER_META_KEY, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import type { ClientDeliveryMode } from '../delivery/chooseMode.ts';
import { toJson } from '../receiver/toJson.ts';

/**
 * An event as the application gets it, the same in all delivery modes (CLIENT-05).
 *
 * Its content is untrusted data like a tool result (AUTH-06), and it gives no right to act: whatever the application or
 * its agent does next passes the normal authorization (AUTH-05).
 */
export interface ReceivedEvent<T = Record<string, unknown>> {
  /** The same for every delivery of the event; each is handed out once per subscription (ORDER-04). */
  eventId: string;
  /** The event type. */
  name: string;
  /** When it happened: ISO 8601 with a zone, as the server sent it. */
  timestamp: string;
  /** The payload, as the server sent it: checked to be an object, and against `payload` if the subscription has that. */
  data: T;
  /**
   * A position to go on from: right after this event in push mode, and in webhook mode as long as the server tells the
   * order and nothing is missing; else somewhere before it. Null in poll results, which have one position a batch, and
   * for types without replay.
   */
  cursor: string | null;
  /** Further metadata, passed on unchanged; the bookkeeping of delivery is taken out. */
  _meta?: Record<string, unknown>;
  /** How it arrived. */
  delivery: ClientDeliveryMode;
}

export function receivedEvent(occurrence: EventOccurrence, delivery: ClientDeliveryMode): ReceivedEvent {
  const { eventId, name, timestamp, data, cursor } = occurrence;
  const { [SUBSCRIPTION_ID_META_KEY]: _stream, [ORDER_META_KEY]: _order, ...meta } = occurrence._meta ?? {};
  return {
    eventId,
    name,
    timestamp,
    data,
    cursor: cursor ?? null,
    ...(Object.keys(meta).length > 0 && { _meta: meta }),
    delivery,
  };
}

/** The event once more, so that what one attempt to handle it does to its data is not there for the next one. */
export function copied(event: ReceivedEvent): ReceivedEvent {
  try {
    return structuredClone(event);
  } catch {
    // It nests deeper than the runtime copies.
    return JSON.parse(toJson(event)) as ReceivedEvent;
  }
}

/** Fixed cost assumed for an event or a member: object headers, the id, the queue's slot. */
const OVERHEAD_BYTES = 64;

/** A cheap upper-side guess of the memory an event holds, for the buffer's byte bound. */
export function estimatedBytes({ data, _meta, eventId, cursor }: ReceivedEvent): number {
  return (
    OVERHEAD_BYTES * 4 + [data, _meta, eventId, cursor].reduce<number>((sum, part) => sum + estimatedSize(part), 0)
  );
}

/** A cheap upper-side guess of the memory that JSON values hold. Iterative: they nest freely. */
export function estimatedSize(json: unknown): number {
  let bytes = 0;
  const pending: unknown[] = [json];
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === 'string') bytes += value.length * 2;
    else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        bytes += OVERHEAD_BYTES + key.length * 2;
        pending.push(member);
      }
    }
  }
  return bytes;
}

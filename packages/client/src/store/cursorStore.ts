import type { ClientDeliveryMode } from '../delivery/chooseMode.ts';

/** What is kept of a subscription so that it can go on after a restart (CLIENT-01). Plain JSON. */
export interface SubscriptionRecord {
  /** The event type. */
  name: string;
  /** The subscription's arguments. */
  arguments: Record<string, unknown>;
  /** The position up to which the application acknowledged everything; null while there is none (CUR-05). */
  cursor: string | null;
  /**
   * The application relies on the subscription: should delivery begin again without a position, what was missed is told
   * (CLIENT-24). Absent before `subscribe()` resolved, and where there was a position from the start.
   */
  promised?: true;
  /**
   * Ids acknowledged beyond `cursor`: poll results have one cursor for a whole batch, so a half-read batch needs them. So
   * does a cursor that the server gave with a gap or in a quiet time of webhook mode, which may lag.
   */
  seen: string[];
  /** The delivery mode the application forced, if it did. */
  delivery?: ClientDeliveryMode;
  /** What the application asked for with `subscribe()`, as far as it did. */
  maxAgeMs?: number;
  maxEvents?: number;
  longPollMs?: number;
  /** Whether the application asked for order on the wire, or declined it. */
  ordered?: boolean;
  /** Kept for webhook mode, whatever the mode at present. */
  webhook?: {
    /** Last segment of the callback URL. The server may still have a subscription for it. */
    path: string;
    /** Ids acknowledged out of order or without known order, which `cursor` may not cover. */
    seen: string[];
  };
  /**
   * The server ended it for good. `resume()` leaves it alone, while a new `subscribe()` goes on from its cursor: access
   * that comes back (a renewed token) must not cost the events in between.
   */
  ended?: boolean;
}

/**
 * Where positions are kept. One store serves one server and one principal; keys are made from name and arguments only.
 * The client never calls it twice at once for the same key, and waits for `save` before it hands out the next event.
 */
export interface CursorStore {
  /** `undefined` for a key that nothing was saved under. Rejects where what was saved cannot be read. */
  load(key: string): Promise<SubscriptionRecord | undefined>;
  /** Replaces the record. Once it resolves, the record must survive whatever the store promises to survive. */
  save(key: string, record: SubscriptionRecord): Promise<void>;
  /** Forgets the record; an unknown key is no error. */
  delete(key: string): Promise<void>;
  /** All records, in any order. */
  list(): Promise<SubscriptionRecord[]>;
}

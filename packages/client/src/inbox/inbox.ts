import { isTakenOver } from '../errors.ts';
import type { CursorStore, SubscriptionRecord } from '../store/cursorStore.ts';
import type { ReceivedEvent } from '../subscription/receivedEvent.ts';

/**
 * A store of positions that lies in the application's own database, so that what the application writes about an event
 * and the position after it are stored in one transaction: `sqliteInbox()` of `@mcp-events/client/sqlite` is one.
 *
 * As a {@link CursorStore} it has one more duty: after `load(key)`, whoever loaded the key before can write nothing under
 * it any more (`TAKEN_OVER`). Of two processes with one subscription, only the one started last has effects.
 *
 * Everything that writes rejects with an `EventsClientError`: `TAKEN_OVER`, or `STORE_UNAVAILABLE` if the database failed
 * and nothing was written.
 *
 * @typeParam Db what the handler gets to write with
 */
export interface Inbox<Db = unknown> extends CursorStore {
  /**
   * Counts an attempt to handle an event, durably and before it begins, so that one which takes the process down counts
   * too.
   *
   * @param change 1, or -1 to take one back
   * @returns the attempts so far
   */
  countAttempt(key: string, eventId: string, change: 1 | -1): Promise<number>;
  /**
   * All of `change` and what `apply` writes, in one transaction, or nothing of it.
   *
   * @param apply called at most once, synchronously; what it throws undoes everything
   * @returns the attempts so far of the event that `begin` names
   * @throws what `apply` throws, unless it says that the database failed; EventsClientError `PARKED_FULL`
   */
  commit(change: InboxCommit, apply?: (db: Db) => void): Promise<number | undefined>;
  /**
   * The same inbox for one more client, with an owner of its own: of two clients in one process, given one object, only the
   * one that loaded a key last has effects either. Asked for once by each client. Without it, two clients must not share
   * an object.
   */
  session?(): Inbox<Db>;
  /** The next parked event whose retry was asked for; asking ends with that, and one more attempt is counted. Rejects with `TAKEN_OVER` like what writes. */
  takeRetry(key: string): Promise<ParkedEvent | undefined>;
  /** Calls `listener` when a retry is asked for through this object; returns what ends that. */
  onRetry(listener: () => void): () => void;
}

/**
 * What writing to an inbox says about whose a key is: a database that fails says nothing.
 *
 * @throws EventsClientError `TAKEN_OVER`
 */
export async function assertNotTakenOver(writing: Promise<unknown>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    if (isTakenOver(error)) throw error;
  }
}

export function isInbox(store: CursorStore): store is Inbox {
  return 'commit' in store;
}

/** What changes in an inbox together with the handler's own writes. */
export interface InboxCommit {
  key: string;
  /** The position from now on. Default: as it was. */
  record?: SubscriptionRecord;
  /** This event is done with: its attempts are forgotten. */
  eventId?: string;
  /** The event that comes next: an attempt to handle it is counted, which saves a transaction. */
  begin?: string;
  /** Put aside, or parked before and failed again. */
  park?: Omit<ParkedEvent, 'id' | 'name'>;
  /** Id of a parked event that was handled after all. */
  unpark?: number;
}

/** An event that could not be handled and was put aside, so that those behind it can be. */
export interface ParkedEvent {
  /** Names it to `retry` and `drop`; never used again. */
  id: number;
  /** The event type. */
  name: string;
  event: ReceivedEvent;
  /** What the last attempt failed with, for people. */
  reason: string;
  /** Attempts so far. */
  attempts: number;
  /** When it was parked, in milliseconds since the Unix epoch. */
  parkedAtMs: number;
}

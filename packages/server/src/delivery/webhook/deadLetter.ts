import { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { StoredDeadLetter } from '../../storage/deadLetterStore.ts';

/** An event that was given up after its last attempt (DELIV-08). */
export interface DeadLetter extends Omit<StoredDeadLetter, 'dataJson' | 'cursor' | '_meta'> {
  /** Names this letter, in this storage. */
  readonly number: number;
  /** The payload, as this subscription was to get it. */
  readonly data: Readonly<Record<string, unknown>>;
}

type NumberedLetter = StoredDeadLetter & { readonly number: number };

/** A letter for operators. */
export function deadLetterOf(stored: NumberedLetter): DeadLetter {
  const { dataJson: _dataJson, cursor: _cursor, _meta, ...letter } = stored;
  return { ...letter, data: eventOf(stored).data };
}

/** The event as it was to be delivered. */
export function eventOf({ eventId, name, timestamp, dataJson, _meta, cursor }: StoredDeadLetter): FeedEvent {
  return new FeedEvent({ eventId, name, timestamp, dataJson, _meta }, cursor);
}

import { isStorableText } from './storableText.ts';

/**
 * Longest event id. Peers of the older dialect put it into an HTTP header, and everybody keeps it for deduplication.
 */
const MAX_EVENT_ID_LENGTH = 256;

/** Throws a `TypeError` that names `what` unless an author may give an event this id. */
export function assertEventId(eventId: unknown, what: string): asserts eventId is string {
  if (isStorableText(eventId) && eventId !== '' && eventId.length <= MAX_EVENT_ID_LENGTH) return;
  throw new TypeError(`eventId of ${what} must be text of 1 to ${MAX_EVENT_ID_LENGTH} characters`);
}

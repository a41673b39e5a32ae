import type { EventsError } from '@mcp-events/protocol';
import type { FeedEvent } from '../occurrence/feedEvent.ts';

/**
 * Where one subscription's events go. A sink knows nothing of feeds. It may refuse: then it is offered the same thing
 * again after it called the pump's `resume`, and meanwhile holds no memory for it.
 */
export interface Sink {
  /** Takes an event, or returns `false` when it has no room. */
  deliver(event: FeedEvent): boolean;
  /** Takes the news that events were lost and delivery goes on after `cursor`, or returns `false`. */
  lose(cursor: string | null): boolean;
  /** A failure that delivery survives; may be dropped when there is no room. */
  fail(error: EventsError): void;
}

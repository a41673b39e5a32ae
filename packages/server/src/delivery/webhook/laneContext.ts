import type { Dialect, EventsError } from '@mcp-events/protocol';
import type { Clock } from '../../clock.ts';
import type { Deadlines } from '../../deadlines.ts';
import type { Observer } from '../../observability/observer.ts';
import type { StoredDeadLetter } from '../../storage/deadLetterStore.ts';
import type { Delivery } from './delivery.ts';
import type { SuspensionRules } from './failureRate.ts';
import type { PostOptions, PostTarget } from './post.ts';
import type { RetryRules } from './retryPolicy.ts';
import type { FairScheduler } from './scheduling/fairScheduler.ts';

/** What the lanes of one server share. */
export interface LaneContext {
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  /** For envelopes. Unique; not a secret. */
  readonly createMessageId: () => string;
  readonly scheduler: FairScheduler;
  /** When deliveries are tried again. */
  readonly retries: Deadlines<Delivery>;
  readonly postOptions: PostOptions;
  readonly retryRules: RetryRules;
  readonly suspensionRules: SuspensionRules;
  /** Deliveries of one subscription that may be outstanding. */
  readonly maxOutstanding: number;
  /** Whether events that were given up are told as a gap (OP-11). */
  readonly tellAbandoned: boolean;
  /** Keeps an event that was given up. */
  readonly bury: (letter: StoredDeadLetter) => void;
  /** A dead letter was delivered after all. */
  readonly redriven: (number: number) => void;
  /** A mistake in this process kept a delivery from being sent, or its outcome from being dealt with. */
  readonly broke: (error: unknown, name: string) => void;
  readonly warn: (message: string, name: string) => void;
  readonly observer: Observer | undefined;
}

/** Whose events a lane delivers. */
export interface LaneSubscriber extends PostTarget {
  readonly name: string;
  readonly principal: string;
  /** Name under which the endpoint's host is limited. */
  readonly host: string;
  readonly dialect: Dialect;
  /** Whether it is sent one delivery at a time, as long as `setOrdered` of its lane does not say otherwise. */
  readonly ordered: boolean;
}

/** What the lane tells the subscription. */
export interface LaneListener {
  /** The safe position moved. */
  onProgress(): void;
  /** Delivery stopped until the client comes back (DELIV-13). */
  onSuspended(): void;
  /** An event could not be delivered, for now or for good. */
  onFailed(): void;
  /** The source says that this subscription cannot go on. */
  onFinalError(error: EventsError): void;
  /** A newer subscription has the id of this one, which has ended. */
  readonly replaced: boolean;
}

import type { EventsError, LastError } from '@mcp-events/protocol';

/** Why a subscription did not get an event, or that it did. Times are ISO 8601. */
export type Explanation = {
  /** For people. */
  readonly message: string;
} & (
  | { readonly verdict: 'unknownSubscription' }
  /** `reason` is the error it was ended with; absent when its client ended it, or let it lapse. */
  | { readonly verdict: 'ended'; readonly endedAt: string; readonly reason?: EventsError['errorName'] }
  /** It is stored, and did not come back after the last start yet. */
  | { readonly verdict: 'notRestored' }
  /** The log goes back to its beginning, and the event is not in it. */
  | { readonly verdict: 'unknownEvent' }
  /** It is not among the events that are kept, or were searched: it never was, or retention has removed it. */
  | { readonly verdict: 'notRetained'; readonly keptSince: string | null }
  /** The type keeps no log (`check`, `replay: false`), and the event is not on its way. */
  | { readonly verdict: 'notKept' }
  /** It happened before the subscription started, or before what it asked for. */
  | { readonly verdict: 'beforeStart' }
  /** It was emitted for another subscription alone. */
  | { readonly verdict: 'otherTarget' }
  /** The declared filter keeps it away. */
  | { readonly verdict: 'filtered'; readonly argument: string; readonly field: string }
  /** The author's `match` says no. */
  | { readonly verdict: 'notMatched' }
  /** The author's `match` or `transform` fails for it: it was passed over, and the subscriber told of a loss. */
  | { readonly verdict: 'undecidable' }
  /** The author's `authorize` says no now. */
  | { readonly verdict: 'notAuthorized' }
  /**
   * A webhook acknowledged it, in this run or an earlier one. `message` says where it may also have been refused or given
   * up so long ago that nothing is kept of that.
   */
  | { readonly verdict: 'delivered' }
  /** It was written to the stream, or was in an answer: modes in which nothing is acknowledged. */
  | { readonly verdict: 'sent' }
  | {
      readonly verdict: 'outstanding';
      readonly state: 'queued' | 'sending' | 'retrying';
      readonly attempts: number;
      readonly nextAttemptAt: string | null;
      readonly lastError: LastError | null;
    }
  /** It waits for the client to come back. */
  | { readonly verdict: 'suspended'; readonly since: string; readonly lastError: LastError | null }
  /** It was given up, and is a dead letter. */
  | {
      readonly verdict: 'abandoned';
      readonly number: number;
      readonly attempts: number;
      readonly reason: LastError;
      readonly abandonedAt: string;
    }
  /** The endpoint does not want it (410, 413), or it is too large for a POST. */
  | { readonly verdict: 'refused'; readonly reason: 'refused' | 'too_large'; readonly at: string }
  /** It is in the log, and delivery is not there yet. */
  | { readonly verdict: 'notReached'; readonly eventsBehind: number }
  /** No poll has asked for it yet. */
  | { readonly verdict: 'notPolled'; readonly lastPollAt: string | null }
);

/** What became of an event for a subscription, in one word. */
export type Verdict = Explanation['verdict'];

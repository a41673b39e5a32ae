import type { AuthInfo } from '@modelcontextprotocol/server';
import type { Arguments } from '../subscription/subscription.ts';
import type { MaybePromise } from '../maybePromise.ts';

/** One occurrence as the upstream tells it. */
export interface CheckedEvent<Payload = Readonly<Record<string, unknown>>> {
  /**
   * The upstream's own stable id (OCC-07). Required, because only the upstream can name an event the same way when it
   * is read again.
   */
  readonly eventId: string;
  /** When it happened: a `Date`, or ISO 8601 with a zone. Must not change when the event is read again (OCC-03). */
  readonly timestamp: string | Date;
  /** Held to the payload schema. */
  readonly data: Payload;
  /** Upstream position after this event, if it is addressable; it makes splitting a page exact at no cost. */
  readonly cursor?: string;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** What a check found after the given cursor. */
export interface CheckResult<Payload = Readonly<Record<string, unknown>>> {
  /** Oldest first. For the same cursor the same events in the same order, possibly followed by more. */
  readonly events: readonly CheckedEvent<Payload>[];
  /** Upstream position after these events; with a `null` cursor given: the position now. */
  readonly cursor: string;
  /** More is available right away. Default false. */
  readonly hasMore?: boolean;
  /**
   * The given cursor can no longer be served (CUR-12). Then `events` must be empty and `cursor` the position from which
   * reading can go on: it is told to subscribers before anything after it. Default false.
   */
  readonly truncated?: boolean;
  /** When the upstream wants to be asked again, in milliseconds. Default: the event type's `nextPollMs`. */
  readonly nextPollMs?: number;
}

/** For whom the upstream is asked. Subscribers with equal principal, access token and arguments share one call. */
export interface CheckContext {
  /** `undefined` of anonymous callers. */
  readonly principal: string | undefined;
  /** Authentication of the subscribers this call is for: of the request for a poll, of the stream for push. */
  readonly authInfo: AuthInfo | undefined;
  /** Aborted when the call takes longer than the server's time limit. */
  readonly signal: AbortSignal;
  /** About how many events are useful. Returning more loses nothing. */
  readonly limit: number;
  /**
   * Older events are not wanted and not delivered. A source that can seek by time may go there at once (CUR-15); it then
   * answers with `truncated` and that position, because leaving events out unsaid would break the count of those seen.
   */
  readonly notBefore: Date | undefined;
}

/**
 * Looks for events upstream after `cursor`; `null` asks for the position now. Cursors come back from clients, who may
 * send anything: treat them as untrusted input. Throw to report a failure: it is told to subscribers and tried again.
 */
export type Check<Args = Arguments, Payload = Readonly<Record<string, unknown>>> = (
  context: CheckContext,
  args: Args,
  cursor: string | null,
) => MaybePromise<CheckResult<Payload>>;

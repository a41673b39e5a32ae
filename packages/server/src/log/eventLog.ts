import type { FeedEvent } from '../occurrence/feedEvent.ts';
import type { MaybePromise } from '../maybePromise.ts';

/** How much of one event type's past a log keeps. The first bound reached removes the oldest events. */
export interface Retention {
  /** Age since the event was appended. Default 10 minutes. */
  readonly maxAgeMs: number;
  /** Number of events. Default 10,000. */
  readonly maxCount: number;
  /** Serialised size of all events together. Default 64 MiB. */
  readonly maxBytes: number;
}

/** The example of the standard's appendix (EMIT-08), with a byte bound so that large payloads cannot fill memory. */
export const defaultRetention: Retention = { maxAgeMs: 600_000, maxCount: 10_000, maxBytes: 64 * 1024 * 1024 };

/**
 * The past of one event type. Positions count from 1 and have no holes; `append` settles in the order of the
 * positions it gave. `await append()` means: as durable as this log is.
 */
export interface EventLog {
  /** Names the run whose positions these are. A log that lost its past must have a new one (EMIT-09). */
  readonly epoch: string;
  /** Position of the newest event, 0 when there never was one. */
  readonly head: number;
  /** Position of the oldest event still readable; `head + 1` when there is none. */
  readonly oldest: number;
  /** Sets `event.position`. `byteLength` is the event's serialised size, for retention. */
  append(event: FeedEvent, byteLength: number): MaybePromise<void>;
  /**
   * Leaves out one position and forgets everything before it: events are known to be missing there, so every cursor
   * handed out so far has to be found too old.
   */
  skip(): MaybePromise<void>;
  /** An event still readable under this id. */
  find(eventId: string): MaybePromise<FeedEvent | undefined>;
  /** Events after `position`, oldest first; from {@link oldest} if `position` is before it. */
  read(position: number, limit: number): MaybePromise<readonly FeedEvent[]>;
  /** The last position at or after `position` that has only events older than `notBeforeMs` behind it. */
  seek(position: number, notBeforeMs: number): MaybePromise<number>;
  close(): MaybePromise<void>;
}

/** Opens the log of an event type. The seam for durable storage. */
export interface EventStorage {
  openLog(name: string, retention: Retention): EventLog;
}

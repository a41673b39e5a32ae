import type { FeedEvent, FeedRecord } from '../occurrence/feedEvent.ts';
import type { Gap } from '../occurrence/gap.ts';
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

/** A fact that is stored together with an event: both or neither. */
export interface Note {
  readonly key: string;
  readonly value: string;
}

/** What a log is told about an event that it is to store. */
export interface AppendOptions {
  /** Serialised size of the event, for retention. */
  readonly byteLength: number;
  /** The author named the event: if one of this id is readable, or being appended, that one is the answer instead. */
  readonly unique?: boolean | undefined;
  /** Stored with the event, or with the answer that it is there already. */
  readonly note?: Note | undefined;
  /** Whether the one that is there already is this event. If it says no, the note is not stored. Default: it is. */
  readonly isSame?: ((retained: FeedEvent) => boolean) | undefined;
}

/** A past that a log was restored from: it goes on from there, under an epoch of its own. */
export interface AncestorEpoch {
  readonly epoch: string;
  /** Its newest event that the log has as well, at the same position. */
  readonly head: number;
}

/**
 * The past of one event type. Positions count from 1 and have no holes. Appends enter the log, and settle, in the order
 * of the calls; `await append()` means: as durable as this log is. What cannot be stored leaves no trace: its position
 * goes to the next event, and the rejection says what the operator can do about it.
 */
export interface EventLog {
  /**
   * Names the past that positions count in. A log that lost its past must have a new one (EMIT-09), so it changes with
   * {@link clear}. Letters, digits, `_` and `-`.
   */
  readonly epoch: string;
  /**
   * Epochs that this one goes on from, as after a restore from a backup: cursors of theirs up to `head` are as good as its
   * own, and who has one beyond has seen everything up to there. Default: none.
   */
  readonly ancestors?: readonly AncestorEpoch[];
  /** Position of the newest event that is stored, 0 when there never was one. */
  readonly head: number;
  /** Position of the oldest event still readable; `head + 1` when there is none. */
  readonly oldest: number;
  /** Stores the event and sets its `position`. Resolves with it, or with the one that was there already. */
  append(event: FeedEvent, options: AppendOptions): MaybePromise<FeedEvent>;
  /**
   * Stores that events are missing here. The gap takes one position, in the order of the calls with `append`, and is
   * retained like an event.
   */
  skip(): MaybePromise<Gap>;
  /**
   * Events after `position`, oldest first; from {@link oldest} if `position` is before it. At least one if there is any,
   * and fewer than `limit` where they are large. Where an event cannot be given back as it was appended, because what was
   * stored is damaged, a gap with the cause stands in its place: one position must not hold up what follows. That the payload
   * is a JSON object is for the engine to check: its text is sent as it is where nobody has to read it.
   */
  read(position: number, limit: number): MaybePromise<readonly FeedRecord[]>;
  /**
   * The last position at or after `position` that has only events older than `notBeforeMs` behind it (CUR-08). It may be
   * earlier, never later, where events do not happen in the order they are appended.
   */
  seek(position: number, notBeforeMs: number): MaybePromise<number>;
  /**
   * Forgets everything and begins anew, in a new epoch, with position 1: what there was is of another form. Reading and
   * appending see that at once; it resolves when it is stored.
   */
  clear(): MaybePromise<void>;
  /** No more calls follow, though reads that were begun may still be waiting. What is stored stays. */
  close(): MaybePromise<void>;
}

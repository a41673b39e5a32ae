import type { LastError } from '@mcp-events/protocol';
import type { MaybePromise } from '../maybePromise.ts';

/** An event that was given up after its last attempt (DELIV-08), with all that is needed to deliver it again. Plain JSON. */
export interface StoredDeadLetter {
  /** Of the webhook subscription that did not get it. */
  readonly subscriptionId: string;
  /** Whose subscription it was. */
  readonly principal: string;
  /** Name of the event type. */
  readonly name: string;
  readonly eventId: string;
  /** ISO 8601: when the event happened. */
  readonly timestamp: string;
  /** The payload as JSON, as this subscription was to get it. */
  readonly dataJson: string;
  /** Metadata of the event, without its order information. */
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
  /** Position after the event; `null` where there are none. */
  readonly cursor: string | null;
  /** How many were made. */
  readonly attempts: number;
  /** Why the last attempt failed. */
  readonly reason: LastError;
  /** ISO 8601. */
  readonly abandonedAt: string;
}

/** Which dead letters an operation concerns; absent members do not restrict. */
export interface DeadLetterFilter {
  /** That one letter. */
  readonly number?: number | undefined;
  readonly subscriptionId?: string | undefined;
  readonly principal?: string | undefined;
  /** Of the event type. */
  readonly name?: string | undefined;
  readonly eventId?: string | undefined;
}

/** Which part of what is found is wanted: the whole of it may be tens of megabytes. */
export interface DeadLetterPage {
  /** Letters of a greater number. Default: from the first. */
  readonly after?: number | undefined;
  /** How many at most. Default: all. */
  readonly limit?: number | undefined;
}

/** What every engine keeps at most; beyond it the oldest letters are forgotten. */
export const deadLetterBounds: {
  readonly maxCount: number;
  /** Of `dataJson`, and of `_meta` as JSON, in UTF-16 units or bytes, all letters together. */
  readonly maxBytes: number;
  /** So that one dead endpoint cannot push out everybody else's. */
  readonly maxCountPerSubscription: number;
} = { maxCount: 10_000, maxBytes: 64 * 1024 * 1024, maxCountPerSubscription: 1_000 };

/** Keeps events that were given up. Letters are numbered from 1 in the order of `add`, and a number is never used again. */
export interface DeadLetterStore {
  /** Keeps a letter, under the next number. */
  add(letter: StoredDeadLetter): MaybePromise<void>;
  /**
   * Oldest first. One that is damaged is given back as what can be read of it, at least its number: whoever asked reports it,
   * and the others are fine.
   */
  find(
    filter: DeadLetterFilter,
    page?: DeadLetterPage,
  ): MaybePromise<readonly (StoredDeadLetter & { readonly number: number })[]>;
  /** An unknown number is no error. */
  delete(number: number): MaybePromise<void>;
}

import type { MaybePromise } from '../maybePromise.ts';
import type { DeadLetterStore } from './deadLetterStore.ts';
import type { EventLog, Note, Retention } from './eventLog.ts';
import type { SubscriptionStore } from './subscriptionStore.ts';

/**
 * Everything a server remembers, behind one object, so that one decision says what survives a restart. An engine is
 * opened before it is given to {@link Events}, which closes it. It belongs to one server at a time.
 *
 * Calls may be answered at once or later. Whatever was answered survives what the engine promises to survive, and what
 * was not answered may have been stored or not.
 */
export interface Storage {
  /**
   * Whether what is stored survives the process. Long and endless grants, and the return of webhook subscriptions, are
   * promised on it (TTL-10, TTL-11, TTL-12).
   */
  readonly durable: boolean;
  /** The log of an event type as it was left, or an empty one. One log of a name is open at a time. */
  openLog(name: string, retention: Retention): EventLog;
  /** Webhook subscriptions, which come back after a restart where this is {@link durable}. */
  readonly subscriptions: SubscriptionStore;
  /** Events that were given up. */
  readonly deadLetters: DeadLetterStore;
  /** Facts that the server keeps about itself. */
  readonly notes: Notes;
  /** Resolves when everything that was asked for is stored, or has failed. */
  close(): MaybePromise<void>;
}

/**
 * Small facts by key that the server keeps about itself, such as the schemas of its event types. Few enough to be in
 * memory, so reading answers at once.
 */
export interface Notes {
  /** `undefined` for an unknown key. */
  get(key: string): string | undefined;
  /** Adds or replaces. */
  set(note: Note): MaybePromise<void>;
  /** An unknown key is no error. */
  delete(key: string): MaybePromise<void>;
}

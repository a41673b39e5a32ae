import { type Check, checkMembers, func, having, numberOf, wrongValue } from '@mcp-events/protocol/options';
import type { Gap } from '../subscription/eventBuffer.ts';
import type { ReceivedEvent } from '../subscription/receivedEvent.ts';
import type { Inbox, ParkedEvent } from './inbox.ts';

/** What a handler gets beside the event. */
export interface HandlerContext<Db, P = undefined> {
  /** The application's database, in a transaction that also stores the position: write with it, leave the transaction alone. */
  db: Db;
  /** 1 for the first attempt to handle the event. Those that ended with the process count too. */
  attempt: number;
  /** What `prepare` resolved with. */
  prepared: P;
}

/** What a handler may return: anything but a promise, so that an asynchronous one does not compile. It is ignored. */
export type HandlerResult =
  | void
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | symbol
  | (object & { then?: never });

/**
 * Handles one event: synchronously, within the transaction that stores the position after it. Whatever it throws undoes
 * the transaction, and it is called again later.
 *
 * Not asynchronous, because a SQLite connection has one transaction at a time: what other code of the application writes
 * while a handler waits would become part of it, and be undone with it. What has to wait is for `prepare`.
 */
export type EventHandler<T, Db, P = undefined> = (
  event: ReceivedEvent<T>,
  context: HandlerContext<Db, P>,
) => HandlerResult;

/** A handler that has to wait for something first. */
export interface PreparedHandler<T, Db, P> {
  /**
   * Called before the transaction, once for each attempt; what it resolves with is handed to `handle`. A crash repeats it,
   * so it should only read. The signal aborts when the subscription is stopped.
   */
  prepare: (event: ReceivedEvent<T>, context: { attempt: number; signal: AbortSignal }) => P | Promise<P>;
  /** Called in the transaction, with what `prepare` resolved with. */
  handle: EventHandler<T, Db, P>;
}

/** Options of `Subscription.process()`. */
export interface ProcessOptions<Db> {
  /** Where the position, attempts and parked events are kept, in place of the client's `store`. */
  inbox: Inbox<Db>;
  /**
   * Events may be missing at this place in the order (CUR-13). Called like a handler, in the transaction that stores the
   * position after the gap: once, or again after a crash if the gap has no position of its own (`gap.cursor` null). Also for a
   * gap that was found before `process()` was called, unless `subscribe()` was given an `onGap`, which was told of it then.
   */
  onGap?: (gap: Gap, context: { db: Db }) => HandlerResult;
  /** Attempts to handle an event before it is parked, those that ended with the process among them; Infinity never parks one. Default 5. */
  maxAttempts?: number;
  /** An event was parked, and those behind it go on. */
  onParked?: (parked: Omit<ParkedEvent, 'id'>) => void;
}

const inbox: Check = having(
  ['load', 'save', 'delete', 'list', 'countAttempt', 'commit', 'takeRetry', 'onRetry'],
  'an inbox, such as sqliteInbox(db) makes',
);

/** @throws TypeError that names the argument or option, what it may be and what was given */
export function assertProcessing(handler: unknown, options: unknown): void {
  if (typeof handler === 'object' && handler !== null) {
    checkMembers<PreparedHandler<never, never, never>>(handler, { prepare: func, handle: func }, 'the handler');
  }
  const { prepare, handle } = (handler ?? {}) as Partial<PreparedHandler<never, never, never>>;
  if (typeof handler !== 'function' && (prepare === undefined || handle === undefined)) {
    throw wrongValue('the handler', 'a function, or an object of the functions prepare and handle', handler);
  }
  const checks = { inbox, onGap: func, maxAttempts: numberOf({ least: 1, unlimited: true }), onParked: func };
  checkMembers<Required<ProcessOptions<never>>>(options, checks, 'the options of process()');
  inbox((options as Partial<ProcessOptions<never>>).inbox, 'inbox');
}

import { backoffMs } from '../backoff.ts';
import { sleep } from '../clock.ts';
import { asError, EventsClientError, shortened } from '../errors.ts';
import type { BufferItem, EventBuffer, EventItem, Gap } from '../subscription/eventBuffer.ts';
import type { KeptPosition } from '../subscription/keptPosition.ts';
import { acknowledged, moved } from '../subscription/position.ts';
import type { ReceivedEvent } from '../subscription/receivedEvent.ts';
import { isPromise, untilAborted } from '../untilAborted.ts';
import type { Inbox, InboxCommit, ParkedEvent } from './inbox.ts';
import type { PreparedHandler, ProcessOptions } from './processOptions.ts';
import { FATAL, hasCode, untilStored, type Waits } from './untilStored.ts';

/** What a processor works on: the reader's side of one subscription. */
export interface ProcessedSubscription {
  readonly key: string;
  readonly name: string;
  readonly buffer: EventBuffer;
  /** How far everything is handled. */
  readonly position: KeptPosition;
  /** Aborts when the subscription is stopped. */
  readonly stopped: AbortSignal;
  /** Whether there is a filter, which {@link isWanted} asks. */
  readonly filters: boolean;
  /** Whether the application wants the event (AUTH-07). */
  isWanted(event: ReceivedEvent): Promise<boolean>;
  /** The event as one call of the handler gets it. */
  handed(event: ReceivedEvent): ReceivedEvent;
  tellGap(gap: Gap): Promise<void>;
  /** A failure after which processing goes on. */
  fail(error: Error): void;
  /** Calls back the application. */
  tell(callback: () => void): void;
  /** Resolves with the next arrival, a wake-up, or the end. */
  arrival(): Promise<void>;
  wake(): void;
  /** What the server ended the subscription with; to be thrown when everything before it is handled. */
  ending(): Error | undefined;
}

const DEFAULT_MAX_ATTEMPTS = 5;

/** Of the reason that is stored with a parked event. */
const MAX_REASON_LENGTH = 2_000;

/** A handler with or without something to wait for. */
type ProcessedBy<Db, P> = Pick<PreparedHandler<never, Db, P>, 'handle'> & Partial<PreparedHandler<never, Db, P>>;

/** An attempt that the handler or the event, and not the database, made fail. */
class HandlerFailure {
  readonly error: Error;
  constructor(thrown: unknown) {
    this.error = asError(thrown);
  }
}

/**
 * Hands a subscription's events one by one to a handler, each in a transaction with the position after it.
 *
 * Invariant: the position in memory, and what waits behind an event, move on only after its transaction was committed.
 */
export class Processor<Db, P> {
  readonly #subscription: ProcessedSubscription;
  readonly #handler: ProcessedBy<Db, P>;
  readonly #options: ProcessOptions<Db>;
  readonly #inbox: Inbox<Db>;
  readonly #waits: Waits;
  readonly #maxAttempts: number;
  /** An event that comes next, and the attempt that is counted for it already. */
  #begun: { eventId: string; attempt: number } | undefined;

  constructor(
    subscription: ProcessedSubscription,
    handler: ProcessedBy<Db, P>,
    options: ProcessOptions<Db>,
    waits: Waits,
  ) {
    const { maxAttempts = DEFAULT_MAX_ATTEMPTS } = options;
    this.#maxAttempts = maxAttempts;
    assertNotAsync(handler.handle);
    assertNotAsync(options.onGap);
    this.#subscription = subscription;
    this.#handler = handler;
    this.#options = options;
    this.#inbox = options.inbox;
    this.#waits = waits;
  }

  /** Resolves when the subscription was stopped; throws what ends processing. */
  async run(): Promise<void> {
    const { stopped } = this.#subscription;
    const unwatch = this.#inbox.onRetry(() => this.#subscription.wake());
    try {
      while (!stopped.aborted) await this.#step();
    } finally {
      unwatch();
      if (this.#begun !== undefined) await this.#takeBack(this.#begun.eventId);
    }
  }

  async #step(): Promise<void> {
    const { key, buffer, stopped } = this.#subscription;
    const parked = await this.#untilStored(() => this.#inbox.takeRetry(key));
    if (stopped.aborted) return;
    if (parked !== undefined) {
      await this.#retry(parked);
      return;
    }
    // What takes effect stays in its place until it has, and nothing that arrives meanwhile is merged into it.
    const item = buffer.claim();
    if (item === undefined) await this.#idle();
    else if (item.kind === 'event') await this.#event(item);
    else if (item.kind === 'gap') await this.#gap(item);
    else {
      buffer.shift();
      this.#move(item);
    }
  }

  /** Nothing is left to handle. */
  async #idle(): Promise<void> {
    const { buffer, position, stopped } = this.#subscription;
    await this.#untilStored(() => position.save());
    if (buffer.peek() !== undefined || stopped.aborted) return;
    const ending = this.#subscription.ending();
    if (ending !== undefined) throw ending;
    await this.#subscription.arrival();
  }

  async #event(item: EventItem): Promise<void> {
    const { key, buffer, position, stopped } = this.#subscription;
    const { event, eventId } = item;
    const wanted = await this.#subscription.isWanted(event);
    if (stopped.aborted) return;
    const after = acknowledged(position.current, item);
    if (wanted) {
      // Where no position is stored, a crash would begin from now again, and lose this event.
      if (position.storedCursor === null) await this.#untilStored(() => position.save());
      if (!(await this.#attempts(event, eventId, { key, eventId, record: after.record }))) return;
      position.committed(after);
    } else position.move(after);
    buffer.shift();
  }

  /** Whether the event is done with, handled or parked; it is not if the subscription was stopped before. */
  async #attempts(event: ReceivedEvent, eventId: string, change: InboxCommit): Promise<boolean> {
    const maxAttempts = this.#maxAttempts;
    const { stopped } = this.#subscription;
    let reason = 'The process ended during the last attempt.';
    for (;;) {
      const attempt = await this.#begin(eventId);
      if (attempt === undefined) return false;
      if (attempt > maxAttempts) return this.#park(event, change, attempt - 1, reason);
      const outcome = await this.#attempt(event, attempt, change);
      if (outcome === 'done') return true;
      if (outcome === 'stopped') {
        await this.#takeBack(eventId);
        return false;
      }
      reason = outcome.error.message;
      this.#tellFailure(event, attempt, outcome.error);
      if (attempt >= maxAttempts) return this.#park(event, change, attempt, reason);
      await this.#backOff(attempt - 1);
      if (stopped.aborted) return false;
    }
  }

  /** Counts the next attempt, unless that was done ahead. */
  async #begin(eventId: string): Promise<number | undefined> {
    const begun = this.#begun;
    this.#begun = undefined;
    if (begun?.eventId === eventId) return begun.attempt;
    return this.#untilStored(() => this.#inbox.countAttempt(this.#subscription.key, eventId, 1));
  }

  /** A stop says nothing about the event. Should this fail, one attempt fewer is made after all. */
  async #takeBack(eventId: string): Promise<void> {
    await this.#inbox.countAttempt(this.#subscription.key, eventId, -1).catch(() => {});
  }

  /** One attempt, repeated for as long as only the database fails. */
  async #attempt(
    event: ReceivedEvent,
    attempt: number,
    change: InboxCommit,
  ): Promise<'done' | 'stopped' | HandlerFailure> {
    const { stopped } = this.#subscription;
    const { handle, prepare } = this.#handler;
    let handed = event;
    let prepared = undefined as P;
    try {
      if (prepare !== undefined) {
        handed = this.#subscription.handed(event);
        const preparing = prepare.call(this.#handler, handed as never, { attempt, signal: stopped });
        // Also where the application does not listen to the signal.
        prepared = isPromise(preparing) ? await untilAborted(preparing, stopped) : preparing;
      }
    } catch (error) {
      return stopped.aborted ? 'stopped' : new HandlerFailure(error);
    }
    // Each call gets its own: a transaction that is undone undoes nothing in the event.
    const outcome = await this.#commit(change, (db) =>
      handle.call(this.#handler, this.#subscription.handed(handed) as never, { db, attempt, prepared }),
    );
    return outcome ?? 'stopped';
  }

  async #park(event: ReceivedEvent, change: InboxCommit, attempts: number, reason: string): Promise<boolean> {
    const { key, name } = this.#subscription;
    const parkedAtMs = this.#waits.clock.now();
    let park = { event, reason: shortenedReason(reason), attempts, parkedAtMs };
    let outcome = await this.#commit({ ...change, key, park });
    if (outcome instanceof HandlerFailure) {
      // What cannot be stored must not stop what comes behind it: its id tells which one it was.
      const { _meta, ...rest } = event;
      const why = shortenedReason(`${reason} (its data could not be stored: ${outcome.error.message})`);
      park = { ...park, event: { ...rest, data: {} }, reason: why };
      outcome = await this.#commit({ ...change, key, park });
    }
    if (outcome === undefined) return false;
    if (outcome instanceof HandlerFailure) throw outcome.error;
    this.#subscription.tell(() => this.#options.onParked?.({ name, ...park }));
    return true;
  }

  /** A parked event gets one more attempt, out of its order. */
  async #retry({ id, event, attempts }: ParkedEvent): Promise<void> {
    const { key } = this.#subscription;
    const outcome = await this.#attempt(event, attempts, { key, unpark: id });
    if (!(outcome instanceof HandlerFailure)) return;
    this.#tellFailure(event, attempts, outcome.error);
    await this.#park(event, { key }, attempts, outcome.error.message);
  }

  async #gap(item: BufferItem & { kind: 'gap' }): Promise<void> {
    const maxAttempts = this.#maxAttempts;
    const { onGap } = this.#options;
    const { key, buffer, position, stopped } = this.#subscription;
    await this.#subscription.tellGap(item.gap);
    if (stopped.aborted) return;
    if (onGap === undefined) {
      buffer.shift();
      this.#move(item);
      return;
    }
    const after = item.cursor === null ? position.current : moved(position.current, item.cursor, item.seen);
    for (let attempt = 1; !stopped.aborted; attempt += 1) {
      const outcome = await this.#commit({ key, record: after.record }, (db) => onGap(item.gap, { db }));
      if (outcome === undefined) return;
      if (outcome === 'done') {
        buffer.shift();
        position.committed(after);
        return;
      }
      // It cannot be put aside like an event: what is missing would be forgotten.
      if (attempt >= maxAttempts) throw outcome.error;
      this.#subscription.fail(outcome.error);
      await this.#backOff(attempt - 1);
    }
  }

  #move({ cursor, seen }: Exclude<BufferItem, EventItem>): void {
    const { position } = this.#subscription;
    if (cursor !== null) position.move(moved(position.current, cursor, seen));
  }

  /** Commits in spite of a failing database; undefined if the subscription was stopped before. */
  async #commit(change: InboxCommit, apply?: (db: Db) => unknown): Promise<'done' | HandlerFailure | undefined> {
    const { position } = this.#subscription;
    const step = async (): Promise<'done' | HandlerFailure> => {
      const watched = (db: Db): void => assertSynchronous(apply?.(db));
      const begin = change.eventId === undefined ? undefined : this.#second();
      try {
        const attempt = await position.track(this.#inbox.commit({ ...change, begin }, apply && watched));
        if (begin !== undefined && attempt !== undefined) this.#begun = { eventId: begin, attempt };
        return 'done';
      } catch (error) {
        // The database may fail under the handler's own writes too. What else is thrown is the event's doing, or that of
        // the handler, and would be thrown again however often it is repeated.
        if (hasCode(error, ['STORE_UNAVAILABLE', ...FATAL])) throw error;
        return new HandlerFailure(error);
      }
    };
    return this.#untilStored(step);
  }

  /** The event behind the present one, if it will be handled next. */
  #second(): string | undefined {
    const item = this.#subscription.filters ? undefined : this.#subscription.buffer.peekSecond();
    return item?.kind === 'event' ? item.eventId : undefined;
  }

  #untilStored<R>(step: () => Promise<R>): Promise<R | undefined> {
    return untilStored(step, this.#subscription, this.#waits);
  }

  #tellFailure({ eventId }: ReceivedEvent, attempt: number, error: Error): void {
    const message = `Attempt ${attempt} to handle event "${shortened(eventId)}" of "${this.#subscription.name}" failed: ${error.message}`;
    this.#subscription.fail(new EventsClientError('HANDLER_FAILED', message, { cause: error }));
  }

  #backOff(attempt: number): Promise<void> {
    const { clock, backoff, random } = this.#waits;
    return sleep(clock, backoffMs(attempt, backoff, random), this.#subscription.stopped);
  }
}

function shortenedReason(reason: string): string {
  return reason.length <= MAX_REASON_LENGTH ? reason : `${reason.slice(0, MAX_REASON_LENGTH - 1)}…`;
}

/** Refused before it is called: what it does after its first wait cannot be undone. */
function assertNotAsync(handler: unknown): void {
  if (typeof handler === 'function' && handler.constructor.name === 'AsyncFunction') throw asynchronous();
}

/** A handler that goes on after it returned would write outside of the transaction. */
function assertSynchronous(result: unknown): void {
  if (!isPromise(result)) return;
  result.then(undefined, () => {});
  throw asynchronous();
}

function asynchronous(): EventsClientError {
  return new EventsClientError(
    'HANDLER_MISUSED',
    'A handler is asynchronous, and what it wrote was undone: it must return before anything is awaited. Do what has to be awaited in "prepare".',
  );
}

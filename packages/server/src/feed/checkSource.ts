import { EventsError, isEventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { withTimeLimit } from '../timeLimit.ts';
import { isPromise } from '../maybePromise.ts';
import type { Check, CheckResult } from './check.ts';
import { decodeCheckCursor, encodeCheckCursor } from './checkCursor.ts';
import type { CheckCursor } from './checkCursor.ts';
import { checkedPage } from './checkedPage.ts';
import { readCheckResult } from './checkedResult.ts';
import type { AskedPosition, CheckedResult } from './checkedResult.ts';
import type { Attachment, FeedPage, FeedReceiver, ReadOptions } from './feed.ts';
import { passOver } from './passOver.ts';
import { SharedCalls } from './sharedCalls.ts';

export interface CheckSourceOptions {
  readonly name: string;
  readonly check: Check;
  /** Read for each wait, because an additive change of the event type may alter it. */
  readonly nextPollMs: () => number;
  /** A check that takes longer counts as failed. */
  readonly timeLimitMs: number;
  readonly clock: Clock;
  /** Throws what is wrong with a payload. */
  readonly validate: (data: unknown) => void;
  readonly report: (error: unknown) => void;
  readonly maxPayloadBytes: number;
  /** The id under which an upstream's id is known here. */
  readonly eventIdOf: (authored: string) => string;
}

/** How many events a check is asked for when it feeds streams. */
const LOOP_LIMIT = 256;

/**
 * How far a cursor may raise the limit of a check. The count comes back from clients, who may name any: without a bound
 * one of them could make an author read a whole table.
 */
const MAX_SKIP_ASKED = 100_000;

/** Failing checks are retried at growing intervals up to this. */
const LONGEST_RETRY_MS = 300_000;

/** Receivers at the same cursor, fed by one loop of checks. */
interface Loop {
  cursor: string;
  readonly receivers: Set<LoopAttachment>;
  failures: number;
  /** Set while the loop waits for its next check. */
  continue: (() => void) | undefined;
  /** Asked for while a check was in progress, which may have looked too early. */
  checkAgain: boolean;
}

class LoopAttachment implements Attachment {
  readonly receiver: FeedReceiver;
  loop: Loop;
  readonly #release: (attachment: LoopAttachment) => void;

  constructor(receiver: FeedReceiver, loop: Loop, release: (attachment: LoopAttachment) => void) {
    this.receiver = receiver;
    this.loop = loop;
    this.#release = release;
  }

  cursor(): string {
    return this.loop.cursor;
  }

  detach(): void {
    this.#release(this);
  }
}

/**
 * The upstream as seen by one principal with one set of arguments. Reads call `check` directly; attached receivers
 * share a loop of checks with everyone at the same cursor (EMIT-10). Loops that meet at a cursor become one.
 */
export class CheckSource {
  readonly #options: CheckSourceOptions;
  readonly #onIdle: () => void;
  readonly #loops = new Set<Loop>();
  readonly #calls = new SharedCalls<CheckedResult>();
  #pending = 0;

  constructor(options: CheckSourceOptions, onIdle: () => void) {
    this.#options = options;
    this.#onIdle = onIdle;
  }

  async now(subscription: SubscriptionDetails): Promise<FeedPage> {
    const result = await this.#check(subscription, { upstream: null, skip: 0 }, { limit: 1 });
    const cursor = encodeCheckCursor({ upstream: result.cursor, skip: 0 });
    return { records: [], from: cursor, cursor, truncated: false, hasMore: false, nextPollMs: result.nextPollMs };
  }

  async read(subscription: SubscriptionDetails, cursor: string, options: ReadOptions): Promise<FeedPage> {
    const position = decodeCheckCursor(cursor);
    if (position === undefined) return { ...(await this.now(subscription)), truncated: true };
    return this.#page(subscription, position, options);
  }

  attach(receiver: FeedReceiver, cursor: string): Attachment | undefined {
    if (decodeCheckCursor(cursor) === undefined) return undefined;
    let loop = [...this.#loops].find((candidate) => candidate.cursor === cursor);
    const created = loop === undefined;
    loop ??= { cursor, receivers: new Set(), failures: 0, continue: undefined, checkAgain: false };
    const attachment = new LoopAttachment(receiver, loop, (leaving) => this.#release(leaving));
    loop.receivers.add(attachment);
    if (created) {
      this.#loops.add(loop);
      void this.#run(loop);
    }
    return attachment;
  }

  wake(): void {
    for (const loop of this.#loops) {
      if (loop.continue === undefined) loop.checkAgain = true;
      else loop.continue();
    }
  }

  close(): void {
    for (const loop of this.#loops) {
      loop.receivers.clear();
      loop.continue?.();
    }
  }

  #release(attachment: LoopAttachment): void {
    attachment.loop.receivers.delete(attachment);
    if (attachment.loop.receivers.size === 0) attachment.loop.continue?.();
  }

  async #run(loop: Loop): Promise<void> {
    const first = (): FeedReceiver | undefined => [...loop.receivers][0]?.receiver;
    let receiver: FeedReceiver | undefined;
    while ((receiver = first()) !== undefined) {
      loop.checkAgain = false;
      const waitMs = await this.#step(loop, receiver.subscription);
      if (loop.receivers.size === 0) break;
      // Also who is told of something new from within its check leaves others their turn.
      if (waitMs === 0 || loop.checkAgain)
        await new Promise<void>((resolve) => this.#options.clock.setImmediate(resolve));
      else {
        if (this.#merge(loop)) return;
        await this.#wait(loop, waitMs);
      }
    }
    this.#loops.delete(loop);
    this.#checkIdle();
  }

  /**
   * One check and its distribution; how long to wait for the next. Distribution has no await, so nobody can join or ask
   * for a cursor in the middle of it.
   */
  async #step(loop: Loop, subscription: SubscriptionDetails): Promise<number> {
    const cursorBefore = loop.cursor;
    let page: FeedPage;
    try {
      page = await this.#page(subscription, decodeCheckCursor(cursorBefore) as CheckCursor, { limit: LOOP_LIMIT });
    } catch (error) {
      loop.failures++;
      for (const { receiver } of loop.receivers) receiver.fail(error as EventsError);
      return Math.min(this.#options.nextPollMs() * 2 ** Math.min(loop.failures, 20), LONGEST_RETRY_MS);
    }
    loop.failures = 0;
    if (page.truncated) {
      for (const { receiver } of loop.receivers) receiver.lose(page.from);
      loop.cursor = page.from as string;
    }
    for (const record of page.records) {
      for (const { receiver } of loop.receivers) {
        if (record.kind === 'event') receiver.receive(record);
        else passOver(receiver, record);
      }
      loop.cursor = record.cursor as string;
    }
    loop.cursor = page.cursor as string;
    // An upstream that says "more" without moving would otherwise be asked in a tight loop.
    if (page.hasMore && loop.cursor !== cursorBefore) return 0;
    return Math.max(1, page.nextPollMs ?? this.#options.nextPollMs());
  }

  /** Joins another loop at the same cursor. */
  #merge(loop: Loop): boolean {
    for (const other of this.#loops) {
      if (other === loop || other.cursor !== loop.cursor) continue;
      for (const attachment of loop.receivers) {
        attachment.loop = other;
        other.receivers.add(attachment);
      }
      loop.receivers.clear();
      this.#loops.delete(loop);
      return true;
    }
    return false;
  }

  async #wait(loop: Loop, waitMs: number): Promise<void> {
    const { clock } = this.#options;
    let timer: unknown;
    await new Promise<void>((resolve) => {
      loop.continue = resolve;
      timer = clock.setTimeout(resolve, waitMs);
    });
    loop.continue = undefined;
    clock.clearTimeout(timer);
  }

  async #page(subscription: SubscriptionDetails, position: CheckCursor, options: ReadOptions): Promise<FeedPage> {
    const result = await this.#check(subscription, position, options);
    return checkedPage(position, result, options, this.#options.report);
  }

  /** Calls the author's `check`, sharing calls where the answer is the same for everyone. */
  async #check(
    subscription: SubscriptionDetails,
    position: AskedPosition,
    options: ReadOptions,
  ): Promise<CheckedResult> {
    const key = JSON.stringify([position.upstream, position.skip, options.limit, options.notBeforeMs ?? null]);
    this.#pending++;
    try {
      return await this.#calls.get(key, () => this.#call(subscription, position, options));
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.#pending--;
      this.#checkIdle();
    }
  }

  async #call(
    subscription: SubscriptionDetails,
    position: AskedPosition,
    options: ReadOptions,
  ): Promise<CheckedResult> {
    const { notBeforeMs } = options;
    // Room for what is skipped: otherwise a small limit could never get past a long page.
    const limit = Math.min(position.skip, MAX_SKIP_ASKED) + options.limit;
    const { check, clock, name, timeLimitMs } = this.#options;
    const abort = new AbortController();
    const { principal, context } = subscription;
    const notBefore = notBeforeMs === undefined ? undefined : new Date(notBeforeMs);
    const checkContext = { principal, authInfo: context.authInfo, signal: abort.signal, limit, notBefore };
    try {
      const call = async (): Promise<CheckedResult> => {
        const answer = check(checkContext, subscription.arguments, position.upstream);
        // Read in the moment it is there: an author may keep it, and go on with it.
        const read = (result: CheckResult): CheckedResult => readCheckResult(this.#options, position, result, options);
        return isPromise(answer) ? Promise.resolve(answer).then(read) : read(answer);
      };
      return await withTimeLimit(clock, timeLimitMs, `check of ${name}`, call());
    } finally {
      abort.abort();
    }
  }

  /** What subscribers may know of a failure: nothing of the author's error unless it was meant for them. */
  #failure(error: unknown): EventsError {
    if (isEventsError(error)) return error;
    this.#options.report(error);
    const message = `The source of ${this.#options.name} could not be read; the request can be repeated`;
    return new EventsError('InternalError', message, { cause: error });
  }

  #checkIdle(): void {
    if (this.#loops.size === 0 && this.#pending === 0) this.#onIdle();
  }
}

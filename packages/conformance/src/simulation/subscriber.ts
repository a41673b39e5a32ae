import { dataHash } from '../history/dataHash.ts';
import type { BegunFact, Fact } from '../history/facts.ts';
import type { Network } from './network.ts';
import { NoAnswer } from './network.ts';
import type { Random } from './random.ts';
import type { Method } from './serverProcess.ts';
import type { TimeOfDay, VirtualTime } from './virtualTime.ts';

/** What every simulated client works with. */
export interface SubscriberContext {
  readonly time: VirtualTime;
  /** Of the server: grants are given by it. */
  readonly serverTime: TimeOfDay;
  readonly random: Random;
  readonly network: Network;
  /** The events that were answered as stored so far. */
  readonly emittedIds: ReadonlySet<string>;
  readonly record: (fact: Fact) => void;
  /** Something that must not happen and is no matter of the history. */
  readonly complain: (message: string) => void;
  /** Something took place that schedules are to have in them. */
  readonly count: (kind: string) => void;
}

/** What one of them subscribes to. */
export interface Wish {
  readonly subscription: string;
  readonly principal: string;
  readonly type: string;
  readonly arguments: NonNullable<BegunFact['arguments']>;
  /** Wants nothing older, where it goes on from a position (CUR-08). */
  readonly maxAgeMs?: number | undefined;
  /** What it says of order on the wire, and whether it is to get it (ORDER-06). */
  readonly ordered?: { readonly asked: boolean | undefined; readonly granted: boolean } | undefined;
}

/** An event in a message. */
export interface ArrivedEvent {
  readonly eventId: string;
  readonly data?: unknown;
  readonly timestamp?: string;
}

/**
 * A client as the wire sees it, with the least that a client has to do: it keeps the last cursor it received, hands
 * events to its application at once, and knows what it has handed.
 */
export abstract class Subscriber {
  abstract readonly mode: BegunFact['mode'];
  readonly wish: Wish;
  protected readonly context: SubscriberContext;
  protected readonly process: string;
  /** The last cursor received. */
  protected cursor: string | null = null;
  readonly #cursors: string[] = [];
  protected readonly handedIds: Set<string> = new Set();
  /** Of the data that arrived, by event. */
  readonly #hashes = new Map<string, string>();
  /** Events that come again because the client went back to an earlier cursor. */
  #expectedAgain = new Set<string>();
  #requests = 0;
  /** Nothing older may come of what was stored when it asked. */
  #floor: { readonly notBeforeMs: number; readonly storedIds: ReadonlySet<string> } | undefined;
  protected begun = false;

  constructor(wish: Wish, context: SubscriberContext) {
    this.wish = wish;
    this.context = context;
    this.process = `client-${wish.subscription}`;
  }

  /** Does the next thing a client does of itself. */
  abstract act(): void;

  /** Something happens to it. */
  abstract suffer(): void;

  /** Behaves as well as it can from now on, so that everything owed can arrive. */
  abstract recover(): void;

  /** The process is killed and comes back, with a cursor it kept. */
  restart(): void {
    const { random, record } = this.context;
    record({ fact: 'killed', process: this.process, at: this.context.time.nowMs });
    record({ fact: 'started', process: this.process });
    this.begun = false;
    // Any cursor ever received is as good as the last one (G3).
    if (this.#cursors.length > 0 && random.chance(0.3)) {
      this.cursor = random.pick(this.#cursors.slice(-8));
      this.#expectedAgain = new Set(this.handedIds);
    }
  }

  /** What it wants has to arrive within this time, as long as nothing is disturbed. */
  protected get withinMs(): number | undefined {
    return undefined;
  }

  /** How long it may take until what was disturbed is tried again. */
  protected get againWithinMs(): number | undefined {
    return undefined;
  }

  /** Whether what is new may wait with what is tried again. */
  protected get waitsForRetries(): boolean {
    return false;
  }

  /** @param cursor what was asked for; by default what is asked for now */
  protected begin(cursor: string | null = this.cursor): void {
    this.begun = true;
    const { subscription, type, arguments: args, principal } = this.wish;
    const { process, mode, withinMs, againWithinMs, waitsForRetries } = this;
    this.context.record({
      fact: 'begun',
      subscription,
      process,
      type,
      arguments: args,
      mode,
      cursor,
      principal,
      ...(withinMs === undefined ? {} : { withinMs }),
      ...(againWithinMs === undefined ? {} : { againWithinMs }),
      ...(waitsForRetries ? { waitsForRetries } : {}),
      at: this.context.time.nowMs,
    });
  }

  /** Part of a request that begins from the cursor; what is left out for its age is told as a gap. */
  protected maxAge(): { readonly maxAgeMs?: number } {
    const { maxAgeMs, subscription } = this.wish;
    this.#floor = undefined;
    if (maxAgeMs === undefined) return {};
    if (this.cursor !== null) {
      const { serverTime, emittedIds, record, count } = this.context;
      this.#floor = { notBeforeMs: serverTime.nowMs - maxAgeMs, storedIds: new Set(emittedIds) };
      count('composition: age');
      // What cannot be read by time is left out page by page (CUR-15).
      record({ fact: 'lossCause', subscription, why: 'age', isOfEach: true, at: this.context.time.nowMs });
    }
    return { maxAgeMs };
  }

  /** What it has at the server need not be what it asked for last. */
  protected ageIsUnknown(): void {
    this.#floor = undefined;
  }

  #checkAge({ eventId, timestamp }: ArrivedEvent): void {
    const { serverTime, complain } = this.context;
    if (this.#floor === undefined || timestamp === undefined) return;
    const { notBeforeMs, storedIds } = this.#floor;
    // Behind one that is wanted come all that follow it, also those that a clock set back made older.
    if (serverTime.wasSetBack || !storedIds.has(eventId) || Date.parse(timestamp) >= notBeforeMs) return;
    complain(`${this.wish.subscription} was given ${eventId}, which is older than it asked for`);
  }

  protected received(
    message: {
      events?: readonly ArrivedEvent[];
      cursor?: string | null;
      gap?: boolean;
      /** When it came, if it waited since then. */
      arrivedMs?: number | undefined;
      /** It is of an earlier server, or of a subscription that was made anew since. */
      ofEarlier?: boolean;
    },
    note: string,
  ): void {
    const { subscription } = this.wish;
    const { events = [], cursor, gap, arrivedMs, ofEarlier = false } = message;
    for (const event of events) {
      this.#hashes.set(event.eventId, dataHash(event.data));
      this.#checkAge(event);
    }
    // Each page of an upstream that is read may leave out some for their age.
    if (gap === true && this.#floor !== undefined) {
      this.context.record({ fact: 'lossCause', subscription, why: 'age', at: this.context.time.nowMs });
    }
    const hashes = events.map(({ eventId }) => this.#hashes.get(eventId) ?? '');
    this.context.record({
      fact: 'received',
      subscription,
      ...(events.length === 0 ? {} : { events: events.map(({ eventId }) => eventId), hashes }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(gap === true ? { gap } : {}),
      ...(arrivedMs === undefined ? {} : { arrivedMs }),
      ...(ofEarlier ? { ofEarlier } : {}),
      note,
      at: this.context.time.nowMs,
    });
    if (typeof cursor !== 'string') return;
    // A post that was long on its way brings an old one again, from before a gap perhaps. An answer does not.
    if (this.mode === 'webhook' && note !== 'subscribe' && this.#cursors.includes(cursor)) return;
    this.cursor = cursor;
    this.#cursors.push(cursor);
  }

  /** To the application, which keeps it at once. */
  protected hand(eventId: string): void {
    const { subscription } = this.wish;
    if (this.#expectedAgain.delete(eventId)) return;
    this.handedIds.add(eventId);
    const hash = this.#hashes.get(eventId) ?? '';
    this.context.record({ fact: 'handed', subscription, eventId, hash, at: this.context.time.nowMs });
    this.context.record({ fact: 'committed', subscription, eventId });
  }

  protected ended(how: 'asked' | 'told' | 'forgotten', final = false): void {
    const { subscription } = this.wish;
    const { nowMs } = this.context.time;
    this.context.record({ fact: 'ended', subscription, how, atMs: nowMs, ...(final && { final }), at: nowMs });
    this.begun = false;
  }

  /** Something happens to its deliveries: they may come again, and a gap may be told. */
  protected disturbed(why: string): void {
    const { subscription } = this.wish;
    const at = this.context.time.nowMs;
    this.context.record({ fact: 'lossCause', subscription, why, at });
    this.context.record({ fact: 'disturbed', subscription, why, at });
  }

  /** Calls back with the result; with `undefined` and an error when there is none. */
  protected request(
    method: Method,
    params: Readonly<Record<string, unknown>>,
    onAnswer: (result: never, error?: Error) => void,
    stream: { signal?: AbortSignal; notify?: (message: never) => Promise<void> } = {},
  ): void {
    const { network, complain } = this.context;
    const { subscription, principal, type, arguments: args } = this.wish;
    const request = {
      id: `${subscription}-${++this.#requests}`,
      method,
      params: { name: type, arguments: args, ...params },
      principal,
      signal: stream.signal ?? new AbortController().signal,
      notify: (stream.notify as undefined | (() => Promise<void>)) ?? (async () => {}),
    };
    const ask = async (): Promise<void> => {
      let result: unknown;
      let failure: Error | undefined;
      try {
        result = await network.request(request, stream.notify === undefined ? undefined : Infinity);
      } catch (error) {
        failure = error as Error;
        if (!(failure instanceof NoAnswer) && !this.expects(failure)) {
          complain(`${subscription}: ${method} failed: ${failure.message}`);
        }
      }
      onAnswer(result as never, failure);
    };
    ask().catch((error: unknown) => complain(`${subscription}: ${String((error as Error).stack)}`));
  }

  /** Whether an error of the server belongs to the faults that are injected. */
  protected expects(error: Error): boolean {
    return (error as { code?: unknown }).code === -32_603 || this.isForbidden(error);
  }

  /** As the simulated operator ends subscriptions. */
  protected isForbidden(error: Error | undefined): boolean {
    return (error as { code?: unknown } | undefined)?.code === -32_024;
  }
}

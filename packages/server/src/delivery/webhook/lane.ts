import type { DeliveryStatus, Dialect, EventsError, LastError } from '@mcp-events/protocol';
import type { Clock } from '../../clock.ts';
import type { Deadlines } from '../../deadlines.ts';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { Observer } from '../../observability/observer.ts';
import type { StoredDeadLetter } from '../../storage/deadLetterStore.ts';
import type { StoredSubscription } from '../../storage/subscriptionStore.ts';
import type { Pump } from '../pump.ts';
import type { Sink } from '../sink.ts';
import { Delivery } from './delivery.ts';
import type { DeliveryKind } from './delivery.ts';
import { DeliveryHealth } from './deliveryHealth.ts';
import { FailureRate } from './failureRate.ts';
import type { SuspensionRules } from './failureRate.ts';
import { gapBody, occurrenceBody, orderPosition, terminatedBody } from './messageBody.ts';
import { outcomeOf, post } from './post.ts';
import type { AttemptOutcome, PostOptions, PostTarget } from './post.ts';
import { nextRetryDelayMs } from './retryPolicy.ts';
import type { RetryRules } from './retryPolicy.ts';
import type { FairScheduler, Flow } from './scheduling/fairScheduler.ts';
import type { HostOutcome } from './scheduling/hostShare.ts';
import { UntoldGaps } from './untoldGaps.ts';
import type { MissingPlace } from './untoldGaps.ts';
import { Watermark } from './watermark.ts';

/** What the lanes of one server share. */
export interface LaneContext {
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  /** Unique; not a secret. */
  readonly createMessageId: () => string;
  readonly scheduler: FairScheduler;
  /** When deliveries are tried again. */
  readonly retries: Deadlines<Delivery>;
  readonly postOptions: PostOptions;
  readonly retryRules: RetryRules;
  readonly suspensionRules: SuspensionRules;
  /** Deliveries of one subscription that may be outstanding. */
  readonly maxOutstanding: number;
  /** Whether events that were given up are told as a gap (OP-11). */
  readonly tellAbandoned: boolean;
  /** Keeps an event that was given up. */
  readonly bury: (letter: StoredDeadLetter) => void;
  /** A dead letter was delivered after all. */
  readonly redriven: (number: number) => void;
  readonly warn: (message: string, name: string) => void;
  readonly observer: Observer | undefined;
}

/** Whose events a lane delivers. */
export interface LaneSubscriber extends PostTarget {
  readonly name: string;
  readonly principal: string;
  /** Name under which the endpoint's host is limited. */
  readonly host: string;
  readonly dialect: Dialect;
}

/** What the lane tells the subscription. */
export interface LaneListener {
  /** The safe position moved. */
  onProgress(): void;
  /** Delivery stopped until the client comes back (DELIV-13). */
  onSuspended(): void;
  /** The source says that this subscription cannot go on. */
  onFinalError(error: EventsError): void;
  /** A newer subscription has the id of this one, which has ended. */
  readonly replaced: boolean;
}

/** An event that was not delivered, and is no dead letter either: nobody could do better later. */
export interface Refusal {
  readonly eventId: string;
  /** The endpoint said so for good (410, 413), or the body would have been larger than allowed. */
  readonly reason: 'refused' | 'too_large';
  readonly atMs: number;
}

/** Of one subscription. An endpoint that refuses everything is a matter of a look, not of a list. */
const MAX_REFUSALS = 16;

const skipped: Promise<HostOutcome> = Promise.resolve('skipped');

/** Most bytes of one POST (DELIV-14). */
const MAX_BODY_BYTES = 256 * 1024;

/** Payload bytes one subscription may have outstanding, beyond its first delivery. */
const MAX_OUTSTANDING_BYTES = 1024 * 1024;

/** Positions of settled events beyond the watermark that are stored: a good part of what can lie between two acknowledgements. */
const MAX_SETTLED_STORED = 256;

/**
 * Deliveries one subscription may be ahead of its oldest outstanding one: half an hour at a hundred events a second, and
 * about two megabytes beside the positions, which subscriptions of one event type share.
 */
const MAX_AHEAD = 200_000;

/** Places at which something is missing that may wait for an envelope: about a megabyte. */
const MAX_UNTOLD = 4_096;

/** Payload bytes one principal may have outstanding, beyond the first delivery of each of its subscriptions. */
const MAX_PRINCIPAL_BYTES = 64 * 1024 * 1024;

/** Errors of a source that end the subscription; any other is a failure that delivery survives. */
const FINAL_ERRORS: ReadonlySet<string> = new Set(['NotFound', 'Forbidden', 'Unsupported', 'InvalidParams']);

/**
 * Delivers one subscription's events to its callback: several at a time, each retried on its own (DELIV-05), with the
 * watermark over all of them. It holds a bounded number of events; past that it refuses, and the pump remembers the
 * cursor. It owns order information, retry and acknowledgement; when an attempt may start is the scheduler's decision.
 */
export class Lane implements Sink {
  readonly #context: LaneContext;
  readonly #subscriber: LaneSubscriber;
  readonly #listener: LaneListener;
  readonly #flow: Flow;
  readonly #health = new DeliveryHealth();
  #pump: Pump | undefined;
  /** Made with the first delivery, so that an idle subscription costs little. */
  #watermark: Watermark | undefined;
  #outstanding: Set<Delivery> | undefined;
  #outstandingBytes = 0;
  #failureRate: FailureRate | undefined;
  /** Position of the event sent last, for the order of this lane's events; `null` before the first. */
  #previous: string | null = null;
  #suspendedAtMs: number | undefined;
  #refusedEvent = false;
  /** Made with the first gap. */
  #gaps: UntoldGaps | undefined;
  #terminated: EventsError | undefined;
  #ended = false;
  /** Where an earlier run was, until the pump stands there. What is stored meanwhile must not forget it. */
  #restoredPosition: string | null = null;
  /** Ids of events an earlier run had delivered beyond its watermark, and that this one did not reach yet. */
  #settledBefore: Set<string> | undefined;
  /** Made with the first. */
  #refusals: Refusal[] | undefined;
  constructor(context: LaneContext, subscriber: LaneSubscriber, host: string, listener: LaneListener) {
    this.#context = context;
    this.#subscriber = subscriber;
    this.#listener = listener;
    this.#flow = context.scheduler.join(subscriber.principal, host);
  }

  /** Where a later run goes on: nothing up to it is outstanding. */
  get position(): string | null {
    if (this.#watermark?.isClear === false) return this.#watermark.cursor;
    return this.#pump === undefined ? this.#restoredPosition : this.#pump.cursor;
  }

  /** The position that is safe for the client (SUB-14): nothing up to it is outstanding, or missing without its knowing. */
  get cursor(): string | null {
    const held = this.#gaps?.held;
    return held === undefined ? this.position : held.cursor;
  }

  get suspended(): boolean {
    return this.#suspendedAtMs !== undefined;
  }

  /** Since when delivery is suspended. */
  get suspendedAtMs(): number | undefined {
    return this.#suspendedAtMs;
  }

  /** What is outstanding, in the order it began. */
  get deliveries(): Iterable<Delivery> {
    return this.#outstanding ?? [];
  }

  /** The last events that will not be sent again though nobody gave them up, for operators who look for them. */
  get refusals(): readonly Refusal[] {
    return this.#refusals ?? [];
  }

  /** Whether the event at this position, which lies beyond {@link position}, was acknowledged or given up. */
  isSettledBeyond(position: string): boolean {
    return (
      this.#settledBefore?.has(position) === true ||
      this.#watermark?.settledBeyond(Infinity).includes(position) === true
    );
  }

  /** Deliveries that are neither acknowledged nor given up. */
  get outstanding(): number {
    return this.#outstanding?.size ?? 0;
  }

  /** Whether the client may not know yet that events were lost. */
  get owesGap(): boolean {
    return this.#gaps?.envelope !== undefined || this.#gaps?.held !== undefined;
  }

  /** Why the last attempt failed, if it did. */
  get lastError(): LastError | null {
    return this.#health.lastError;
  }

  /** Start of the present series of failures. */
  get failedSinceMs(): number | undefined {
    return this.#health.failedSinceMs;
  }

  status(): DeliveryStatus {
    const throttledMs = this.outstanding === 0 ? 0 : this.#context.scheduler.throttledMs(this.#flow);
    return this.#health.status(!this.suspended, throttledMs);
  }

  /** What a later run needs to go on where this one is, beside the position. */
  get progress(): Pick<StoredSubscription, 'settled' | 'suspended' | 'failing'> {
    const { lastError: reason, failedSinceMs: sinceMs } = this.#health;
    const settled = [...(this.#settledBefore ?? []), ...(this.#watermark?.settledBeyond(MAX_SETTLED_STORED) ?? [])];
    return {
      settled: settled.slice(0, MAX_SETTLED_STORED),
      suspended: this.suspended,
      failing: reason === null || sinceMs === undefined ? null : { sinceMs, reason },
    };
  }

  /** Goes on where an earlier run was. Before the first event. */
  restore({
    cursor,
    settled,
    suspended,
    failing,
  }: Pick<StoredSubscription, 'cursor' | 'settled' | 'suspended' | 'failing'>): void {
    this.#restoredPosition = cursor;
    if (settled.length > 0) this.#settledBefore = new Set(settled);
    if (failing !== null) this.#health.restore(failing);
    if (!suspended) return;
    this.#suspendedAtMs = this.#context.clock.now();
    this.#listener.onSuspended();
  }

  /** Connects the pump whose events this lane delivers. */
  attach(pump: Pump): void {
    this.#pump = pump;
  }

  deliver(event: FeedEvent): boolean {
    if (this.#ended) return true;
    if (this.suspended || !this.#hasRoomFor(event)) {
      this.#refusedEvent = true;
      return false;
    }
    const ticket = this.#begin(event.cursor);
    const previous = this.#previous;
    // Also of one that is not sent again: the endpoint has it, and waits for what was before it.
    this.#previous = orderPosition(event);
    if (event.cursor !== null && this.#settledBefore?.delete(event.cursor) === true) {
      this.#watermark?.settle(ticket);
      return true;
    }
    const webhookId = this.#eventWebhookId(event);
    this.#add(new Delivery({ lane: this, kind: 'event', webhookId, ticket, event, previous }));
    return true;
  }

  /**
   * Sends an event again that was given up, outside the order.
   *
   * @returns `false` when it is under way already, or nothing is sent any more
   */
  redeliver(event: FeedEvent, deadLetter: number): boolean {
    if (this.#ended) return false;
    for (const delivery of this.#outstanding ?? []) if (delivery.deadLetter === deadLetter) return false;
    const webhookId = this.#eventWebhookId(event);
    this.#add(new Delivery({ lane: this, kind: 'event', webhookId, event, deadLetter }));
    return true;
  }

  /** The envelope needs a position (ENV-03): without replay a loss can only be counted (CUR-14). */
  lose(cursor: string | null): boolean {
    if (this.#ended) return true;
    if (cursor === null) {
      this.#context.warn('events without replay were lost because the callback was too slow', this.#subscriber.name);
      return true;
    }
    const needsRoom = this.#gaps?.envelope === undefined && this.outstanding >= this.#context.maxOutstanding;
    if (this.suspended || needsRoom || this.#isTooFarAhead) {
      this.#refusedEvent = true;
      return false;
    }
    this.#owe(this.#placeOfGap(cursor), 0);
    this.#listener.onProgress();
    return true;
  }

  /**
   * Takes over a gap of an earlier run.
   *
   * @param position where delivery goes on
   * @param cursor the client's, before the gap
   * @param passed positions before `position` that the endpoint has acknowledged. It may keep these events waiting for
   *   others that are lost, and nothing else would tell it not to
   */
  restoreGap(position: string, cursor: string, passed: readonly string[]): void {
    const { ticket, orders } = this.#placeOfGap(position);
    const first = passed.map((acknowledged) => ({ position: acknowledged, previous: null }));
    this.#gaps ??= new UntoldGaps();
    this.#gaps.add({ ticket, orders: [...first, ...orders] });
    // Held, so that the next run goes on where this one does: the client's cursor may be far behind, or mean nothing.
    const isPosted = this.#subscriber.dialect === 'final';
    this.#hold(cursor, isPosted);
    // In the older dialect the answer to the next refresh tells it, as in the run before.
    if (isPosted) this.#sendGap(0);
  }

  /**
   * The client asks for the answer to a refresh.
   *
   * @returns whether there is a gap it may not know of. A gap is answered once; where envelopes are understood it goes
   *   out by that way, too, as an answer may be lost on the way
   */
  tellGap(): boolean {
    const gaps = this.#gaps;
    if (gaps?.held === undefined) return false;
    const wasAnswered = gaps.held.answered;
    gaps.held.answered = true;
    if (this.#subscriber.dialect === 'sketch') gaps.release();
    else if (gaps.envelope === undefined) this.#sendGap(0);
    return !wasAnswered;
  }

  fail(error: EventsError): void {
    if (FINAL_ERRORS.has(error.errorName)) this.#listener.onFinalError(error);
  }

  /** The client came back: delivery goes on where it stopped (SUB-13). */
  resume(): void {
    if (this.#suspendedAtMs === undefined) return;
    const pausedMs = Math.max(0, this.#context.clock.now() - this.#suspendedAtMs);
    this.#suspendedAtMs = undefined;
    this.#failureRate?.reset();
    for (const delivery of this.#outstanding ?? []) {
      delivery.firstAttemptAtMs += pausedMs;
      if (delivery.state === 'waiting') this.queue(delivery);
    }
    this.#resumePump();
  }

  /** Ends delivery and tells the endpoint why (ENV-05); retried like any delivery, but nothing else is sent (DELIV-16). */
  terminate(error: EventsError): void {
    if (this.#ended) return;
    this.#end();
    this.#terminated = error;
    const delivery = new Delivery({ lane: this, kind: 'terminated', webhookId: this.#envelopeId('terminated') });
    delivery.observed = this.#context.observer?.delivering(this.#subscriber, delivery);
    this.#outstanding = new Set([delivery]);
    this.queue(delivery);
  }

  /** Ends delivery: no POST starts any more (DELIV-16). Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#end();
    this.#context.scheduler.leave(this.#flow);
  }

  /** Makes one attempt. Called by the scheduler when it is this delivery's turn. */
  attempt(delivery: Delivery): Promise<HostOutcome> {
    if (this.suspended) {
      delivery.state = 'waiting';
      return skipped;
    }
    if (delivery.kind === 'terminated' && this.#listener.replaced) {
      // The client is back under the same id: it would take the news as the end of its new subscription (TERM-06).
      delivery.observed?.cut();
      this.#settle(delivery);
      return skipped;
    }
    const { clock, postOptions } = this.#context;
    delivery.state = 'sending';
    const body = this.#bodyOf(delivery);
    if (body === undefined) return skipped;
    if (delivery.attempts++ === 0) delivery.firstAttemptAtMs = clock.now();
    const observedAttempt = delivery.observed?.attempt(delivery.attempts);
    // No asynchronous function: it would be one more promise for each delivery.
    return post(postOptions, this.#subscriber, delivery.webhookId, body, 0).then((result) => {
      const outcome = outcomeOf(result, clock.now());
      observedAttempt?.(outcome);
      // It may have ended while the endpoint thought about it.
      if (!delivery.cancelled) this.#attempted(delivery, outcome);
      return result.kind === 'response' ? 'answered' : 'unreachable';
    });
  }

  #attempted(delivery: Delivery, outcome: AttemptOutcome): void {
    const nowMs = this.#context.clock.now();
    if (outcome.kind === 'failed') this.#attemptFailed(delivery, outcome.reason, outcome.retryAfterMs, nowMs);
    else {
      if (outcome.kind === 'acknowledged') {
        this.#health.succeeded(nowMs);
        this.#tellHeldGap(nowMs);
        if (delivery.deadLetter !== undefined) this.#context.redriven(delivery.deadLetter);
        delivery.observed?.acknowledged();
      } else {
        delivery.observed?.refused('refused');
        this.#notSent(delivery, 'refused');
      }
      this.#countAttempt(delivery, false, nowMs);
      this.#settle(delivery);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#suspendedAtMs = undefined;
    this.#gaps = undefined;
    this.#pump?.close();
    for (const delivery of this.#outstanding ?? []) {
      delivery.observed?.cut();
      this.#forget(delivery);
    }
    this.#outstanding = undefined;
  }

  #attemptFailed(delivery: Delivery, reason: LastError, retryAfterMs: number | undefined, nowMs: number): void {
    const { retryRules, random } = this.#context;
    this.#health.failed(reason, nowMs);
    delivery.lastError = reason;
    const elapsedMs = nowMs - delivery.firstAttemptAtMs;
    const delayMs = nextRetryDelayMs(retryRules, { attempts: delivery.attempts, elapsedMs, retryAfterMs }, random);
    delivery.state = 'waiting';
    if (delayMs === undefined) this.#giveUp(delivery, reason, nowMs);
    else if (!this.#countAttempt(delivery, true, nowMs)) {
      this.#queueIn(delivery, delayMs);
    }
  }

  /** Counts towards suspension. Envelopes do not: peers that refuse them take events all the same (DIALECT-13). */
  #countAttempt({ kind }: Delivery, failed: boolean, nowMs: number): boolean {
    if (kind !== 'event' || this.suspended || this.#ended) return this.suspended;
    this.#failureRate ??= new FailureRate(this.#context.suspensionRules);
    if (!this.#failureRate.count(failed, nowMs)) return false;
    this.#suspendedAtMs = nowMs;
    for (const waiting of this.#outstanding ?? []) {
      this.#context.retries.cancel(waiting.retry);
      waiting.retry = undefined;
    }
    this.#listener.onSuspended();
    return true;
  }

  /** Retries are used up (DELIV-08): kept as a dead letter, and told (OP-11). */
  #giveUp(delivery: Delivery, reason: LastError, nowMs: number): void {
    const { attempts, deadLetter } = delivery;
    // One that was a dead letter stays one, and was told when it became one.
    const event = deadLetter === undefined ? delivery.event : undefined;
    const { bury, tellAbandoned } = this.#context;
    this.#countAttempt(delivery, true, nowMs);
    if (event !== undefined) {
      const { id: subscriptionId, principal } = this.#subscriber;
      const { eventId, name, timestamp, dataJson, _meta, cursor } = event;
      const abandonedAt = new Date(nowMs).toISOString();
      const letter = { subscriptionId, principal, name, eventId, timestamp, dataJson, _meta, cursor };
      // Before the position moves past it.
      bury({ ...letter, attempts, reason, abandonedAt });
    }
    delivery.observed?.abandoned(reason, attempts, event !== undefined);
    if (event !== undefined && tellAbandoned) this.#missed(delivery);
    else {
      // Not one of the older dialect that was overtaken: the answer to a refresh tells what it was to tell.
      if (delivery === this.#gaps?.envelope) this.#hold(this.cursor);
      this.#settle(delivery);
    }
  }

  /** An event will not be delivered. Without positions there is none that the news could hold back, or name (ENV-03). */
  #missed(delivery: Delivery): void {
    const { ticket, event, previous = null } = delivery;
    const position = event?.cursor ?? undefined;
    if (ticket === undefined || position === undefined) this.#settle(delivery);
    else if (this.#subscriber.dialect === 'sketch') {
      // Its peers do not take gaps (DIALECT-13, OP-11): the answer to their next refresh says it.
      this.#hold(this.cursor);
      this.#settle(delivery);
    } else {
      this.#drop(delivery);
      // What failed together is given up together, and an endpoint that just failed is not asked again at once.
      this.#owe({ ticket, orders: [{ position, previous }] }, this.#context.retryRules.firstDelayMs);
      this.#listener.onProgress();
      this.#resumePump();
    }
  }

  /** Whoever puts events in order has to wait for the news of a gap as for an event. */
  #placeOfGap(position: string): MissingPlace {
    const ticket = this.#begin(position);
    const orders = [{ position, previous: this.#previous }];
    this.#previous = position;
    return { ticket, orders };
  }

  /** What has this place is missing: the subscription's position waits there until the client was told. */
  #owe(place: MissingPlace, delayMs: number): void {
    this.#gaps ??= new UntoldGaps();
    this.#gaps.add(place);
    if (this.#gaps.envelope === undefined) this.#sendGap(delayMs);
  }

  /** One envelope for anything that is missing. */
  #sendGap(delayMs: number): void {
    this.#gaps ??= new UntoldGaps();
    this.#gaps.envelope = new Delivery({ lane: this, kind: 'gap', webhookId: this.#envelopeId('gap') });
    this.#add(this.#gaps.envelope, delayMs);
  }

  /**
   * No envelope tells of what is missing after `cursor`: the client's cursor stays there instead.
   *
   * @param answered whether the answer to a refresh need not tell it
   */
  #hold(cursor: string | null, answered = false): void {
    this.#gaps ??= new UntoldGaps();
    this.#settleTickets(this.#gaps.hold(cursor, answered, this.#context.clock.now()));
  }

  /** The endpoint answers again, so it may take what it did not take before. */
  #tellHeldGap(nowMs: number): void {
    const gaps = this.#gaps;
    if (gaps?.held === undefined || gaps.envelope !== undefined || this.#subscriber.dialect === 'sketch') return;
    // One that refuses envelopes only is not asked after each event (DIALECT-13).
    if (nowMs - gaps.held.triedAtMs >= this.#context.retryRules.maxDelayMs) this.#sendGap(0);
  }

  /** The client knows of the gap, or says that it does not want to. */
  #gapTaken(gaps: UntoldGaps): void {
    const { settled, needsAnother } = gaps.taken();
    this.#settleTickets(settled);
    if (needsAnother) this.#sendGap(0);
  }

  #settleTickets(tickets: readonly number[]): void {
    for (const ticket of tickets) this.#watermark?.settle(ticket);
  }

  /** Acknowledged, refused for good or given up. */
  #settle(delivery: Delivery): void {
    this.#drop(delivery);
    if (delivery.kind === 'terminated') {
      this.#context.scheduler.leave(this.#flow);
      return;
    }
    if (delivery.ticket !== undefined) this.#watermark?.settle(delivery.ticket);
    if (delivery === this.#gaps?.envelope) this.#gapTaken(this.#gaps);
    this.#listener.onProgress();
    this.#resumePump();
  }

  #drop(delivery: Delivery): void {
    this.#forget(delivery);
    this.#outstanding?.delete(delivery);
  }

  #forget(delivery: Delivery): void {
    if (delivery.state === 'settled') return;
    delivery.state = 'settled';
    this.#context.retries.cancel(delivery.retry);
    const bytes = delivery.event?.dataJson.length ?? 0;
    this.#outstandingBytes -= bytes;
    this.#flow.principal.heldBytes -= bytes;
  }

  #add(delivery: Delivery, delayMs = 0): void {
    this.#outstanding ??= new Set();
    this.#outstanding.add(delivery);
    delivery.observed = this.#context.observer?.delivering(this.#subscriber, delivery);
    const bytes = delivery.event?.dataJson.length ?? 0;
    this.#outstandingBytes += bytes;
    this.#flow.principal.heldBytes += bytes;
    if (this.suspended) return;
    if (delayMs === 0) this.queue(delivery);
    else this.#queueIn(delivery, delayMs);
  }

  #queueIn(delivery: Delivery, delayMs: number): void {
    const { retries, clock } = this.#context;
    delivery.retry = retries.add(delivery, clock.now() + delayMs);
  }

  /** Asks the scheduler for an attempt. */
  queue(delivery: Delivery): void {
    delivery.retry = undefined;
    delivery.state = 'queued';
    this.#context.scheduler.add(this.#flow, delivery);
  }

  /**
   * Events are acknowledged while one before them is not, and each costs its place in the watermark; likewise events are
   * lost while no envelope is taken.
   */
  get #isTooFarAhead(): boolean {
    return (this.#watermark?.span ?? 0) >= MAX_AHEAD || (this.#gaps?.size ?? 0) >= MAX_UNTOLD;
  }

  #hasRoomFor(event: FeedEvent): boolean {
    const { outstanding } = this;
    if (this.#isTooFarAhead) return false;
    // One is always taken, or an event larger than the bounds could never be delivered.
    if (outstanding === 0) return true;
    const bytes = event.dataJson.length;
    return (
      outstanding < this.#context.maxOutstanding &&
      this.#outstandingBytes + bytes <= MAX_OUTSTANDING_BYTES &&
      this.#flow.principal.heldBytes + bytes <= MAX_PRINCIPAL_BYTES
    );
  }

  #resumePump(): void {
    // Half of the room: so that catching up reads pages, not single events.
    if (!this.#refusedEvent || this.suspended || this.outstanding * 2 > this.#context.maxOutstanding) return;
    this.#refusedEvent = false;
    this.#pump?.resume();
  }

  #begin(positionAfter: string | null): number {
    // The pump still stands before what begins now.
    const before = this.#pump?.cursor ?? null;
    if (this.#watermark === undefined) this.#watermark = new Watermark(before);
    else if (this.#watermark.isClear) this.#watermark.advance(before);
    return this.#watermark.begin(positionAfter);
  }

  /** The same bytes for each attempt (OP-14). `undefined` when the event cannot be sent at all. */
  #bodyOf(delivery: Delivery): Uint8Array | undefined {
    const { event, kind, ticket, previous } = delivery;
    if (delivery.cursor === undefined) delivery.cursor = this.#cursorFor(kind, ticket);
    if (event === undefined) return Buffer.from(this.#envelopeBody(kind, delivery.cursor));
    const body = occurrenceBody(event, delivery.cursor, previous);
    if (body.byteLength <= MAX_BODY_BYTES) return body;
    const { name } = this.#subscriber;
    this.#context.warn(`event ${event.eventId} makes a body of ${body.byteLength} bytes, which is not sent`, name);
    delivery.observed?.refused('too_large');
    this.#notSent(delivery, 'too_large');
    this.#missed(delivery);
    return undefined;
  }

  #notSent({ event }: Delivery, reason: Refusal['reason']): void {
    if (event === undefined) return;
    this.#refusals ??= [];
    this.#refusals.push({ eventId: event.eventId, reason, atMs: this.#context.clock.now() });
    if (this.#refusals.length > MAX_REFUSALS) this.#refusals.shift();
  }

  #envelopeBody(kind: DeliveryKind, cursor: string | null): string {
    if (kind === 'gap') {
      const missing = this.#subscriber.dialect === 'final' ? this.#gaps?.missing : undefined;
      return gapBody(cursor ?? '', missing ?? []);
    }
    return terminatedBody(this.#terminated as EventsError, this.#subscriber.dialect);
  }

  #cursorFor(kind: DeliveryKind, ticket: number | undefined): string | null {
    // Whoever takes the news may go on behind what it tells of.
    if (kind === 'gap') return this.#watermark?.cursorAfter(this.#gaps?.tickets ?? []) ?? this.#pump?.cursor ?? null;
    if (ticket === undefined || this.#gaps?.held !== undefined) return this.cursor;
    return this.#watermark?.cursorFor(ticket) ?? null;
  }

  /** The older dialect's peers insist on the event's own id (DIALECT-05); a message has one of its own (DIALECT-04). */
  #eventWebhookId({ eventId }: FeedEvent): string {
    return this.#subscriber.dialect === 'sketch' ? eventId : this.#envelopeId('event');
  }

  #envelopeId(type: string): string {
    return `msg_${type}_${this.#context.createMessageId()}`;
  }
}

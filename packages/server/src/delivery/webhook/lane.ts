import type { DeliveryStatus, EventsError, LastError } from '@mcp-events/protocol';
import { dateAt } from '../../clock.ts';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { StoredSubscription } from '../../storage/subscriptionStore.ts';
import { isFinalError } from '../../subscription/finalErrors.ts';
import type { Pump } from '../pump.ts';
import type { Sink } from '../sink.ts';
import { Delivery } from './delivery.ts';
import type { DeliveryLane } from './delivery.ts';
import { DeliveryHealth } from './deliveryHealth.ts';
import { DeliveryOrder } from './deliveryOrder.ts';
import { gapBody, occurrenceBody, terminatedBody } from './messageBody.ts';
import { OutstandingDeliveries } from './outstandingDeliveries.ts';
import type { LaneContext, LaneListener, LaneSubscriber } from './laneContext.ts';
import { deliveryMessageId } from './messageId.ts';
import { outcomeOf, post } from './post.ts';
import type { AttemptOutcome } from './post.ts';
import { Refusals } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import { localRetryDelayMs, nextRetryDelayMs } from './retryPolicy.ts';
import { nameOfFault } from './egress/localFault.ts';
import type { Flow } from './scheduling/fairScheduler.ts';
import type { HostOutcome } from './scheduling/hostShare.ts';

const skipped: Promise<HostOutcome> = Promise.resolve('skipped');

/** Most bytes of one POST (DELIV-14). */
const MAX_BODY_BYTES = 256 * 1024;

/** Where delivery goes on that an earlier run began. */
export interface ContinuedDelivery {
  readonly cursor: string | null;
  readonly truncated: boolean;
  readonly isRestored: boolean;
}

/**
 * Delivers one subscription's events to its callback: several at a time, each retried on its own (DELIV-05), or one after
 * the other where order on the wire was asked for (ORDER-05). It holds a bounded number of them; past that it refuses, and
 * the pump remembers the cursor. It owns retry and acknowledgement; what that means for order and positions is
 * {@link DeliveryOrder}'s, and when an attempt may start the scheduler's decision.
 */
export class Lane implements Sink, DeliveryLane {
  readonly #context: LaneContext;
  readonly #subscriber: LaneSubscriber;
  readonly #listener: LaneListener;
  readonly #flow: Flow;
  readonly #health = new DeliveryHealth();
  readonly #order = new DeliveryOrder();
  readonly #outstanding: OutstandingDeliveries;
  #pump: Pump | undefined;
  #ordered: boolean;
  /** Where deliveries are sent one by one: the one that is sent, or waits for its retry. */
  #turn: Delivery | undefined;
  /** By a clock that nobody sets: since when nothing is sent, if it is suspended. */
  #suspendedSinceMs = 0;
  /** Posts that were sent and neither answered nor given up, also of deliveries that are not wanted any more. */
  #posting = 0;
  /** The pump was told that there is no room. */
  #refusedEvent = false;
  #terminated: EventsError | undefined;
  #ended = false;
  /** Made with the first. */
  #refusals: Refusals | undefined;

  constructor(context: LaneContext, subscriber: LaneSubscriber, host: string, listener: LaneListener) {
    this.#context = context;
    this.#subscriber = subscriber;
    this.#listener = listener;
    this.#ordered = subscriber.ordered;
    this.#flow = context.scheduler.join(subscriber.principal, host);
    this.#outstanding = new OutstandingDeliveries(context.maxOutstanding, this.#flow.principal);
  }

  /** Where a later run goes on: nothing up to it is outstanding. */
  get position(): string | null {
    return this.#order.position;
  }

  /** The position that is safe for the client (SUB-14). */
  get cursor(): string | null {
    return this.#order.cursor;
  }

  /** The client's cursor before a gap it may not know of; `null` when there is none. */
  get gapAfter(): string | null {
    return this.#order.gapAfter;
  }

  /** Whether the client may not know yet that events were lost. */
  get owesGap(): boolean {
    return this.#order.owesGap;
  }

  /** Whether the event at this position, which lies beyond {@link position}, was acknowledged or given up. */
  isSettledBeyond(position: string): boolean {
    return this.#order.isSettledBeyond(position);
  }

  get suspended(): boolean {
    return this.#health.suspended;
  }

  /** Whether deliveries are sent one at a time. */
  get ordered(): boolean {
    return this.#ordered;
  }

  /** From the next delivery on; what is being sent already is not called back. */
  setOrdered(ordered: boolean): void {
    if (ordered === this.#ordered) return;
    this.#ordered = ordered;
    this.#turn = undefined;
    if (ordered) this.#takeTurn();
    else if (!this.suspended) for (const delivery of this.#outstanding) this.#goOnWith(delivery);
  }

  /** Since when delivery is suspended. */
  get suspendedAtMs(): number | undefined {
    return this.#health.suspendedAtMs;
  }

  /** What is outstanding, in the order it began. */
  get deliveries(): Iterable<Delivery> {
    return this.#outstanding;
  }

  /** The last events that will not be sent again though nobody gave them up, for operators who look for them. */
  get refusals(): readonly Refusal[] {
    return this.#refusals?.latest ?? [];
  }

  /** Deliveries that are neither acknowledged nor given up. */
  get outstanding(): number {
    return this.#outstanding.count;
  }

  /** Why the last attempt failed, if it did. */
  get lastError(): LastError | null {
    return this.#health.lastError;
  }

  /** Start of the present series of failures. */
  get failedSinceMs(): number | undefined {
    return this.#health.failedSinceMs;
  }

  /** When a delivery is tried again, as the time of day is set now; `undefined` if that is not known. */
  nextAttemptAtMs({ retry }: Delivery): number | undefined {
    return retry && Math.round(dateAt(this.#context.clock, retry.atMs));
  }

  /** For how long; `undefined` while the last attempt succeeded. */
  get failingForMs(): number | undefined {
    return this.#health.failingForMs(this.#context.clock);
  }

  status(): DeliveryStatus {
    return this.#health.status(this.outstanding === 0 ? 0 : this.#context.scheduler.throttledMs(this.#flow));
  }

  /** What a later run needs to go on where this one is, beside the gap. */
  get progress(): Pick<StoredSubscription, 'cursor' | 'settled' | 'suspended' | 'failing'> {
    const { position: cursor, settled } = this.#order;
    return { cursor, settled, ...this.#health.record };
  }

  /** Takes over what an earlier run left. Before the first event. */
  restore(left: Pick<StoredSubscription, 'cursor' | 'settled' | 'gapAfter' | 'suspended' | 'failing'>): void {
    this.#order.restore(left);
    this.#health.restore(left, this.#context.clock);
    this.#suspendedSinceMs = this.#context.clock.monotonicMs();
    if (left.suspended) this.#listener.onSuspended();
  }

  /** Connects the pump whose events this lane delivers. Before its end. */
  attach(pump: Pump): void {
    this.#pump = pump;
    this.#order.attach(pump);
  }

  deliver(event: FeedEvent): boolean {
    if (this.#ended) return true;
    const isFull = this.#order.isTooFarAhead || !this.#outstanding.hasRoomFor(event.jsonLength);
    if (this.suspended || isFull) return this.#refuse();
    const place = this.#order.begin(event);
    if (place === undefined) return true;
    const webhookId = deliveryMessageId(this.#subscriber, event);
    this.#add(new Delivery({ lane: this, kind: 'event', webhookId, place, event }));
    return true;
  }

  /**
   * Sends an event again that was given up, outside the order.
   *
   * @returns `false` when it is under way already, or nothing is sent any more
   */
  redeliver(event: FeedEvent, deadLetter: number): boolean {
    if (this.#ended) return false;
    for (const delivery of this.#outstanding) if (delivery.deadLetter === deadLetter) return false;
    const webhookId = deliveryMessageId(this.#subscriber, event);
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
    const needsRoom = this.#order.envelope === undefined && !this.#outstanding.hasRoom;
    if (this.suspended || needsRoom || this.#order.isTooFarAhead || this.#isBeforeEvents()) return this.#refuse();
    this.#order.missUpTo(cursor);
    this.#tellMissing(0);
    this.#listener.onProgress();
    return true;
  }

  /**
   * Goes on where an earlier run was, and tells what was lost since (OP-13).
   *
   * @param opening where delivery starts, whether that is later than it should be, and whether a backup was restored: what is
   *   known of its client may be of before the client began anew, further back (EMIT-21)
   * @param passed positions before it that the endpoint has acknowledged. It may keep these events waiting for others that
   *   are lost, and nothing else would tell it not to
   */
  goOn({ cursor, truncated, isRestored }: ContinuedDelivery, passed: readonly string[]): void {
    if (this.#ended) return;
    const left = this.#order.goOn();
    const gapAfter = left?.gapAfter ?? (truncated || isRestored ? left?.cursor : null) ?? null;
    // Where there are no positions, nobody can know what was lost.
    if (cursor === null || gapAfter === null) return;
    this.#order.missUpTo(cursor, passed);
    // Held, so that the next run goes on where this one does: the client's cursor may be far behind, or mean nothing.
    const isPosted = this.#subscriber.dialect === 'final';
    this.#hold(gapAfter, isPosted && !isRestored);
    // In the older dialect the answer to the next refresh tells it, as in the run before.
    if (isPosted) this.#sendGap(0);
  }

  /**
   * The client asks for the answer to a refresh.
   *
   * @param cursor where the client says it is
   * @returns whether there is a gap it may not know of. A gap is answered once; where envelopes are understood it goes
   *   out by that way, too, as an answer may be lost on the way
   */
  tellGap(cursor: string | null): boolean {
    const { held, position } = this.#order;
    if (held === undefined) return false;
    // The answer was not lost, whatever becomes of the envelope.
    const isKnown = cursor !== null && cursor === held.answeredCursor && cursor !== held.cursor;
    const isNew = !isKnown && !held.answered;
    if (isKnown) this.#heldIsKnown();
    else if (this.#subscriber.dialect === 'sketch') this.#order.release();
    else {
      if (isNew) held.answeredCursor = position;
      const { envelope } = this.#order;
      if (envelope === undefined) this.#sendGap(0);
      else if (this.#tellsInOrder && envelope.attempts === 0) this.#hasten(envelope);
    }
    held.answered = true;
    return isNew;
  }

  fail(error: EventsError): void {
    if (isFinalError(error)) this.#listener.onFinalError(error);
  }

  /** The client came back: delivery goes on where it stopped (SUB-13). */
  resume(): void {
    if (!this.#health.resume()) return;
    const suspendedMs = this.#context.clock.monotonicMs() - this.#suspendedSinceMs;
    for (const delivery of this.#outstanding) {
      delivery.firstAttemptAtMs += suspendedMs;
      if (!this.#ordered) this.#goOnWith(delivery);
    }
    if (this.#turn !== undefined) this.#goOnWith(this.#turn);
    this.#takeTurn();
    this.#resumePump();
  }

  /** Ends delivery and tells the endpoint why (ENV-05); retried like any delivery, but nothing else is sent (DELIV-16). */
  terminate(error: EventsError): void {
    if (this.#ended) return;
    this.#end();
    this.#terminated = error;
    const delivery = new Delivery({ lane: this, kind: 'terminated', webhookId: this.#envelopeId('terminated') });
    this.#add(delivery);
  }

  /** Ends delivery: no POST starts any more (DELIV-16). Idempotent. */
  close(): void {
    if (this.#ended) return;
    this.#end();
    this.#context.scheduler.leave(this.#flow);
  }

  /** Makes one attempt. Called by the scheduler when it is this delivery's turn. */
  attempt(delivery: Delivery): Promise<HostOutcome> {
    if (this.suspended || (this.#ordered && delivery !== this.#turn)) {
      delivery.state = 'waiting';
      return skipped;
    }
    delivery.state = 'sending';
    try {
      if (delivery.kind !== 'terminated' || !this.#listener.replaced) return this.#send(delivery);
      // The client is back under the same id: it would take the news as the end of its new subscription (TERM-06).
      delivery.observed?.cut();
      this.#settle(delivery);
      return skipped;
    } catch (error) {
      this.#broke(delivery, error);
      return skipped;
    }
  }

  #send(delivery: Delivery): Promise<HostOutcome> {
    const { clock, postOptions } = this.#context;
    const body = this.#bodyOf(delivery);
    if (body === undefined) return skipped;
    const startMs = clock.monotonicMs();
    const observedAttempt = delivery.observed?.attempt(delivery.attempts + 1);
    const posting = post(postOptions, this.#subscriber, delivery.webhookId, body, 0);
    delivery.sending(startMs);
    this.#posting++;
    // No asynchronous function: it would be one more promise for each delivery.
    return posting.then((result) => {
      this.#posting--;
      const outcome = outcomeOf(result, clock.now());
      const hostOutcome =
        outcome.kind === 'local_fault' ? 'skipped' : result.kind === 'response' ? 'answered' : 'unreachable';
      try {
        observedAttempt?.(outcome);
        if (outcome.kind === 'local_fault') delivery.notSent();
        // It may have ended while the endpoint thought about it.
        if (!delivery.cancelled) {
          if (outcome.kind === 'local_fault') this.#postpone(delivery, outcome.fault, startMs);
          else this.#attempted(delivery, outcome, startMs);
        }
      } catch (error) {
        this.#broke(delivery, error);
      }
      // What was sent before order began is not on its way any more, whatever came of it (ORDER-06).
      this.#takeTurn();
      return hostOutcome;
    });
  }

  /** What can go wrong here is no endpoint's fault, and no reason to lose an event (DELIV-18). */
  #broke(delivery: Delivery, error: unknown): void {
    this.#context.broke(error, this.#subscriber.name);
    if (delivery.cancelled) this.#takeTurn();
    else if (delivery.state === 'sending') {
      this.#postpone(delivery, nameOfFault(error), this.#context.clock.monotonicMs());
    }
  }

  /** It could not be sent from here: tried again as if it had not been, however often (DELIV-18). */
  #postpone(delivery: Delivery, fault: string, startMs: number): void {
    delivery.postponed(fault, startMs);
    delivery.state = 'waiting';
    if (!this.suspended) this.#queueIn(delivery, localRetryDelayMs(delivery.localFaults, this.#context.random));
  }

  #attempted(delivery: Delivery, outcome: Exclude<AttemptOutcome, { kind: 'local_fault' }>, startMs: number): void {
    const nowMs = this.#context.clock.now();
    delivery.sent(startMs);
    if (outcome.kind === 'failed') this.#attemptFailed(delivery, outcome.reason, outcome.retryAfterMs, nowMs);
    else {
      if (outcome.kind === 'acknowledged') {
        this.#health.succeeded(nowMs);
        this.#tellHeldGap();
        if (delivery.deadLetter !== undefined) this.#context.redriven(delivery.deadLetter);
        delivery.observed?.acknowledged();
      } else {
        delivery.observed?.refused('refused');
        this.#notSent(delivery, 'refused');
      }
      this.#countAttempt(delivery, false);
      this.#settle(delivery);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#health.resume();
    this.#order.end();
    this.#pump?.close();
    for (const delivery of this.#outstanding) {
      delivery.observed?.cut();
      this.#drop(delivery);
    }
  }

  #attemptFailed(delivery: Delivery, reason: LastError, retryAfterMs: number | undefined, nowMs: number): void {
    const { retryRules, random } = this.#context;
    this.#health.failed(reason, this.#context.clock);
    delivery.lastError = reason;
    // How long it has been tried, whatever the time of day is set to meanwhile.
    const elapsedMs = this.#context.clock.monotonicMs() - delivery.firstAttemptAtMs;
    const delayMs = nextRetryDelayMs(retryRules, { attempts: delivery.attempts, elapsedMs, retryAfterMs }, random);
    delivery.state = 'waiting';
    if (delayMs === undefined) this.#giveUp(delivery, reason, nowMs);
    else if (!this.#countAttempt(delivery, true)) {
      this.#queueIn(delivery, delayMs);
    }
    // Peers that refuse envelopes take events all the same (DIALECT-13).
    if (delivery.kind === 'event' && !this.#ended) this.#listener.onFailed();
  }

  /**
   * Counts towards suspension. Envelopes do not: peers that refuse them take events all the same (DIALECT-13). But for a gap
   * that the next event waits for: else nothing would end that.
   */
  #countAttempt({ kind }: Delivery, failed: boolean): boolean {
    const counts = kind === 'event' || (kind === 'gap' && this.#tellsInOrder);
    if (!counts || this.suspended || this.#ended) return this.suspended;
    if (!this.#health.count(this.#context.suspensionRules, failed, this.#context.clock)) return false;
    this.#suspendedSinceMs = this.#context.clock.monotonicMs();
    for (const waiting of this.#outstanding) {
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
    this.#countAttempt(delivery, true);
    if (event !== undefined) {
      const { id: subscriptionId, principal } = this.#subscriber;
      const { eventId, name, timestamp, dataJson, _meta, cursor } = event;
      const abandonedAt = new Date(nowMs).toISOString();
      const letter = { subscriptionId, principal, name, eventId, timestamp, dataJson, _meta, cursor };
      // Before the position moves past it.
      bury({ ...letter, attempts, reason, abandonedAt });
    }
    delivery.observed?.abandoned(reason, attempts, event !== undefined);
    if (event !== undefined && tellAbandoned) this.#miss(delivery);
    else {
      // Not one of the older dialect that was overtaken: the answer to a refresh tells what it was to tell.
      if (delivery === this.#order.envelope) this.#hold(this.cursor);
      this.#settle(delivery);
    }
  }

  /** An event will not be sent. Without positions there is none that the news could hold back, or name (ENV-03). */
  #miss(delivery: Delivery): void {
    const { place, event } = delivery;
    if (place === undefined || event === undefined || event.cursor === null) this.#settle(delivery);
    else if (this.#subscriber.dialect === 'sketch') {
      // Its peers do not take gaps (DIALECT-13, OP-11): the answer to their next refresh says it.
      this.#hold(this.cursor);
      this.#settle(delivery);
    } else {
      this.#drop(delivery);
      this.#order.miss(place);
      // What failed together is given up together, and an endpoint that just failed is not asked again at once.
      this.#tellMissing(this.#context.retryRules.firstDelayMs);
      this.#listener.onProgress();
      this.#resumePump();
      this.#takeTurn();
    }
  }

  /** One envelope tells of anything that is missing. */
  #tellMissing(delayMs: number): void {
    if (this.#order.envelope === undefined) this.#sendGap(delayMs);
  }

  #sendGap(delayMs: number): void {
    const envelope = new Delivery({ lane: this, kind: 'gap', webhookId: this.#envelopeId('gap') });
    this.#order.telling(envelope);
    this.#add(envelope, delayMs);
  }

  #hold(cursor: string | null, answered = false): void {
    this.#order.hold(cursor, answered, this.#context.clock.monotonicMs());
  }

  /**
   * The envelope on its way tells of the held gap as well, and a body that was sent once does not change any more
   * (DELIV-12): what else is missing needs another one.
   */
  #heldIsKnown(): void {
    this.#order.release();
    const envelope = this.#order.takeBackEnvelope();
    if (envelope !== undefined) {
      envelope.observed?.cut();
      this.#drop(envelope);
    }
    if (this.#order.missing.length > 0) this.#sendGap(0);
    this.#resumePump();
    this.#takeTurn();
  }

  /** The endpoint answers again, so it may take what it did not take before. */
  #tellHeldGap(): void {
    const { held, envelope } = this.#order;
    if (held === undefined || envelope !== undefined || this.#subscriber.dialect === 'sketch') return;
    // One that refuses envelopes only is not asked after each event (DIALECT-13).
    const triedForMs = this.#context.clock.monotonicMs() - held.triedAtMs;
    if (triedForMs >= this.#context.retryRules.maxDelayMs) this.#sendGap(0);
  }

  /** Acknowledged, refused for good or given up. */
  #settle(delivery: Delivery): void {
    this.#drop(delivery);
    if (delivery.kind === 'terminated') {
      this.#context.scheduler.leave(this.#flow);
      return;
    }
    if (delivery.place !== undefined) this.#order.settle(delivery.place);
    // The client knows of the gap, or says that it does not want to.
    if (delivery === this.#order.envelope && this.#order.told()) this.#sendGap(0);
    this.#listener.onProgress();
    this.#resumePump();
    this.#takeTurn();
  }

  #drop(delivery: Delivery): void {
    delivery.state = 'settled';
    if (delivery === this.#turn) this.#turn = undefined;
    this.#context.retries.cancel(delivery.retry);
    this.#outstanding.delete(delivery);
  }

  #add(delivery: Delivery, delayMs = 0): void {
    // Whatever was under way when it ended (DELIV-16).
    if (this.#ended && delivery.kind !== 'terminated') return;
    this.#outstanding.add(delivery);
    delivery.observed = this.#context.observer?.delivering(this.#subscriber, delivery);
    if (this.#ordered) this.#takeTurn(delayMs);
    else if (this.suspended) return;
    else if (delayMs === 0) this.queue(delivery);
    else this.#queueIn(delivery, delayMs);
  }

  /**
   * Where deliveries are sent one by one: begins with the next one when nothing of the one before is on its way any more.
   * What is missing is told first, since everything else that waits was behind it (ORDER-05).
   */
  #takeTurn(delayMs = 0): void {
    if (!this.#ordered || this.#turn !== undefined || this.#posting > 0 || this.suspended) return;
    if (this.#outstanding.first !== undefined && this.#needsTelling()) {
      this.#sendGap(this.#untilToldAgainMs());
      return;
    }
    this.#turn = this.#order.envelope ?? this.#outstanding.first;
    if (this.#turn === undefined) return;
    if (delayMs === 0) this.#goOnWith(this.#turn);
    else this.#queueIn(this.#turn, delayMs);
  }

  /** Whether no event may follow before the client knows what is missing: nothing tells of it at present. */
  #needsTelling(): boolean {
    return this.#tellsInOrder && this.#order.held !== undefined && this.#order.envelope === undefined;
  }

  /** Whether what is missing is told before anything else goes on: peers of the older dialect do not take gaps (DIALECT-13). */
  get #tellsInOrder(): boolean {
    return this.#ordered && this.#subscriber.dialect === 'final';
  }

  /** An endpoint that took no gap is not asked again at once. */
  #untilToldAgainMs(): number {
    const { held } = this.#order;
    const triedForMs = this.#context.clock.monotonicMs() - (held?.triedAtMs ?? 0);
    return Math.max(0, this.#context.retryRules.maxDelayMs - triedForMs);
  }

  /** Whether a gap would be told at its place only after events that wait: then it has to wait for them, too. */
  #isBeforeEvents(): boolean {
    return this.#ordered && this.#outstanding.count > (this.#order.envelope === undefined ? 0 : 1);
  }

  /** Not when it waits for its retry, or for its turn among other attempts. */
  #goOnWith(delivery: Delivery): void {
    if (delivery.state === 'waiting' && delivery.retry === undefined) this.queue(delivery);
  }

  /** Nothing waits any longer for what was put off because its endpoint did not take it: the client is back. */
  #hasten(delivery: Delivery): void {
    if (delivery.retry === undefined || this.suspended) return;
    this.#context.retries.cancel(delivery.retry);
    this.queue(delivery);
  }

  #queueIn(delivery: Delivery, delayMs: number): void {
    delivery.retry = this.#context.retries.addIn(delivery, delayMs);
  }

  /** Asks the scheduler for an attempt. */
  queue(delivery: Delivery): void {
    delivery.retry = undefined;
    delivery.state = 'queued';
    this.#context.scheduler.add(this.#flow, delivery);
  }

  #refuse(): false {
    this.#refusedEvent = true;
    return false;
  }

  #resumePump(): void {
    if (!this.#refusedEvent || this.suspended || !this.#outstanding.hasMuchRoom) return;
    this.#refusedEvent = false;
    this.#pump?.resume();
  }

  /** The same bytes for each attempt (OP-14). `undefined` when the event cannot be sent at all. */
  #bodyOf(delivery: Delivery): Uint8Array | undefined {
    const { event, kind, place } = delivery;
    const isGap = kind === 'gap';
    if (delivery.cursor === undefined) {
      delivery.cursor = isGap ? this.#order.cursorAfterMissing : this.#order.cursorWith(place);
    }
    const { cursor } = delivery;
    if (event === undefined) return Buffer.from(isGap ? this.#gapBody(cursor) : this.#terminatedBody());
    const body = occurrenceBody(event, cursor, place?.previous);
    if (body.byteLength <= MAX_BODY_BYTES) return body;
    const { name } = this.#subscriber;
    this.#context.warn(`event ${event.eventId} makes a body of ${body.byteLength} bytes, which is not sent`, name);
    delivery.observed?.refused('too_large');
    this.#notSent(delivery, 'too_large');
    this.#miss(delivery);
    return undefined;
  }

  #notSent({ event }: Delivery, reason: Refusal['reason']): void {
    if (event === undefined) return;
    this.#refusals ??= new Refusals();
    this.#refusals.add({ eventId: event.eventId, reason, atMs: this.#context.clock.now() });
  }

  #gapBody(cursor: string | null): string {
    return gapBody(cursor ?? '', this.#subscriber.dialect === 'final' ? this.#order.missing : []);
  }

  #terminatedBody(): string {
    return terminatedBody(this.#terminated as EventsError, this.#subscriber.dialect);
  }

  #envelopeId(type: 'gap' | 'terminated'): string {
    return `msg_${type}_${this.#context.createMessageId()}`;
  }
}

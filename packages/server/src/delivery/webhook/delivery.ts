import type { LastError } from '@mcp-events/protocol';
import type { Deadline } from '../../deadlines.ts';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { ObservedDelivery } from '../../observability/observedDelivery.ts';
import type { Place } from './deliveryOrder.ts';
import type { Job } from './scheduling/fairScheduler.ts';
import type { HostOutcome } from './scheduling/hostShare.ts';

/** What is posted: an event, or an envelope that stands for itself. */
export type DeliveryKind = 'event' | 'gap' | 'terminated';

/** What makes the attempts of a delivery. */
export interface DeliveryLane {
  /** Asks for an attempt. */
  queue(delivery: Delivery): void;
  /** Makes one, when it is the delivery's turn. */
  attempt(delivery: Delivery): Promise<HostOutcome>;
}

export interface DeliveryOptions {
  readonly lane: DeliveryLane;
  readonly kind: DeliveryKind;
  /** The same for each attempt (ENV-02, DIALECT-04, DIALECT-05). */
  readonly webhookId: string;
  /** Absent for what is sent outside the order. */
  readonly place?: Place | undefined;
  readonly event?: FeedEvent | undefined;
  /** Number of the dead letter this event was, if it is delivered again by hand. */
  readonly deadLetter?: number | undefined;
}

/** One message on its way to one subscriber, from its first attempt to its last. */
export class Delivery implements Job {
  readonly kind: DeliveryKind;
  readonly webhookId: string;
  readonly place: Place | undefined;
  readonly event: FeedEvent | undefined;
  readonly deadLetter: number | undefined;
  readonly #lane: DeliveryLane;
  /** The cursor it was first sent with, kept so that all attempts send equal bytes (DELIV-12). */
  cursor: string | null | undefined;
  attempts = 0;
  /** Why the last attempt failed. */
  lastError: LastError | undefined;
  /** What kept this machine from sending it, the last time it was tried; `undefined` when it was sent (DELIV-18). */
  localFault: string | undefined;
  /** Times in a row. */
  localFaults = 0;
  /** By the same clock: since when it cannot be sent. That time does not count. */
  #heldSinceMs: number | undefined;
  /** By a clock that nobody sets. Moved on by time in suspension, which does not count (DELIV-07). */
  firstAttemptAtMs = 0;
  retry: Deadline<Delivery> | undefined;
  observed: ObservedDelivery | undefined;
  /** `waiting` for its retry or for the end of a suspension. */
  state: 'queued' | 'sending' | 'waiting' | 'settled' = 'waiting';

  constructor({ lane, kind, webhookId, place, event, deadLetter }: DeliveryOptions) {
    this.#lane = lane;
    this.kind = kind;
    this.webhookId = webhookId;
    this.place = place;
    this.event = event;
    this.deadLetter = deadLetter;
  }

  /** An attempt begins. */
  sending(startMs: number): void {
    if (this.attempts++ === 0) this.firstAttemptAtMs = startMs;
  }

  /** The attempt did not get out of this machine: as if it had not been made (DELIV-18). */
  notSent(): void {
    this.attempts--;
  }

  /** It cannot be sent from here for now. */
  postponed(fault: string, startMs: number): void {
    this.localFault = fault;
    this.localFaults++;
    if (this.attempts > 0) this.#heldSinceMs ??= startMs;
  }

  /** The attempt that began then got out: time in which that was not possible does not count. */
  sent(startMs: number): void {
    if (this.localFaults === 0) return;
    if (this.#heldSinceMs !== undefined) this.firstAttemptAtMs += Math.max(0, startMs - this.#heldSinceMs);
    this.#heldSinceMs = undefined;
    this.localFault = undefined;
    this.localFaults = 0;
  }

  get cancelled(): boolean {
    return this.state === 'settled';
  }

  /** The time of its retry has come. */
  retryNow(): void {
    this.#lane.queue(this);
  }

  run(): Promise<HostOutcome> {
    return this.#lane.attempt(this);
  }
}

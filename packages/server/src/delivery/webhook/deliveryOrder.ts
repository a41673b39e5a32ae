import type { EventOrder } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { StoredSubscription } from '../../storage/subscriptionStore.ts';
import type { Delivery } from './delivery.ts';
import { orderPosition } from './messageBody.ts';
import { UntoldGaps } from './untoldGaps.ts';
import type { HeldGap } from './untoldGaps.ts';
import { Watermark } from './watermark.ts';

/** Where an event, or a gap, stands among what one subscription is sent. */
export interface Place extends EventOrder {
  /** Its place in the watermark. */
  readonly ticket: number;
}

/** What hands the subscription its events, and knows how far it has come. */
interface Source {
  readonly cursor: string | null;
}

/** What an earlier run left. */
type Restored = Pick<StoredSubscription, 'cursor' | 'settled' | 'gapAfter'>;

/** Positions of settled events beyond the watermark that are stored: a good part of what can lie between two acknowledgements. */
const MAX_SETTLED_STORED = 256;

/**
 * Deliveries one subscription may be ahead of its oldest outstanding one: half an hour at a hundred events a second, and
 * about two megabytes beside the positions, which subscriptions of one event type share.
 */
const MAX_AHEAD = 200_000;

/** Places at which something is missing that may wait for an envelope: about a megabyte. */
const MAX_UNTOLD = 4_096;

/**
 * The order in which one subscription's events are sent, and its two positions: the server's, up to which nothing is
 * outstanding, and the client's, which besides passes nothing that is missing without the client's knowing (G3).
 */
export class DeliveryOrder {
  #source: Source | undefined;
  /** Made with the first delivery, so that an idle subscription costs little. */
  #watermark: Watermark | undefined;
  /** Position of what was sent last; `null` before the first. */
  #previous: string | null = null;
  /** Made with the first gap. */
  #gaps: UntoldGaps | undefined;
  /** Until delivery goes on. What is stored meanwhile must not forget it. */
  #restored: Restored | undefined;
  /** Positions of events an earlier run had delivered beyond its watermark, and that this one did not reach yet. */
  #settledBefore: Set<string> | undefined;

  /** Where a later run goes on: nothing up to it is outstanding. */
  get position(): string | null {
    // The source may stand behind a gap that is not in its place yet.
    if (this.#restored !== undefined) return this.#restored.cursor;
    if (this.#watermark?.isClear === false) return this.#watermark.cursor;
    return this.#source?.cursor ?? null;
  }

  /** The position that is safe for the client (SUB-14): nothing up to it is outstanding, or missing without its knowing. */
  get cursor(): string | null {
    const held = this.#gaps?.held;
    return held === undefined ? this.position : held.cursor;
  }

  /**
   * The client's cursor before a gap that {@link position} has passed, and that it may not know of; `null` when there is
   * none. What an envelope on its way tells of lies after the position: a later run finds it in its place again.
   */
  get gapAfter(): string | null {
    return this.#restored?.gapAfter ?? this.held?.cursor ?? null;
  }

  /** Positions beyond {@link position} that a later run need not send again; bounded, so not always all. */
  get settled(): string[] {
    const settled = [...(this.#settledBefore ?? []), ...(this.#watermark?.settledBeyond(MAX_SETTLED_STORED) ?? [])];
    return settled.slice(0, MAX_SETTLED_STORED);
  }

  /** Whether the event at this position, which lies beyond {@link position}, was acknowledged or given up. */
  isSettledBeyond(position: string): boolean {
    return (
      this.#settledBefore?.has(position) === true ||
      this.#watermark?.settledBeyond(Infinity).includes(position) === true
    );
  }

  /**
   * Whether no more may be sent for now. Events are acknowledged while one before them is not, and each costs its place in
   * the watermark; likewise events are lost while no envelope is taken.
   */
  get isTooFarAhead(): boolean {
    return (this.#watermark?.span ?? 0) >= MAX_AHEAD || (this.#gaps?.size ?? 0) >= MAX_UNTOLD;
  }

  /** Takes over what an earlier run left. Before {@link attach}. */
  restore(restored: Restored): void {
    this.#restored = restored;
    if (restored.settled.length > 0) this.#settledBefore = new Set(restored.settled);
  }

  /** Connects what hands over the events; it stands before what is sent next. */
  attach(source: Source): void {
    this.#source = source;
  }

  /** Delivery goes on where an earlier run was. */
  goOn(): Restored | undefined {
    const restored = this.#restored;
    this.#restored = undefined;
    return restored;
  }

  /** @returns the place of an event to send; `undefined` when an earlier run has delivered it */
  begin(event: FeedEvent): Place | undefined {
    const place = this.#append(event.cursor, orderPosition(event));
    // One that was delivered has its place all the same: the endpoint knows it, and waits for what was before it.
    if (event.cursor === null || this.#settledBefore?.delete(event.cursor) !== true) return place;
    this.settle(place);
    return undefined;
  }

  /** Acknowledged, refused for good, or given up without a word. */
  settle({ ticket }: Place): void {
    this.#watermark?.settle(ticket);
  }

  /** The cursor to send with what has this place, or with what has none. */
  cursorWith(place: Place | undefined): string | null {
    if (place === undefined || this.#gaps?.held !== undefined) return this.cursor;
    return this.#watermark?.cursorFor(place.ticket) ?? null;
  }

  /** Whether the client may not know yet that something is missing. */
  get owesGap(): boolean {
    return this.envelope !== undefined || this.held !== undefined;
  }

  /** The gap envelope on its way. */
  get envelope(): Delivery | undefined {
    return this.#gaps?.envelope;
  }

  /** What no envelope could tell. */
  get held(): HeldGap | undefined {
    return this.#gaps?.held;
  }

  /** Places that the envelope on its way names. */
  get missing(): readonly EventOrder[] {
    return this.#gaps?.missing ?? [];
  }

  /** The cursor to send with the envelope on its way: whoever takes it may go on behind what it tells of. */
  get cursorAfterMissing(): string | null {
    return this.#watermark?.cursorAfter(this.#gaps?.tickets ?? []) ?? this.#source?.cursor ?? null;
  }

  /** What has this place will not be sent: positions wait there until the client was told. */
  miss({ ticket, position, previous }: Place): void {
    this.#ensureGaps().add({ ticket, orders: [{ position, previous }] });
  }

  /**
   * Events up to `position` are missing. Whoever puts events in order has to wait for that news as for an event, so it has
   * a place of its own.
   *
   * @param passed acknowledged positions before it, which are named along
   */
  missUpTo(position: string, passed: readonly string[] = []): void {
    const { ticket, previous } = this.#append(position, position);
    const first = passed.map((acknowledged) => ({ position: acknowledged, previous: null }));
    this.#ensureGaps().add({ ticket, orders: [...first, { position, previous }] });
  }

  /** An envelope is on its way, which tells of everything that is missing. */
  telling(envelope: Delivery): void {
    this.#ensureGaps().envelope = envelope;
  }

  /** The client knows what the envelope tells of. @returns whether something is missing that needs another one */
  told(): boolean {
    const { settled, needsAnother } = this.#ensureGaps().taken();
    this.#settleTickets(settled);
    return needsAnother;
  }

  /**
   * No envelope tells of what is missing after `cursor`: the client's cursor stays there instead.
   *
   * @param answered whether the answer to a refresh need not tell it
   */
  hold(cursor: string | null, answered: boolean, nowMs: number): void {
    this.#settleTickets(this.#ensureGaps().hold(cursor, answered, nowMs));
  }

  /** The client was told of the held gap in another way. */
  release(): void {
    this.#gaps?.release();
  }

  /** @returns the envelope on its way, which is not to tell of anything any more */
  takeBackEnvelope(): Delivery | undefined {
    return this.#gaps?.takeBack();
  }

  /** Nothing is sent, or told, any more. */
  end(): void {
    this.#gaps = undefined;
  }

  #ensureGaps(): UntoldGaps {
    return (this.#gaps ??= new UntoldGaps());
  }

  #settleTickets(tickets: readonly number[]): void {
    for (const ticket of tickets) this.#watermark?.settle(ticket);
  }

  /** @param cursor the source's position behind it, `null` where there are none */
  #append(cursor: string | null, position: string): Place {
    const before = this.#source?.cursor ?? null;
    if (this.#watermark === undefined) this.#watermark = new Watermark(before);
    else if (this.#watermark.isClear) this.#watermark.advance(before);
    const place = { ticket: this.#watermark.begin(cursor), position, previous: this.#previous };
    this.#previous = position;
    return place;
  }
}

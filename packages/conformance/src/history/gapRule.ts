import type { Calm } from './calm.ts';
import { CoveredEvents } from './coveredEvents.ts';
import type { EventTable, KnownEvent } from './eventTable.ts';
import type { BegunFact, Fact, LossCauseFact, ReceivedFact } from './facts.ts';
import { concerns } from './facts.ts';
import { LeftOut } from './leftOut.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import { StoredPosition } from './storedPosition.ts';
import type { Evidence, Violation } from './verdict.ts';

interface Told {
  begun: Evidence & { readonly fact: BegunFact };
  /** Where the subscription stands, by what it received. */
  position: number | undefined;
  /** Since which fact it stood where, in their order. */
  readonly stood: { readonly index: number; readonly position: number | undefined }[];
  /** Index of the latest gap, when it arrived. */
  latest: number;
  /** The same of the gap before it. The same loss may be told twice, as an answer and as a message. */
  before: number;
  /** Of a webhook subscription: where its server stands at the least. */
  stored: StoredPosition;
  /** An answer told a gap, and its client has not asked since: nobody at the server knows whether it got that answer. */
  isAnswered: boolean;
  /** The server has begun anew since, and tells it once more. */
  isToldAgain: boolean;
  readonly leftOut: LeftOut;
  readonly covered: CoveredEvents;
}

/** A gap is told for a reason: everything else would make applications do work for nothing, and hide what was lost. */
export class GapRule implements Rule {
  readonly kind = 'gap';
  /** Messages that would have needed a cause to tell of a gap. */
  examined = 0;
  readonly #violations: Violation[] = [];
  readonly #table: EventTable;
  readonly #calm: Calm;
  readonly #told = new Map<string, Told>();
  /** Of each fact, the latest time that any had told by then. */
  readonly #timesMs: number[] = [];
  readonly #causes: { readonly fact: LossCauseFact; readonly index: number }[] = [];
  #causesAreTold = false;
  /** Of anything that may have interrupted a beginning; `Infinity` while it goes on. */
  #interruptedIndex = -1;

  constructor(table: EventTable, calm: Calm) {
    this.#table = table;
    this.#calm = calm;
  }

  get violations(): readonly Violation[] {
    const open = [...this.#told.values()].flatMap((told) => told.leftOut.open.map((gap) => violation(told, gap)));
    return [...this.#violations, ...open];
  }

  take(fact: Fact, index: number): void {
    this.#timesMs[index] = this.#calm.nowMs;
    this.#lookForInterruptions(fact, index);
    if (fact.fact === 'calm') this.#causesAreTold = true;
    else if (fact.fact === 'lossCause') this.#causes.push({ fact, index });
    else if (fact.fact === 'begun') this.#begun(fact, index);
    else if (fact.fact === 'restored') this.#restored(index);
    else if (fact.fact === 'received') this.#received(fact, index);
    else if (fact.fact === 'handed') this.#handed(fact.subscription, fact.eventId);
    else if (fact.fact === 'ended') this.#told.get(fact.subscription)?.covered.forgone();
    else if (fact.fact === 'settled') this.#settled(fact.subscription);
    else if (fact.fact === 'acknowledging' || fact.fact === 'committed') {
      const event = this.#table.get(fact.eventId);
      const leftOut = this.#told.get(fact.subscription)?.leftOut;
      if (event !== undefined && fact.fact === 'acknowledging') leftOut?.keeping(event);
      else if (event !== undefined) leftOut?.kept(event);
    } else if (fact.fact === 'killed' || fact.fact === 'started') this.#restarted(fact.process, index);
  }

  /** A subscription that has no position yet has nothing to go on from after an interruption. */
  #lookForInterruptions({ fact, ...members }: Fact, index: number): void {
    if (fact === 'calm') this.#interruptedIndex = index;
    else if (fact === 'disturbed') this.#interruptedIndex = 'subscription' in members ? index : Infinity;
    else if (fact === 'killed' || fact === 'started') this.#interruptedIndex = Math.max(this.#interruptedIndex, index);
  }

  #begun(fact: BegunFact, index: number): void {
    const begun = { fact, index };
    const position = this.#table.positionOf(fact.type, fact.cursor);
    const known = this.#told.get(fact.subscription);
    const stored = new StoredPosition(position);
    if (known === undefined) {
      const leftOut = new LeftOut();
      const covered = new CoveredEvents();
      const stood = [{ index, position }];
      this.#told.set(fact.subscription, {
        begun,
        position,
        stood,
        latest: -1,
        before: -1,
        stored,
        isAnswered: false,
        isToldAgain: false,
        leftOut,
        covered,
      });
    } else {
      // One that goes on without a position had none that was stored: what it was told of another does not count.
      Object.assign(known, { begun, stored, isAnswered: false, isToldAgain: false });
      stands(known, position, index);
      known.leftOut.restarted();
      if (fact.cursor === null && fact.resumes !== true) known.covered.forgone();
    }
  }

  #restarted(process: string, index: number): void {
    let isServer = true;
    for (const { begun, leftOut } of this.#told.values()) {
      if (begun.fact.process !== process) continue;
      isServer = false;
      leftOut.restarted();
    }
    if (!isServer) return;
    for (const told of this.#told.values()) {
      if (told.begun.fact.mode !== 'webhook') continue;
      told.stored.passed(this.#calm.nowMs, this.#calm.sinceMs());
      told.isToldAgain = told.isAnswered;
      stands(told, told.stored.restarted() ?? told.position, index);
    }
  }

  /** The server goes on from where its copy was, which may be before anything that a webhook subscription was given. */
  #restored(index: number): void {
    for (const told of this.#told.values()) {
      if (told.begun.fact.mode !== 'webhook') continue;
      told.stored = new StoredPosition(undefined);
      stands(told, undefined, index);
    }
  }

  #tellsOfMissing(told: Told, { cursor }: ReceivedFact): boolean {
    const { fact } = told.begun;
    const position = this.#table.positionOf(fact.type, cursor);
    if (position === undefined) return false;
    return told.leftOut.told(position, this.#table.wantedBy(fact), (one) => this.#mayBeLost(told, one));
  }

  #handed(subscription: string, eventId: string): void {
    const told = this.#told.get(subscription);
    const event = this.#table.get(eventId);
    if (told === undefined || event === undefined) return;
    told.covered.handed(event);
    const wanted = this.#table.wantedBy(told.begun.fact);
    const needless = told.leftOut.handed(event, wanted, (one) => this.#mayBeLost(told, one));
    for (const gap of needless) this.#violations.push(violation(told, gap));
  }

  #received(fact: ReceivedFact, index: number): void {
    const told = this.#told.get(fact.subscription);
    if (told === undefined) return;
    if (this.#causesAreTold) this.examined++;
    if (fact.gap === true) {
      const evidence = { fact, index };
      const arrival = this.#arrivalOf(fact, index);
      const isExplained = !this.#causesAreTold || told.isToldAgain || this.#hasCause(told, fact, arrival);
      if (fact.note !== 'subscribe') told.isToldAgain = false;
      let isNeedless = false;
      // A client that found it by itself says no position, and what comes next shows what is missing.
      if (told.begun.fact.mode !== 'webhook') isNeedless = !isExplained;
      else if (fact.cursor === null) told.leftOut.gap(evidence, isExplained);
      else isNeedless = !this.#tellsOfMissing(told, fact) && !isExplained;
      if (isNeedless) this.#violations.push(violation(told, evidence));
      else if (this.#causesAreTold) told.covered.covered(this.#coveredForNothing(told, fact), evidence);
      // An answer is taken before what waited for it.
      const [, before = -1, latest = index] = [told.before, told.latest, arrival].toSorted((a, b) => a - b);
      if (!this.#goesFurther(told, fact)) Object.assign(told, { before, latest });
    }
    if (fact.note === 'subscribe') told.isAnswered = fact.gap === true;
    const position = this.#table.positionOf(told.begun.fact.type, fact.cursor);
    // What was told for an earlier one says nothing of where this one goes on.
    if (position === undefined || fact.ofEarlier === true) return;
    stands(told, Math.max(told.position ?? -Infinity, position), index);
    if (told.begun.fact.mode !== 'webhook') return;
    const { nowMs } = this.#calm;
    told.stored.passed(nowMs, this.#calm.sinceMs());
    told.stored.received(position, nowMs, fact.note === 'subscribe');
  }

  /**
   * Index of the last fact before a gap arrived: what happened since then may be the cause of the next one. Of what happened in
   * the same millisecond nobody knows whether it was before.
   */
  #arrivalOf({ arrivedMs }: ReceivedFact, index: number): number {
    if (arrivedMs === undefined) return index;
    let low = 0;
    let high = index;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timesMs[middle] as number) < arrivedMs) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /**
   * Until a message of it is acknowledged, each answer tells a loss that goes further than the one before it did: the client
   * said where it stood when it asked, and knows of no more (ORDER-05).
   */
  #goesFurther({ begun, position }: Told, { cursor, note }: ReceivedFact): boolean {
    if (begun.fact.mode !== 'webhook' || note !== 'subscribe') return false;
    return (this.#table.positionOf(begun.fact.type, cursor) ?? -Infinity) > (position ?? Infinity);
  }

  /** By webhook a gap covers more than what is up to its cursor. */
  #coveredForNothing({ begun, position, leftOut }: Told, { cursor, events = [] }: ReceivedFact): KnownEvent[] {
    const upTo = this.#table.positionOf(begun.fact.type, cursor);
    if (position === undefined || upTo === undefined || begun.fact.mode === 'webhook') return [];
    return this.#table
      .wantedBy(begun.fact)
      .filter(
        (one) =>
          (one.position as number) > position &&
          (one.position as number) <= upTo &&
          !events.includes(one.id) &&
          !leftOut.wasHanded(one) &&
          !this.#canBeLost(begun.fact, one),
      );
  }

  #canBeLost(begun: BegunFact, { id, position, emitting }: KnownEvent): boolean {
    return this.#causes.some(({ fact, index }) => {
      if (!concerns(fact, begun)) return false;
      if (fact.eventId !== undefined) return fact.eventId === id;
      if (fact.upTo === undefined) return index > emitting.index;
      return (position as number) <= (this.#table.positionOf(begun.type, fact.upTo) ?? Infinity);
    });
  }

  #settled(only: string | undefined): void {
    for (const [subscription, { begun, covered }] of this.#told) {
      if ((only ?? subscription) !== subscription) continue;
      for (const [{ id: eventId, emitting }, gap] of covered.settled()) {
        const message = `${subscription} was not given ${eventId}, which nothing can have lost, and was told of a gap for something else`;
        const evidence = inOrder([begun, emitting, gap]);
        this.#violations.push({ kind: 'gap', subscription, eventId, message, evidence });
      }
    }
  }

  /** Whether anything happened since it was emitted that may have kept an event from a subscription. */
  #mayBeLost(told: Told, event: KnownEvent): boolean {
    return this.#causes.some(
      ({ fact, index }) =>
        fact.upTo === undefined &&
        (fact.eventId === undefined || fact.eventId === event.id) &&
        index > event.emitting.index &&
        concerns(fact, told.begun.fact),
    );
  }

  /**
   * Where it stood when a gap arrived, at the least: the answer that the gap waited for may say a later position, and in its
   * millisecond its server may have begun anew, further back.
   */
  #stoodAt({ begun, stood }: Told, { arrivedMs = -Infinity }: ReceivedFact, arrival: number): number | undefined {
    const since = Math.max(arrival, begun.index);
    const first = stood.findLastIndex(({ index }) => index <= since);
    const positions = stood
      .slice(Math.max(0, first))
      .filter(({ index }, nth) => nth === 0 || (this.#timesMs[index] as number) <= arrivedMs)
      .map(({ position }) => position ?? -Infinity);
    const least = Math.min(...positions);
    return least === -Infinity ? undefined : least;
  }

  #hasCause(told: Told, fact: ReceivedFact, arrival: number): boolean {
    const { begun, before } = told;
    const { cursor } = fact;
    const position = this.#stoodAt(told, fact, arrival);
    if (position === undefined && this.#interruptedIndex > begun.index) return true;
    return this.#causes.some(({ fact, index }) => {
      if (!concerns(fact, begun.fact)) return false;
      const beyond = this.#table.positionOf(begun.fact.type, fact.beyond);
      if (beyond !== undefined && (position ?? Infinity) <= beyond) return false;
      const lost = fact.eventId === undefined ? undefined : this.#table.get(fact.eventId)?.position;
      // Several may be lost at once, and each is told at its place. Posts overtake each other.
      if (lost !== undefined) {
        const until = this.#table.positionOf(begun.fact.type, cursor) ?? Infinity;
        const isTold = (position ?? -Infinity) < lost && lost <= until;
        if (isTold || begun.fact.mode !== 'webhook') return isTold;
      }
      if (fact.isOfEach === true && begun.fact.mode !== 'webhook' && index <= before) {
        const until = this.#table.positionOf(begun.fact.type, cursor) ?? Infinity;
        return this.#table
          .wantedBy(begun.fact)
          .some((one) => isBetween(one, position ?? -Infinity, until) && one.emitting.index < index);
      }
      if (fact.upTo === undefined) return index > before;
      return (position ?? -Infinity) < (this.#table.positionOf(begun.fact.type, fact.upTo) ?? Infinity);
    });
  }
}

function isBetween({ position }: KnownEvent, after: number, until: number): boolean {
  return position !== undefined && position > after && position <= until;
}

function stands(told: Told, position: number | undefined, index: number): void {
  if (position === told.position) return;
  told.position = position;
  told.stood.push({ index, position });
}

function violation({ begun }: Told, gap: Evidence): Violation {
  const { subscription } = begun.fact;
  const message = `${subscription} was told of a gap, and nothing can have been lost`;
  return { kind: 'gap', subscription, message, evidence: inOrder([begun, gap]) };
}

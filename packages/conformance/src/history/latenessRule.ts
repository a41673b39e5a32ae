import type { Calm } from './calm.ts';
import type { EventTable, KnownEvent } from './eventTable.ts';
import type { BegunFact, Fact, ReceivedFact } from './facts.ts';
import { isFor } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

interface Awaiting {
  readonly begun: BegunFact;
  readonly withinMs: number;
  /** Emitted since it stands, and not arrived, with the time since when it is due; `Infinity` as long as it is not. */
  readonly events: Map<KnownEvent, number>;
  /** Arrived before their emit was answered, as that is told by another process. */
  readonly early: Set<KnownEvent>;
  /** The server's promise ends then: whoever did not ask again waits for nothing. */
  grantedUntilMs: number;
  /** Where it stands; `undefined` until it was told. */
  start: number | undefined;
  /** Whether something happened since its last grant that may have made the server wait for its client. */
  isTroubled: boolean;
  /** The server waits for its client: nothing comes. */
  waits: boolean;
}

/** What is emitted while nothing is disturbed arrives within the time that was stated; a gap counts as an arrival. */
export class LatenessRule implements Rule {
  readonly kind = 'late';
  /** Events that were waited for while nothing was disturbed. */
  examined = 0;
  readonly violations: Violation[] = [];
  readonly #table: EventTable;
  readonly #calm: Calm;
  readonly #awaiting = new Map<string, Awaiting>();

  constructor(table: EventTable, calm: Calm) {
    this.#table = table;
    this.#calm = calm;
  }

  take(fact: Fact, index: number): void {
    if (fact.at !== undefined) this.#judge({ fact, index });
    switch (fact.fact) {
      case 'begun':
        this.#begun(fact);
        break;
      case 'granted': {
        const awaiting = this.#awaiting.get(fact.subscription);
        if (awaiting === undefined) break;
        awaiting.grantedUntilMs = fact.refreshBeforeMs ?? Infinity;
        if (fact.perhaps !== true) this.#granted(awaiting);
        break;
      }
      case 'lossCause':
        for (const [subscription, awaiting] of this.#awaiting) {
          const { process } = awaiting.begun;
          if (fact.subscription === subscription || fact.process === process) awaiting.isTroubled = true;
        }
        break;
      case 'disturbed':
        if (fact.subscription !== undefined && fact.untilGranted !== undefined)
          this.#waits(fact.subscription, fact.untilGranted);
        break;
      case 'emitted':
        this.#emitted(fact.eventId, index);
        break;
      case 'received':
        for (const eventId of fact.events ?? []) this.#arrived(fact.subscription, eventId);
        this.#received(fact);
        break;
      case 'handed':
        this.#arrived(fact.subscription, fact.eventId);
        break;
      case 'ended':
        this.#awaiting.delete(fact.subscription);
        break;
      case 'restored':
        // A webhook waits for nothing until it has asked again: the server need not know it.
        for (const awaiting of this.#awaiting.values()) {
          for (const event of awaiting.events.keys()) if (event.gone) awaiting.events.delete(event);
          if (awaiting.begun.mode === 'webhook') awaiting.grantedUntilMs = -Infinity;
        }
        break;
      case 'killed':
        for (const [subscription, { begun }] of this.#awaiting) {
          if (begun.process === fact.process) this.#awaiting.delete(subscription);
        }
        break;
      default:
    }
  }

  #begun(fact: BegunFact): void {
    if (fact.withinMs === undefined) return;
    const { events, early } = this.#awaiting.get(fact.subscription) ?? {
      events: new Map<KnownEvent, number>(),
      early: new Set<KnownEvent>(),
    };
    const { withinMs } = fact;
    const start = this.#table.positionOf(fact.type, fact.cursor);
    this.#awaiting.set(fact.subscription, {
      begun: fact,
      withinMs,
      events,
      early,
      grantedUntilMs: Infinity,
      start,
      isTroubled: false,
      waits: false,
    });
  }

  /** A server that waits without a reason excuses nothing. */
  #waits(subscription: string, what: 'all' | 'emitted'): void {
    const awaiting = this.#awaiting.get(subscription);
    if (awaiting?.isTroubled !== true) return;
    if (what === 'all') awaiting.waits = true;
    for (const event of awaiting.events.keys()) awaiting.events.set(event, Infinity);
  }

  #granted(awaiting: Awaiting): void {
    awaiting.isTroubled = false;
    awaiting.waits = false;
    for (const [event, emittedMs] of awaiting.events) {
      if (emittedMs === Infinity) awaiting.events.set(event, this.#calm.nowMs);
    }
  }

  #emitted(eventId: string, index: number): void {
    const event = this.#table.answeredAt(eventId, index);
    if (event === undefined) return;
    for (const { begun, events, early, waits } of this.#awaiting.values()) {
      if (begun.type !== event.type || !isFor(begun, event.content)) continue;
      if (this.#calm.sinceMs(begun.subscription) < Infinity) this.examined++;
      if (!early.delete(event)) events.set(event, waits ? Infinity : this.#calm.nowMs);
    }
  }

  #arrived(subscription: string, eventId: string): void {
    const event = this.#table.get(eventId);
    const awaiting = this.#awaiting.get(subscription);
    if (event === undefined || awaiting === undefined) return;
    if (!awaiting.events.delete(event)) awaiting.early.add(event);
  }

  #received({ subscription, cursor, gap }: ReceivedFact): void {
    const awaiting = this.#awaiting.get(subscription);
    if (awaiting === undefined) return;
    const { begun, events } = awaiting;
    const position = this.#table.positionOf(begun.type, cursor);
    const isFirst = awaiting.start === undefined;
    awaiting.start ??= position;
    if (gap !== true && !isFirst) return;
    for (const event of events.keys()) {
      const isPassed = position === undefined ? gap === true : (event.position ?? -Infinity) <= position;
      if (isPassed || (gap === true && begun.mode === 'webhook')) events.delete(event);
    }
  }

  #judge(evidence: Evidence): void {
    const { nowMs } = this.#calm;
    for (const [subscription, { begun, withinMs, events, grantedUntilMs, start }] of this.#awaiting) {
      if (start === undefined) continue;
      const sinceMs = this.#calm.sinceMs(subscription);
      for (const [event, emittedMs] of events) {
        // Tried again after its wait.
        const { againWithinMs = 0, waitsForRetries = false } = begun;
        const againMs = emittedMs < sinceMs || waitsForRetries ? sinceMs + againWithinMs : sinceMs;
        const deadlineMs = Math.max(emittedMs, againMs) + withinMs;
        if (nowMs <= deadlineMs) continue;
        events.delete(event);
        if (grantedUntilMs <= deadlineMs) continue;
        const message = `${subscription} was not given ${event.id} within ${withinMs} ms`;
        const shown = inOrder([event.answered, evidence]);
        this.violations.push({ kind: 'late', subscription, eventId: event.id, message, evidence: shown });
      }
    }
  }
}

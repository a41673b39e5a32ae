import type { EventTable } from './eventTable.ts';
import { isFor } from './facts.ts';
import type { BegunFact, EndedFact, Fact } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

/** What was on its way when the end was answered may still arrive, for so long, unless the end says otherwise. */
export const END_GRACE_MS = 30_000;

interface End extends Evidence {
  readonly fact: EndedFact;
  readonly atMs: number;
  /** Something it would have wanted was emitted since. */
  isTested: boolean;
}

/** After the end of a subscription nothing of it is handed out, and nothing arrives once the end is final. */
export class EndRule implements Rule {
  readonly kind = 'ended';
  /** Ends after which there was something that must not come. */
  examined = 0;
  readonly violations: Violation[] = [];
  readonly #table: EventTable;
  readonly #begun = new Map<string, BegunFact>();
  readonly #ends = new Map<string, End>();
  /** By subscription, what its application kept before its end, and may still be at. */
  readonly #kept = new Map<string, Set<string>>();
  #nowMs = 0;

  constructor(table: EventTable) {
    this.#table = table;
  }

  take(fact: Fact, index: number): void {
    this.#nowMs = Math.max(this.#nowMs, fact.at ?? 0);
    if (fact.fact === 'begun') this.#began(fact);
    // The server that was restored need not know of an end that was later than the copy.
    else if (fact.fact === 'restored') this.#ends.clear();
    else if (fact.fact === 'ended') this.#ended(fact, index);
    else if (fact.fact === 'emitted') this.#emitted(fact.eventId, index);
    else if (fact.fact === 'handed') this.#arrived(fact.subscription, fact.eventId, true, { fact, index });
    else if (fact.fact === 'received' && (fact.events?.length ?? 0) > 0) {
      this.#arrived(fact.subscription, fact.events?.[0], false, { fact, index });
      if (fact.kept === true) this.#keep(fact.subscription, fact.events ?? []);
    }
  }

  #began(fact: BegunFact): void {
    this.#begun.set(fact.subscription, fact);
    this.#ends.delete(fact.subscription);
  }

  #emitted(eventId: string, index: number): void {
    const event = this.#table.answeredAt(eventId, index);
    for (const [subscription, end] of this.#ends) {
      const begun = this.#begun.get(subscription);
      if (end.isTested || begun === undefined || event?.type !== begun.type) continue;
      if (!isFor(begun, event.content)) continue;
      end.isTested = true;
      this.examined++;
    }
  }

  #ended(fact: EndedFact, index: number): void {
    if (fact.how === 'forgotten' || (fact.how !== 'told' && fact.final !== true)) return;
    if (this.#ends.has(fact.subscription)) return;
    this.#ends.set(fact.subscription, { fact, index, atMs: this.#nowMs, isTested: false });
  }

  /** What arrives after the end is reported as it arrives. */
  #keep(subscription: string, events: readonly string[]): void {
    const kept = this.#kept.get(subscription) ?? new Set();
    for (const eventId of events) kept.add(eventId);
    this.#kept.set(subscription, kept);
  }

  #arrived(subscription: string, eventId: string | undefined, isHanded: boolean, evidence: Evidence): void {
    const end = this.#ends.get(subscription);
    if (end === undefined) return;
    if (isHanded && eventId !== undefined && this.#kept.get(subscription)?.has(eventId) === true) return;
    const event = eventId === undefined ? undefined : this.#table.get(eventId);
    if (isHanded && end.fact.handsOutReceived === true && (event?.emitting.index ?? Infinity) < end.index) return;
    const graceMs = isHanded ? 0 : (end.fact.graceMs ?? END_GRACE_MS);
    if (this.#nowMs - end.atMs < graceMs) return;
    const message = `${subscription} was given ${eventId} after its end`;
    this.violations.push({ kind: 'ended', subscription, eventId, message, evidence: inOrder([end, evidence]) });
  }
}

import type { EndedFact, Fact } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

/** What was on its way when the end was answered may still arrive, for so long. */
export const END_GRACE_MS = 30_000;

interface End extends Evidence {
  readonly fact: EndedFact;
  readonly atMs: number;
}

/** After the end of a subscription nothing of it is handed out, and nothing arrives once the end is final. */
export class EndRule implements Rule {
  readonly violations: Violation[] = [];
  readonly #ends = new Map<string, End>();
  #nowMs = 0;

  take(fact: Fact, index: number): void {
    this.#nowMs = Math.max(this.#nowMs, fact.at ?? 0);
    if (fact.fact === 'begun') this.#ends.delete(fact.subscription);
    else if (fact.fact === 'ended') this.#ended(fact, index);
    else if (fact.fact === 'handed') this.#arrived(fact.subscription, fact.eventId, 0, { fact, index });
    else if (fact.fact === 'received' && (fact.events?.length ?? 0) > 0) {
      this.#arrived(fact.subscription, fact.events?.[0], END_GRACE_MS, { fact, index });
    }
  }

  #ended(fact: EndedFact, index: number): void {
    if (fact.how === 'forgotten' || (fact.how === 'asked' && fact.final !== true)) return;
    if (!this.#ends.has(fact.subscription)) this.#ends.set(fact.subscription, { fact, index, atMs: this.#nowMs });
  }

  #arrived(subscription: string, eventId: string | undefined, graceMs: number, evidence: Evidence): void {
    const end = this.#ends.get(subscription);
    if (end === undefined || this.#nowMs - end.atMs < graceMs) return;
    const message = `${subscription} was given ${eventId} after its end`;
    this.violations.push({ kind: 'ended', subscription, eventId, message, evidence: inOrder([end, evidence]) });
  }
}

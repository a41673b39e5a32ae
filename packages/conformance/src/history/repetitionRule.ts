import type { Calm } from './calm.ts';
import type { Fact } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

/** An event arrives once, and once more for each time that its arrival, or the subscription, was disturbed since. */
export class RepetitionRule implements Rule {
  readonly kind = 'repetition';
  /** Arrivals that must not happen again, unless something is disturbed after them. */
  examined = 0;
  readonly violations: Violation[] = [];
  readonly #calm: Calm;
  readonly #arrived = new Map<string, Evidence>();
  /** By subscription, what the server has stored as acknowledged. */
  readonly #stored = new Map<string, Map<string, Evidence>>();

  constructor(calm: Calm) {
    this.#calm = calm;
  }

  take(fact: Fact, index: number): void {
    if (fact.fact === 'stored') {
      const known = this.#stored.get(fact.subscription) ?? new Map<string, Evidence>();
      for (const eventId of fact.events) known.set(eventId, { fact, index });
      this.#stored.set(fact.subscription, known);
    } else if (fact.fact === 'begun' || fact.fact === 'ended') this.#stored.delete(fact.subscription);
    else if (fact.fact === 'restored') this.#stored.clear();
    if (fact.fact !== 'received') return;
    const { subscription } = fact;
    for (const eventId of fact.events ?? []) {
      const stored = this.#stored.get(subscription)?.get(eventId);
      if (stored !== undefined) {
        const message = `${subscription} received ${eventId} again, which was stored as acknowledged`;
        this.violations.push({
          kind: 'repetition',
          subscription,
          eventId,
          message,
          evidence: [stored, { fact, index }],
        });
      }
      const key = JSON.stringify([subscription, eventId]);
      const before = this.#arrived.get(key);
      this.#arrived.set(key, { fact, index });
      if (this.#calm.sinceMs(subscription) < Infinity) this.examined++;
      if (before === undefined || this.#calm.isDisturbedSince(subscription, before.index)) continue;
      const message = `${subscription} received ${eventId} again, and nothing was disturbed`;
      const evidence = inOrder([before, { fact, index }]);
      this.violations.push({ kind: 'repetition', subscription, eventId, message, evidence });
    }
  }
}

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

  constructor(calm: Calm) {
    this.#calm = calm;
  }

  take(fact: Fact, index: number): void {
    if (fact.fact !== 'received') return;
    const { subscription } = fact;
    for (const eventId of fact.events ?? []) {
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

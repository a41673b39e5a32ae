import type { Fact } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

/** A subscription that knew its position goes on from it: nobody begins from now unless the application asks for it. */
export class StartRule implements Rule {
  readonly kind = 'position';
  /** Beginnings that were to go on from a position. */
  examined = 0;
  readonly violations: Violation[] = [];
  /** Where each subscription was first given a position. */
  readonly #positions = new Map<string, Evidence>();

  take(fact: Fact, index: number): void {
    if (fact.fact === 'ended') this.#positions.delete(fact.subscription);
    else if (fact.fact === 'committed' && !this.#positions.has(fact.subscription)) {
      this.#positions.set(fact.subscription, { fact, index });
    } else if (fact.fact === 'begun') {
      const known = this.#positions.get(fact.subscription);
      if (fact.resumes === true && known !== undefined) this.examined++;
      if (fact.cursor !== null) return;
      if (fact.resumes !== true) this.#positions.delete(fact.subscription);
      else if (known !== undefined) {
        const message = `${fact.subscription} began from now, though it was to go on from what it had kept`;
        const evidence = inOrder([known, { fact, index }]);
        this.violations.push({ kind: 'position', subscription: fact.subscription, message, evidence });
      }
    }
  }
}

import type { Fact } from './facts.ts';
import type { Rule } from './rule.ts';
import type { Violation } from './verdict.ts';

const NEEDED = ['emitted', 'begun', 'handed', 'settled'] as const satisfies readonly Fact['fact'][];

/** A history in which nothing happened shows nothing, whatever was to be found. */
export class EmptinessRule implements Rule {
  readonly kind = 'empty';
  readonly examined = 1;
  readonly #missing = new Set<Fact['fact']>(NEEDED);

  get violations(): readonly Violation[] {
    if (this.#missing.size === 0) return [];
    const message = `the history shows nothing: there is no fact of the kind ${[...this.#missing].join(', ')}`;
    return [{ kind: 'empty', message, evidence: [] }];
  }

  take({ fact }: Fact): void {
    this.#missing.delete(fact);
  }
}

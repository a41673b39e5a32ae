import type { Fact } from './facts.ts';
import type { Evidence, Violation } from './verdict.ts';

/** Looks at the facts of a history one after the other, for one kind of violation. */
export interface Rule {
  readonly violations: readonly Violation[];
  take(fact: Fact, index: number): void;
}

/** In the order of the history. */
export function inOrder(evidence: readonly (Evidence | undefined)[]): Evidence[] {
  return evidence.filter((one) => one !== undefined).toSorted((a, b) => a.index - b.index);
}

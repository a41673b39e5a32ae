import type { Fact } from './facts.ts';
import type { Evidence, Violation, ViolationKind } from './verdict.ts';

/** Looks at the facts of a history one after the other, for one kind of violation. */
export interface Rule {
  readonly kind: ViolationKind;
  /** In how many places a violation would have been seen: a rule that looked at nothing says nothing. */
  readonly examined: number;
  readonly violations: readonly Violation[];
  take(fact: Fact, index: number): void;
}

/** In the order of the history. */
export function inOrder(evidence: readonly (Evidence | undefined)[]): Evidence[] {
  return evidence.filter((one) => one !== undefined).toSorted((a, b) => a.index - b.index);
}

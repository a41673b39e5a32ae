import type { EventTable } from './eventTable.ts';
import type { BegunFact, Fact, LossCauseFact, ReceivedFact } from './facts.ts';
import { concerns } from './facts.ts';
import { inOrder } from './rule.ts';
import type { Rule } from './rule.ts';
import type { Evidence, Violation } from './verdict.ts';

interface Told {
  begun: Evidence & { readonly fact: BegunFact };
  /** Where the subscription stands, by what it received. */
  position: number | undefined;
  /** Index of the latest gap. */
  latest: number;
  /** Index of the gap before it. The same loss may be told twice, as an answer and as a message. */
  before: number;
}

/** A gap is told for a reason: everything else would make applications do work for nothing, and hide what was lost. */
export class GapRule implements Rule {
  readonly kind = 'gap';
  /** Messages that would have needed a cause to tell of a gap. */
  examined = 0;
  readonly violations: Violation[] = [];
  readonly #table: EventTable;
  readonly #told = new Map<string, Told>();
  readonly #causes: { readonly fact: LossCauseFact; readonly index: number }[] = [];
  #causesAreTold = false;
  /** Of anything that may have interrupted a beginning; `Infinity` while it goes on. */
  #interruptedIndex = -1;

  constructor(table: EventTable) {
    this.#table = table;
  }

  take(fact: Fact, index: number): void {
    this.#lookForInterruptions(fact, index);
    if (fact.fact === 'calm') this.#causesAreTold = true;
    else if (fact.fact === 'lossCause') this.#causes.push({ fact, index });
    else if (fact.fact === 'begun') this.#begun(fact, index);
    else if (fact.fact === 'received') this.#received(fact, index);
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
    if (known === undefined) this.#told.set(fact.subscription, { begun, position, latest: -1, before: -1 });
    // One that goes on without a position had none that was stored: what it was told of another does not count.
    else Object.assign(known, { begun, position });
  }

  #received(fact: ReceivedFact, index: number): void {
    const told = this.#told.get(fact.subscription);
    if (told === undefined) return;
    if (this.#causesAreTold) this.examined++;
    if (fact.gap === true) {
      if (this.#causesAreTold && !this.#hasCause(told)) {
        const message = `${fact.subscription} was told of a gap, and nothing can have been lost`;
        const evidence = inOrder([told.begun, { fact, index }]);
        this.violations.push({ kind: 'gap', subscription: fact.subscription, message, evidence });
      }
      told.before = told.latest;
      told.latest = index;
    }
    const position = this.#table.positionOf(told.begun.fact.type, fact.cursor);
    if (position !== undefined) told.position = Math.max(told.position ?? -Infinity, position);
  }

  #hasCause({ begun, position, before }: Told): boolean {
    if (position === undefined && this.#interruptedIndex > begun.index) return true;
    return this.#causes.some(({ fact, index }) => {
      if (!concerns(fact, begun.fact)) return false;
      if (fact.upTo === undefined) return index > before;
      return (position ?? -Infinity) < (this.#table.positionOf(begun.fact.type, fact.upTo) ?? Infinity);
    });
  }
}

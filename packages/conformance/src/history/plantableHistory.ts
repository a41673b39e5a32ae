import type { EmittedFact, EmittingFact, Fact } from './facts.ts';
import type { LogPlace, ReadCursor } from './positions.ts';

/** An event that was given to an application, which kept it, and that no gap may excuse. */
export interface PlainHanding {
  /** Index of the fact. */
  readonly handed: number;
  /** Index of the fact. */
  readonly committed: number;
  readonly subscription: string;
  readonly eventId: string;
}

/** A history with one violation in it; `undefined` when this one has no place for it. */
export type Plant = (history: PlantableHistory, choice: number) => Fact[] | undefined;

/** The n-th of what there is, whatever n. */
export function pick<T>(items: readonly T[], choice: number): T | undefined {
  return items[choice % items.length];
}

/** What planters look up in a history, which may be long. */
export class PlantableHistory {
  readonly facts: readonly Fact[];
  readonly handings: readonly PlainHanding[];
  readonly #readCursor: ReadCursor;
  /** Indexes of facts, by event. */
  readonly #emitting = new Map<string, number>();
  readonly #answered = new Map<string, number>();
  readonly #failed = new Set<string>();
  /** Indexes of facts, by subscription. */
  readonly #lastGap = new Map<string, number>();
  readonly #lastEnd = new Map<string, number>();

  constructor(facts: readonly Fact[], readCursor: ReadCursor) {
    this.facts = facts;
    this.#readCursor = readCursor;
    facts.forEach((fact, index) => {
      if (fact.fact === 'emitting' && !this.#emitting.has(fact.eventId)) this.#emitting.set(fact.eventId, index);
      else if (fact.fact === 'emitted' && !this.#answered.has(fact.eventId)) this.#answered.set(fact.eventId, index);
      else if (fact.fact === 'emitFailed') this.#failed.add(fact.eventId);
      else if (fact.fact === 'received' && fact.gap === true) this.#lastGap.set(fact.subscription, index);
      else if (fact.fact === 'ended') this.#lastEnd.set(fact.subscription, index);
    });
    this.handings = this.#plainHandings();
  }

  emittingOf(eventId: string): EmittingFact | undefined {
    const index = this.#emitting.get(eventId);
    return index === undefined ? undefined : (this.facts[index] as EmittingFact);
  }

  /** Index of the fact. */
  answeredAt(eventId: string): number | undefined {
    return this.#answered.get(eventId);
  }

  answerOf(eventId: string): EmittedFact | undefined {
    const index = this.#answered.get(eventId);
    return index === undefined ? undefined : (this.facts[index] as EmittedFact);
  }

  /** Where an event that was answered stands. */
  placeOf(eventId: string): LogPlace | undefined {
    const answer = this.answerOf(eventId);
    return answer && this.#readCursor(answer.cursor);
  }

  isRefused(eventId: string): boolean {
    return this.#failed.has(eventId) && !this.#answered.has(eventId);
  }

  /** Whether a subscription ended after a fact: then nothing may be owed to it. */
  endsAfter(subscription: string, index: number): boolean {
    return (this.#lastEnd.get(subscription) ?? -1) > index;
  }

  indexesOf(wanted: (fact: Fact) => boolean): number[] {
    return this.facts.flatMap((fact, index) => (wanted(fact) ? [index] : []));
  }

  #plainHandings(): PlainHanding[] {
    const open = new Map<string, number>();
    const repeated = new Set<string>();
    const kept: (PlainHanding & { readonly key: string })[] = [];
    this.facts.forEach((fact, index) => {
      if (fact.fact !== 'handed' && fact.fact !== 'committed') return;
      const { subscription, eventId } = fact;
      const key = JSON.stringify([subscription, eventId]);
      const handed = open.get(key);
      if (fact.fact === 'handed') {
        if (handed !== undefined) repeated.add(key);
        open.set(key, index);
      } else if (handed !== undefined && this.#isPlain(subscription, eventId)) {
        kept.push({ key, handed, committed: index, subscription, eventId });
      }
    });
    return kept.filter(({ key }) => !repeated.has(key));
  }

  /** Answered, and not covered by a gap that was told later. */
  #isPlain(subscription: string, eventId: string): boolean {
    const emitting = this.#emitting.get(eventId) ?? Infinity;
    return this.#answered.has(eventId) && (this.#lastGap.get(subscription) ?? -1) < emitting;
  }
}

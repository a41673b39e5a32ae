import type { Fact } from './facts.ts';

/** What was disturbed last, and since when all is calm. */
export class Calm {
  #calmIndex = Infinity;
  #calmMs = Infinity;
  #disturbedIndex = Infinity;
  readonly #disturbed = new Map<string, { readonly index: number; readonly atMs: number }>();
  /** Which process an application's subscription lives in. */
  readonly #processes = new Map<string, string>();
  /** The latest time any fact told. */
  nowMs: number = -Infinity;

  take(fact: Fact, index: number): void {
    this.nowMs = Math.max(this.nowMs, fact.at ?? -Infinity);
    if (fact.fact === 'calm') {
      this.#calmIndex = index;
      this.#calmMs = this.nowMs;
      this.#disturbedIndex = -1;
    } else if (fact.fact === 'disturbed') {
      if (fact.subscription !== undefined) this.#disturb(fact.subscription, index);
      else if (fact.process === undefined) this.#disturbedIndex = Infinity;
      else this.#disturbProcess(fact.process, index);
    } else if (fact.fact === 'begun') {
      this.#processes.set(fact.subscription, fact.process);
      this.#disturb(fact.subscription, index);
    } else if (fact.fact === 'killed' || fact.fact === 'started') {
      this.#disturbProcess(fact.process, index);
    }
  }

  /** Whether anything disturbed a subscription since a fact. */
  isDisturbedSince(subscription: string, index: number): boolean {
    const latest = Math.max(this.#disturbedIndex, this.#disturbed.get(subscription)?.index ?? -1);
    return latest >= index || index < this.#calmIndex;
  }

  /** Since when nothing disturbs a subscription, or nobody but single ones; `Infinity` while something does. */
  sinceMs(subscription?: string): number {
    if (this.#disturbedIndex === Infinity) return Infinity;
    const mine = subscription === undefined ? undefined : this.#disturbed.get(subscription);
    return Math.max(this.#calmMs, mine?.atMs ?? -Infinity);
  }

  #of(process: string): string[] {
    return [...this.#processes].flatMap(([subscription, lives]) => (lives === process ? [subscription] : []));
  }

  #disturbProcess(process: string, index: number): void {
    const mine = this.#of(process);
    for (const subscription of mine) this.#disturb(subscription, index);
    // It is somebody whom others rely on.
    if (mine.length === 0) this.#disturbedIndex = Math.max(this.#disturbedIndex, index);
  }

  #disturb(subscription: string, index: number): void {
    this.#disturbed.set(subscription, { index, atMs: this.nowMs });
  }
}

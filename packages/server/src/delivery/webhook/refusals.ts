/** An event that was not delivered, and is no dead letter either: nobody could do better later. */
export interface Refusal {
  readonly eventId: string;
  /** The endpoint said so for good (410, 413), or the body would have been larger than allowed. */
  readonly reason: 'refused' | 'too_large';
  readonly atMs: number;
}

/** Of one subscription. An endpoint that refuses everything is a matter of a look, not of a list. */
const MAX_REFUSALS = 16;

/** The latest events of one subscription that were refused for good, for operators who look for them. */
export class Refusals {
  readonly #latest: Refusal[] = [];

  get latest(): readonly Refusal[] {
    return this.#latest;
  }

  add(refusal: Refusal): void {
    this.#latest.push(refusal);
    if (this.#latest.length > MAX_REFUSALS) this.#latest.shift();
  }
}

import type { Gap } from '../occurrence/gap.ts';

/** Positions that are remembered as reported. */
const MAX_REMEMBERED = 1_000;

/** Tells the operator of events that a storage cannot give back: each once, however many subscribers come by. */
export class DamageReports {
  readonly #report: (error: unknown) => void;
  readonly #reported = new Set<number>();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** Nothing to tell of a gap that the author has reported. */
  report({ error, position }: Gap): void {
    if (error === undefined || this.#reported.has(position)) return;
    if (this.#reported.size >= MAX_REMEMBERED) this.#reported.clear();
    this.#reported.add(position);
    this.#report(error);
  }
}

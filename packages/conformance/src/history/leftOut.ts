import type { KnownEvent } from './eventTable.ts';
import type { Evidence } from './verdict.ts';

/**
 * Tells whether a gap by webhook stands where an event is missing: what may have lost several of them is told for each, or
 * for some at a time. A gap with a position tells what it covers. One without is a client's own. Whoever restores an order waits for a
 * missing event, then tells the gap and hands out what is behind it: so the next event shows what the gap was told for.
 */
export class LeftOut {
  readonly #handed = new Set<KnownEvent>();
  readonly #kept = new Set<KnownEvent>();
  /** The application began to keep these: after a kill they may come again or not. */
  readonly #perhapsKept = new Set<KnownEvent>();
  /** A gap was told for these. */
  readonly #told = new Set<KnownEvent>();
  /** Gaps whose next event is still to come. */
  #open: { readonly evidence: Evidence; readonly isExplained: boolean }[] = [];

  /** Gaps that no event followed, so that nothing speaks for them. */
  get open(): Evidence[] {
    return needless(this.#open);
  }

  /** @param isExplained whether it has a cause, whatever is missing */
  gap(evidence: Evidence, isExplained: boolean): void {
    this.#open.push({ evidence, isExplained });
  }

  /**
   * A gap was told with its position.
   *
   * @returns whether an event up to there is missing, of which no gap told before
   */
  told(position: number, wanted: readonly KnownEvent[], mayBeLost: (event: KnownEvent) => boolean): boolean {
    const missing = wanted.filter(
      (one) => (one.position as number) <= position && !this.#handed.has(one) && !this.#told.has(one) && mayBeLost(one),
    );
    for (const one of missing) this.#told.add(one);
    return missing.length > 0;
  }

  /**
   * An event is handed out.
   *
   * @param wanted what the subscription wants, in order
   * @param mayBeLost whether something happened that may have lost an event, or made it late
   * @returns gaps before it at which nothing is missing that they could be told for
   */
  handed(event: KnownEvent, wanted: readonly KnownEvent[], mayBeLost: (event: KnownEvent) => boolean): Evidence[] {
    const { position } = event;
    this.#handed.add(event);
    if (position === undefined || this.#open.length === 0) return [];
    const [gap, ...others] = this.#open;
    this.#open = [];
    if (gap === undefined) return [];
    const missing = wanted.filter(
      (one) =>
        (one.position as number) < position &&
        one.emitting.index < gap.evidence.index &&
        !this.#handed.has(one) &&
        !this.#told.has(one) &&
        mayBeLost(one),
    );
    for (const one of missing) this.#told.add(one);
    return needless(missing.length === 0 ? [gap, ...others] : others);
  }

  /** Whether it need not come any more. */
  wasHanded(event: KnownEvent): boolean {
    return this.#handed.has(event) || this.#perhapsKept.has(event);
  }

  keeping(event: KnownEvent): void {
    this.#perhapsKept.add(event);
  }

  kept(event: KnownEvent): void {
    this.#kept.add(event);
  }

  /** The application is gone, with what it did not keep; what was open says nothing any more. */
  restarted(): void {
    this.#open = [];
    for (const event of this.#handed) if (!this.#kept.has(event)) this.#handed.delete(event);
  }
}

function needless(gaps: readonly { readonly evidence: Evidence; readonly isExplained: boolean }[]): Evidence[] {
  return gaps.filter(({ isExplained }) => !isExplained).map(({ evidence }) => evidence);
}

import type { KnownEvent } from './eventTable.ts';
import type { Evidence } from './verdict.ts';

/**
 * Events that a gap covers by its position, though nothing can have lost them: they may still be on their way to the
 * application, and have to arrive there. A gap that stands for them as well would hide that they are missing.
 */
export class CoveredEvents {
  readonly #open = new Map<KnownEvent, Evidence>();

  covered(events: readonly KnownEvent[], gap: Evidence): void {
    for (const event of events) this.#open.set(event, gap);
  }

  handed(event: KnownEvent): void {
    this.#open.delete(event);
  }

  /** Nothing is owed any more of what was covered. */
  forgone(): void {
    this.#open.clear();
  }

  /** Everything had its time: those that did not arrive, with the gap that covered them. */
  settled(): [KnownEvent, Evidence][] {
    const missing = [...this.#open].filter(([{ gone }]) => !gone);
    this.#open.clear();
    return missing;
  }
}

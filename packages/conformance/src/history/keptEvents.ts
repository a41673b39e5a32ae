import type { KnownEvent } from './eventTable.ts';
import type { Evidence } from './verdict.ts';

/**
 * Events that an application said to keep, so that their server does not send them again: neither a kill, nor a gap, nor the
 * end of the subscription excuses that they are not handed out.
 */
export class KeptEvents {
  readonly #kept = new Map<KnownEvent, Evidence>();

  keep(event: KnownEvent, evidence: Evidence): void {
    if (!this.#kept.has(event)) this.#kept.set(event, evidence);
  }

  has(event: KnownEvent): boolean {
    return this.#kept.has(event);
  }

  /** Everything had its time: those that were not handed out, and where it was said to keep them. */
  missing(isHanded: (event: KnownEvent) => boolean): [KnownEvent, Evidence][] {
    return [...this.#kept].filter(([event]) => !isHanded(event));
  }
}

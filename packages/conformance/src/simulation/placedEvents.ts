import type { EventOrder } from '@mcp-events/protocol';

interface Waiting {
  readonly eventId: string;
  readonly previous: string;
}

/**
 * Puts what arrives by webhook into the order it tells, and waits for what is missing as long as nobody says otherwise:
 * an order that does not link up shows as events that never come.
 */
export class PlacedEvents {
  readonly #release: (eventId: string) => void;
  readonly #passed = new Set<string>();
  /** By position, in order of arrival. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(release: (eventId: string) => void) {
    this.#release = release;
  }

  take(eventId: string, { position, previous }: EventOrder): void {
    if (this.#passed.has(position)) return;
    if (previous !== null && !this.#passed.has(previous)) {
      this.#waiting.set(position, { eventId, previous });
      return;
    }
    this.#waiting.delete(position);
    this.#release(eventId);
    this.passed(position);
  }

  /** What stands there is with the application. */
  passed(position: string): void {
    this.#passed.add(position);
    for (const [next, { eventId, previous }] of this.#waiting) {
      if (previous !== position) continue;
      this.#waiting.delete(next);
      this.#release(eventId);
      this.passed(next);
    }
  }

  /** What is missing will not come: goes on with what is there. */
  goOn(): void {
    for (let first; (first = this.#first()) !== undefined;) {
      const [position, { eventId }] = first;
      this.#waiting.delete(position);
      this.#release(eventId);
      this.passed(position);
    }
  }

  /** One that waits for none of the others. */
  #first(): [string, Waiting] | undefined {
    const waiting = [...this.#waiting];
    return waiting.find(([, { previous }]) => !this.#waiting.has(previous)) ?? waiting[0];
  }
}

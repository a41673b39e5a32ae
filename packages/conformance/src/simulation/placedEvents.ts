import type { EventOrder } from '@mcp-events/protocol';

interface Waiting {
  /** `undefined` for a place at which something is missing. */
  readonly eventId: string | undefined;
  readonly previous: string;
}

/**
 * Puts what arrives by webhook into the order it tells, and waits for what is missing as long as nobody says otherwise:
 * an order that does not link up shows as events that never come.
 */
export class PlacedEvents {
  readonly #hand: (eventId: string) => void;
  readonly #passed = new Set<string>();
  /** By position, in order of arrival. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(hand: (eventId: string) => void) {
    this.#hand = hand;
  }

  /**
   * No event will come for this place, unless one has, whose acknowledgement was lost. Where nothing is before it,
   * nothing comes for what is before it either.
   */
  missing({ position, previous }: EventOrder): void {
    if (previous === null) this.#goOnUntil(position);
    if (!this.#waiting.has(position)) this.#place(undefined, { position, previous });
  }

  /** Nothing comes any more for what is before this place, as a cursor says that stands there. */
  confirmed(position: string): void {
    this.#goOnUntil(position);
  }

  #goOnUntil(position: string): void {
    const waiting = this.#waiting.get(position);
    if (waiting === undefined) return;
    this.#goOnUntil(waiting.previous);
    // The one before may have taken it along.
    if (!this.#waiting.delete(position)) return;
    this.#release(waiting.eventId);
    this.passed(position);
  }

  /** Whether it goes on from what came before; else it may be of a subscription that was made anew. */
  continues({ previous }: EventOrder): boolean {
    return previous !== null && this.#passed.has(previous);
  }

  take(eventId: string, order: EventOrder): void {
    const [at] = [...this.#waiting].find(([, waiting]) => waiting.eventId === eventId) ?? [order.position];
    // The next run of a server repeats it in its own chain, and a source that is read anew may place it elsewhere.
    if (at !== order.position) this.#waiting.set(order.position, { eventId: undefined, previous: at });
    this.#place(eventId, { position: at, previous: order.previous });
  }

  #place(eventId: string | undefined, { position, previous }: EventOrder): void {
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

  #release(eventId: string | undefined): void {
    if (eventId !== undefined) this.#hand(eventId);
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

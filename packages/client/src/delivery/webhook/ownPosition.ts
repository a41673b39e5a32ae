import type { EventOrder } from '@mcp-events/protocol';

/** Places remembered after a break. The watermark reaches one of them, unless it lags behind more deliveries than that. */
const MAX_PLACES = 1_000;

/**
 * Whether an event's own position may become the subscription's. The watermark that comes with an event lags behind
 * whatever is outstanding at the server; the event's own position (`order.position`) does not, and is safe once all
 * that comes before it was released or told as lost.
 *
 * Events that link up are released in order. Where they do not (an overdue event was passed over, two chains meet), what
 * was passed over may still come, so the position stays where it is, before the break: the watermark is no farther than
 * that. It goes on when the watermark reaches a place after the break: then nothing before that place is outstanding.
 */
export class OwnPosition {
  #last: string | undefined;
  /** Positions released in a row since the last break; undefined while nothing is missing. */
  #sinceBreak: Set<string> | undefined;
  /** A chain began while events waited: they may belong before it, although its server counts them as delivered. */
  #chainsMeet = false;

  /** Whether the server tells the order: from then on its watermark is no better than the position. */
  get isTold(): boolean {
    return this.#last !== undefined;
  }

  /**
   * An event is released in its turn.
   *
   * @param watermark the cursor that came with it
   * @param othersWait whether accepted events are still waiting: the watermark may count them as delivered
   * @returns whether its own position is safe
   */
  released({ position, previous }: EventOrder, watermark: string, othersWait: boolean): boolean {
    // A new chain says that nothing before it is missing (G1). In a break, the watermark has to confirm that.
    const linksUp = previous === null ? this.#sinceBreak === undefined : previous === this.#last;
    this.#last = position;
    if (!linksUp) this.#sinceBreak = new Set();
    // What waited has linked up behind the new chain, or made a break.
    if (!othersWait) this.#chainsMeet = false;
    const places = this.#sinceBreak;
    if (places === undefined) return !this.#chainsMeet;
    places.add(position);
    const [oldest] = places;
    if (places.size > MAX_PLACES && oldest !== undefined) places.delete(oldest);
    if (othersWait || !places.has(watermark)) return false;
    this.#sinceBreak = undefined;
    return true;
  }

  /** A server began anew while accepted events wait. */
  chainMeetsWaiting(): void {
    this.#chainsMeet = true;
  }
}

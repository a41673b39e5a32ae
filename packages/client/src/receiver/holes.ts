import type { EventOrder } from '@mcp-events/protocol';

/** One place in the order where a gap was told. */
interface Hole {
  /**
   * The position the hole comes after, if that is certain. It is for the first hole only: a run released after a hole may
   * lie inside it, so what follows that run need not be late.
   */
  start: string | undefined;
  /** The position missing before what was released. */
  end: string;
}

const MAX_HOLES = 100;

/** Where gaps were told, to recognise what arrives after its turn was given up. */
export class Holes {
  readonly #holes: Hole[] = [];

  /**
   * A gap was told.
   *
   * @param last position released before it, if any
   * @param missing position that what was released after it names as its predecessor
   */
  add(last: string | undefined, missing: string): void {
    this.#holes.push({ start: this.#holes.length === 0 ? last : undefined, end: missing });
    if (this.#holes.length > MAX_HOLES) this.#holes.shift();
  }

  /** Whether a place lies in a hole, as far as the places at its two ends tell. The hole shrinks by it. */
  take({ position, previous }: EventOrder): boolean {
    for (const [index, hole] of this.#holes.entries()) {
      if (hole.end === position) {
        if (previous === null || previous === hole.start) this.#holes.splice(index, 1);
        else hole.end = previous;
        return true;
      }
      if (previous !== null && hole.start === previous) {
        hole.start = position;
        return true;
      }
    }
    return false;
  }

  /** In a new chain another event may follow the one before a hole: only the hole's other end is certain from then on. */
  startChain(): void {
    for (const hole of this.#holes) hole.start = undefined;
  }
}

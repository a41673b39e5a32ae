import type { EventOrder } from '@mcp-events/protocol';
import type { Delivery } from './delivery.ts';

/** A place in a subscription's order at which something is missing. */
interface MissingPlace {
  /** Its place in the watermark. */
  readonly ticket: number;
  /** What to say of it: the place itself, last, and what lies before it and is not known to be otherwise. */
  readonly orders: readonly EventOrder[];
}

/** A gap that retries could not tell of. */
export interface HeldGap {
  /** The last cursor that is safe without knowing of the gap. */
  readonly cursor: string | null;
  readonly missing: readonly MissingPlace[];
  /** The answer to a refresh need not tell it: another one did, or an envelope is to. */
  answered: boolean;
  /** The cursor of the answer that told it, behind the gap: a client that comes with it knows. */
  answeredCursor: string | null;
  /** When an envelope last tried to tell it. */
  readonly triedAtMs: number;
}

/** Places one envelope names, the latest ones. Receivers wait for others as for an event that does not come. */
const MAX_MISSING = 256;

/** Bytes of the places that one envelope names, as its body has to be taken by everybody (DELIV-14). */
const MAX_MISSING_BYTES = 128 * 1024;

/**
 * What one client misses and does not know of. The places of what is missing count as outstanding until an envelope was
 * taken, so that no cursor passes them (G3). When the retries of an envelope are used up, its client's cursor is held
 * where it is, so that the subscription's own position can go on.
 */
export class UntoldGaps {
  /** The envelope on its way. */
  envelope: Delivery | undefined;
  #told: MissingPlace[] = [];
  #foundLater: MissingPlace[] = [];
  #held: HeldGap | undefined;

  /** What no envelope could tell. */
  get held(): HeldGap | undefined {
    return this.#held;
  }

  /** Tickets of what the envelope on its way tells of. */
  get tickets(): readonly number[] {
    return ticketsOf(this.#told);
  }

  /** Places that the envelope on its way names, in their order. */
  get missing(): readonly EventOrder[] {
    const orders = this.#known([]).flatMap((place) => place.orders);
    let first = orders.length;
    let bytes = 0;
    for (const order of orders.slice(-MAX_MISSING).toReversed()) {
      bytes += Buffer.byteLength(JSON.stringify(order));
      if (bytes > MAX_MISSING_BYTES) break;
      first -= 1;
    }
    return orders.slice(first);
  }

  /** Places that no envelope told of yet. */
  get size(): number {
    return this.#told.length + this.#foundLater.length;
  }

  add(place: MissingPlace): void {
    // A body that was sent once does not change any more (DELIV-12).
    const isFrozen = this.envelope?.cursor !== undefined;
    (isFrozen ? this.#foundLater : this.#told).push(place);
  }

  /**
   * The envelope was taken: everything it tells of is known.
   *
   * @returns the tickets to settle; what was found later needs another envelope
   */
  taken(): { readonly settled: readonly number[]; readonly needsAnother: boolean } {
    const settled = ticketsOf(this.#told);
    this.#told = this.#foundLater;
    this.#foundLater = [];
    this.envelope = undefined;
    this.#held = undefined;
    return { settled, needsAnother: this.#told.length > 0 };
  }

  /**
   * Nothing tells of anything any more: `cursor` is what holds the client back from now on.
   *
   * @param answered whether the answer to a refresh need not tell it
   * @returns the tickets to settle
   */
  hold(cursor: string | null, answered: boolean, nowMs: number): readonly number[] {
    const places = [...this.#told, ...this.#foundLater];
    const missing = this.#known(this.#foundLater);
    this.#told = [];
    this.#foundLater = [];
    this.envelope = undefined;
    const before = this.#held;
    // Who knows of what was held before does not know of more.
    const answeredCursor = places.length === 0 ? (before?.answeredCursor ?? null) : null;
    // An older gap is further back.
    const safe = before === undefined ? cursor : before.cursor;
    this.#held = { cursor: safe, missing, answered, answeredCursor, triedAtMs: nowMs };
    return ticketsOf(places);
  }

  #known(foundLater: readonly MissingPlace[]): MissingPlace[] {
    const places = [...(this.#held?.missing ?? []), ...this.#told, ...foundLater];
    return places.toSorted((a, b) => a.ticket - b.ticket).slice(-MAX_MISSING);
  }

  /** The client was told of what is held in another way. */
  release(): void {
    this.#held = undefined;
  }

  /** @returns the envelope on its way, which is not to tell of anything any more */
  takeBack(): Delivery | undefined {
    const { envelope } = this;
    this.#told.push(...this.#foundLater);
    this.#foundLater = [];
    this.envelope = undefined;
    return envelope;
  }
}

function ticketsOf(places: readonly MissingPlace[]): number[] {
  return places.map(({ ticket }) => ticket);
}

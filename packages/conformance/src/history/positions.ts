/** What a cursor of a log says. */
export interface LogPlace {
  /** Names the past that positions count in. */
  readonly epoch: string;
  readonly position: number;
}

/** Reads a cursor; `undefined` for one that names no place in a log, of which nothing is decided. */
export type ReadCursor = (cursor: string) => LogPlace | undefined;

const LOG_CURSOR = /^([\w-]+)\.(\d{1,15})$/;

/** Reads the cursors of the project's own logs. */
export const readLogCursor: ReadCursor = (cursor) => {
  const match = LOG_CURSOR.exec(cursor);
  return match === null ? undefined : { epoch: match[1] ?? '', position: Number(match[2]) };
};

/** Positions of one epoch; a log longer than that would not fit into a history. */
const EPOCH_SIZE = 2 ** 40;

/** Positions of one event type over all epochs of its log, as numbers that grow from event to event. */
export class Positions {
  readonly #readCursor: ReadCursor;
  readonly #ordinals = new Map<string, number>();
  /** Epochs of restored logs: up to where they are the same as the one they go on from. */
  readonly #inherited = new Map<string, { readonly from: string; readonly head: number }>();

  constructor(readCursor: ReadCursor) {
    this.#readCursor = readCursor;
  }

  /** An epoch counts as later than those that were seen before it. */
  of(cursor: string | null | undefined): number | undefined {
    const place = typeof cursor === 'string' ? this.#readCursor(cursor) : undefined;
    return place && this.#at(place.epoch, place.position);
  }

  /** An epoch that was not seen yet goes on from another one, which is the earlier one also if nothing names it but this. */
  inherit(epoch: string, from: string, head: number): void {
    this.#ordinalOf(from);
    this.#ordinalOf(epoch);
    this.#inherited.set(epoch, { from, head });
  }

  /** Whether a position of one epoch is behind that one. */
  isBeyond(position: number, epoch: string, head: number): boolean {
    const start = this.#ordinalOf(epoch) * EPOCH_SIZE;
    return position > start + head && position < start + EPOCH_SIZE;
  }

  #at(epoch: string, position: number): number {
    const inherited = this.#inherited.get(epoch);
    if (inherited !== undefined && position <= inherited.head) return this.#at(inherited.from, position);
    return this.#ordinalOf(epoch) * EPOCH_SIZE + position;
  }

  #ordinalOf(epoch: string): number {
    let ordinal = this.#ordinals.get(epoch);
    if (ordinal === undefined) this.#ordinals.set(epoch, (ordinal = this.#ordinals.size));
    return ordinal;
  }
}

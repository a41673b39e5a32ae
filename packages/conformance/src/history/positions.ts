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

  constructor(readCursor: ReadCursor) {
    this.#readCursor = readCursor;
  }

  /** An epoch counts as later than those that were seen before it. */
  of(cursor: string | null | undefined): number | undefined {
    const place = typeof cursor === 'string' ? this.#readCursor(cursor) : undefined;
    if (place === undefined) return undefined;
    let ordinal = this.#ordinals.get(place.epoch);
    if (ordinal === undefined) this.#ordinals.set(place.epoch, (ordinal = this.#ordinals.size));
    return ordinal * EPOCH_SIZE + place.position;
  }
}

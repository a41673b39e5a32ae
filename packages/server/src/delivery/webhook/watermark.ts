const OUTSTANDING = 0;
const SETTLED = 1;

/** Deliveries there is room for at first. A power of two, as every capacity here: places are found by masking. */
const INITIAL_CAPACITY = 8;

/** Room that is given back once everything has settled is what is above this: after a failure that lasted long. */
const KEPT_CAPACITY = 1_024;

/**
 * The safe position of one webhook subscription (DELIV-11, SUB-14): everything up to it was acknowledged or given up.
 * Deliveries begin in feed order and settle in any order; both cost constant time on average, however many are
 * outstanding. A ring, because its places are looked up at random: what is outstanding stays close together in memory.
 */
export class Watermark {
  #cursor: string | null;
  /** Position after each delivery, at the place of its ticket. */
  #positions: (string | null)[] = Array.from({ length: INITIAL_CAPACITY }, () => null);
  /** One of the states below, likewise. */
  #states = new Uint8Array(INITIAL_CAPACITY);
  #mask = INITIAL_CAPACITY - 1;
  /** Ticket of the oldest outstanding delivery, if there is one. */
  #oldest = 0;
  #next = 0;

  /** @param cursor where delivery starts */
  constructor(cursor: string | null) {
    this.#cursor = cursor;
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  /** Deliveries from the oldest outstanding one to the latest. */
  get span(): number {
    return this.#next - this.#oldest;
  }

  /** Deliveries there is room for at present. */
  get capacity(): number {
    return this.#mask + 1;
  }

  /** Whether every delivery that began has settled. */
  get isClear(): boolean {
    return this.#oldest === this.#next;
  }

  /** The position moved without deliveries (CUR-07). Only while {@link isClear}. */
  advance(cursor: string | null): void {
    this.#cursor = cursor;
  }

  /**
   * The cursor to send with a delivery: its own position if nothing before it is outstanding, else the safe position.
   */
  cursorFor(ticket: number): string | null {
    return ticket === this.#oldest ? (this.#positions[ticket & this.#mask] ?? null) : this.#cursor;
  }

  /** The safe position if these were settled, too; `undefined` if nothing would be outstanding then. */
  cursorAfter(tickets: readonly number[]): string | null | undefined {
    const settled = new Set(tickets);
    let cursor = this.#cursor;
    for (let ticket = this.#oldest; ticket < this.#next; ticket++) {
      if (this.#states[ticket & this.#mask] === OUTSTANDING && !settled.has(ticket)) return cursor;
      cursor = this.#positions[ticket & this.#mask] ?? null;
    }
    return undefined;
  }

  /** @returns the ticket to settle it with */
  begin(positionAfter: string | null): number {
    if (this.#next - this.#oldest > this.#mask) this.#resize(2 * this.capacity);
    const place = this.#next & this.#mask;
    this.#positions[place] = positionAfter;
    this.#states[place] = OUTSTANDING;
    return this.#next++;
  }

  /** Acknowledged, or told as lost. Each ticket settles once. */
  settle(ticket: number): void {
    this.#states[ticket & this.#mask] = SETTLED;
    while (this.#oldest < this.#next && this.#states[this.#oldest & this.#mask] !== OUTSTANDING) {
      this.#cursor = this.#positions[this.#oldest++ & this.#mask] ?? null;
    }
    if (this.capacity > KEPT_CAPACITY && this.isClear) this.#resize(INITIAL_CAPACITY);
  }

  /** Positions that settled beyond {@link cursor}, at most `limit`, the first ones. */
  settledBeyond(limit: number): string[] {
    const positions: string[] = [];
    for (let ticket = this.#oldest; ticket < this.#next && positions.length < limit; ticket++) {
      const position = this.#positions[ticket & this.#mask];
      if (typeof position === 'string' && this.#states[ticket & this.#mask] === SETTLED) positions.push(position);
    }
    return positions;
  }

  #resize(capacity: number): void {
    const mask = capacity - 1;
    const positions: (string | null)[] = Array.from({ length: mask + 1 }, () => null);
    const states = new Uint8Array(mask + 1);
    for (let ticket = this.#oldest; ticket < this.#next; ticket++) {
      positions[ticket & mask] = this.#positions[ticket & this.#mask] ?? null;
      states[ticket & mask] = this.#states[ticket & this.#mask] ?? OUTSTANDING;
    }
    this.#positions = positions;
    this.#states = states;
    this.#mask = mask;
  }
}

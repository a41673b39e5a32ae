/**
 * The safe position of one webhook subscription (DELIV-11, SUB-14): everything up to it was acknowledged or given up.
 * Deliveries begin in feed order and settle in any order; both cost constant time on average, however many are
 * outstanding.
 */
export class Watermark {
  #cursor: string | null;
  /** Position after each delivery from ticket {@link #base} on. */
  #positions: (string | null)[] = [];
  /** Whether it settled; entries before {@link #head} all did. */
  #settled: boolean[] = [];
  #head = 0;
  #base = 0;

  /** @param cursor where delivery starts */
  constructor(cursor: string | null) {
    this.#cursor = cursor;
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  /** Whether every delivery that began has settled. */
  get isClear(): boolean {
    return this.#head === this.#positions.length;
  }

  /**
   * The cursor to send with a delivery: its own position if nothing before it is outstanding, else the safe position.
   */
  cursorFor(ticket: number): string | null {
    const place = ticket - this.#base;
    return place === this.#head ? (this.#positions[place] ?? null) : this.#cursor;
  }

  /** @returns the ticket to settle it with */
  begin(positionAfter: string | null): number {
    this.#positions.push(positionAfter);
    this.#settled.push(false);
    return this.#base + this.#positions.length - 1;
  }

  /** Acknowledged or given up. Each ticket settles once. */
  settle(ticket: number): void {
    this.#settled[ticket - this.#base] = true;
    while (this.#settled[this.#head] === true) this.#cursor = this.#positions[this.#head++] ?? null;
    // Moving the arrays only when half of them is used up keeps the cost of each delivery constant on average.
    if (this.#head * 2 <= this.#positions.length) return;
    this.#positions = this.#positions.slice(this.#head);
    this.#settled = this.#settled.slice(this.#head);
    this.#base += this.#head;
    this.#head = 0;
  }
}

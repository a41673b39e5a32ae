/**
 * Places of the events of a type without replay, which has no cursors: the history is told the order of the emits, so that it
 * can say what a stream that stands is owed. The server knows nothing of them.
 */
export class LivePositions {
  readonly #cursors = new Map<string, string>();

  /** The event is emitted now. */
  add(eventId: string): string {
    const cursor = `live.${this.#cursors.size + 1}`;
    this.#cursors.set(eventId, cursor);
    return cursor;
  }

  of(eventId: string): string | undefined {
    return this.#cursors.get(eventId);
  }
}

/**
 * A place in a feed where events are missing. It stands in the order like an event and is told to every subscriber that
 * comes by, whatever it wants to have: what is missing is not known.
 */
export class Gap {
  readonly kind = 'gap';
  /** Position after the gap, `null` in feeds without replay. */
  cursor: string | null;
  /** Place in the log, counted from 1; 0 outside a log. */
  position: number;
  /** Why nobody may get what was here, for the operator; `undefined` for a loss that the author has reported. */
  readonly error: Error | undefined;

  constructor(position: number, cursor: string | null = null, error?: Error) {
    this.position = position;
    this.cursor = cursor;
    this.error = error;
  }
}

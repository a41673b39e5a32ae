/** How long to wait between failed attempts. */
export interface BackoffOptions {
  /** Upper bound of the wait before the first repetition, in milliseconds. Default 1000. */
  baseMs: number;
  /** The bound stops doubling here, in milliseconds. Default 60000. */
  maxMs: number;
}

export const defaultBackoff: BackoffOptions = { baseMs: 1_000, maxMs: 60_000 };

/**
 * Exponential backoff with full jitter: uniform between zero and the doubled bound, so that the clients of a server
 * that went down do not all come back in the same moment (CLIENT-09).
 *
 * @param attempt repetitions already made, 0 for the first wait
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, options: BackoffOptions, random: () => number): number {
  return random() * Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
}

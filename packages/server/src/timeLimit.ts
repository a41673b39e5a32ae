import type { Clock } from './clock.ts';

/** Thrown when author code did not settle within its time limit. */
class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';
}

/**
 * Settles like `work`, or rejects with {@link TimeLimitError} after `limitMs`. The work itself cannot be stopped; an
 * author who was given an `AbortSignal` is told through it by the caller.
 */
export async function withTimeLimit<T>(clock: Clock, limitMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: unknown;
  const limit = new Promise<never>((_resolve, reject) => {
    const expire = (): void => reject(new TimeLimitError(`${what} did not finish within ${limitMs} ms`));
    // A process that was stopped finds its timers due before it has looked at what arrived meanwhile (DELIV-19).
    timer = clock.setTimeout(() => clock.setImmediate(() => clock.setImmediate(expire)), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clock.clearTimeout(timer);
  }
}

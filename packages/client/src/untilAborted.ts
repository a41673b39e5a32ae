import { asError } from './errors.ts';

/**
 * Calls `listener` once when the signal aborts, at once if it has: between an earlier look at the signal and this call the
 * application may have stopped everything, and a listener added afterwards would never be called.
 *
 * @returns what takes the listener off again
 */
export function onAborted(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    listener();
    return () => {};
  }
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** Stops waiting when the signal aborts, with its reason: what is under way must not hold up somebody who is done. */
export function untilAborted<T>(step: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(step);
  return new Promise((resolve, reject) => {
    const forget = onAborted(signal, () => reject(asError(signal.reason)));
    void Promise.resolve(step).then(resolve, reject).finally(forget);
  });
}

import { asError } from './errors.ts';

/** Stops waiting when the signal aborts, with its reason: what is under way must not hold up somebody who is done. */
export function untilAborted<T>(step: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(step);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(asError(signal.reason));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    void Promise.resolve(step)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}

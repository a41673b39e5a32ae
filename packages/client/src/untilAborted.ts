import { asError } from './errors.ts';

/** Who is to be called, by signal: one listener of the signal's calls them all. */
const listening = new WeakMap<AbortSignal, { readonly listeners: Set<() => void>; readonly onAbort: () => void }>();

/**
 * Calls `listener` once when the signal aborts, at once if it has: between an earlier look at the signal and this call the
 * application may have stopped everything, and a listener added afterwards would never be called. However many wait for one
 * signal, it has one listener: runtimes take many for a leak, and say so to the user.
 *
 * @returns what takes the listener off again
 */
export function onAborted(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    listener();
    return () => {};
  }
  const { listeners, onAbort } = listening.get(signal) ?? listen(signal);
  // A function of its own, as somebody may wait twice.
  const own = (): void => listener();
  listeners.add(own);
  return () => {
    listeners.delete(own);
    if (listeners.size > 0 || signal.aborted) return;
    listening.delete(signal);
    signal.removeEventListener('abort', onAbort);
  };
}

function listen(signal: AbortSignal): { listeners: Set<() => void>; onAbort: () => void } {
  const listeners = new Set<() => void>();
  const onAbort = (): void => {
    for (const each of listeners) {
      try {
        each();
      } catch (error) {
        // The others are called all the same, and it surfaces as it does from a listener of a signal.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    listeners.clear();
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const entry = { listeners, onAbort };
  listening.set(signal, entry);
  return entry;
}

/** Whether something returned is to be waited for. */
export function isPromise<R>(result: R | PromiseLike<R>): result is PromiseLike<R> {
  return typeof (result as PromiseLike<R> | null | undefined)?.then === 'function';
}

/** Stops waiting when the signal aborts, with its reason: what is under way must not hold up somebody who is done. */
export function untilAborted<T>(step: PromiseLike<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return Promise.resolve(step);
  return new Promise((resolve, reject) => {
    const forget = onAborted(signal, () => reject(asError(signal.reason)));
    void Promise.resolve(step).then(resolve, reject).finally(forget);
  });
}

/**
 * A value now, or a promise of it. Feeds and predicates answer synchronously where they can, because one microtask
 * per subscription and event is what a large fan-out cannot afford.
 */
export type MaybePromise<T> = T | Promise<T>;

/**
 * What a function answered that has to answer at once. A promise is no answer, for the caller to refuse: nobody waits for it, so
 * nobody but this looks at what it rejects with, which would end the process.
 */
export function answeredAtOnce(answer: unknown): unknown {
  if (isPromise(answer)) answer.then(undefined, () => {});
  return answer;
}

/** Whether `value` has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

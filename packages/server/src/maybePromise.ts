/**
 * A value now, or a promise of it. Feeds and predicates answer synchronously where they can, because one microtask
 * per subscription and event is what a large fan-out cannot afford.
 */
export type MaybePromise<T> = T | Promise<T>;

/** Whether `value` has to be awaited. */
export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

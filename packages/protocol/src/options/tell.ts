import { isPromise } from './wrongValue.ts';

/**
 * Calls a function of the application's that is told something, as a log is, and asked nothing. Neither what it throws nor what it
 * rejects with later gets any further: a promise that nobody looks at ends a process of Node.js.
 *
 * @param onFailure gets what was thrown; by default nobody does, as for a log, where there is nowhere left to tell it
 */
export function tell(call: () => unknown, onFailure: (thrown: unknown) => void = () => {}): void {
  try {
    const result = call();
    if (isPromise(result)) Promise.resolve(result).catch(onFailure);
  } catch (thrown) {
    onFailure(thrown);
  }
}

import { isPromise } from './wrongValue.ts';

/**
 * Calls a function of the application's that is told something, as a log is, and asked nothing. Neither what it throws nor what it
 * rejects with later gets any further: there is nowhere left to tell it, and a promise that nobody looks at ends a process of Node.js.
 */
export function tell(call: () => unknown): void {
  try {
    const result = call();
    if (isPromise(result)) result.then(undefined, () => {});
  } catch {
    // As said.
  }
}

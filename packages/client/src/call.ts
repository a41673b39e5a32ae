import { asError } from './errors.ts';

/**
 * Calls back the application, whose failures are its own: neither what it throws nor a promise that is rejected later may
 * stop delivery or end the process.
 */
export function call(callback: () => unknown, onFailure: (error: Error) => void): void {
  try {
    const result = callback();
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') return;
    Promise.resolve(result).catch((error: unknown) => onFailure(asError(error)));
  } catch (error) {
    onFailure(asError(error));
  }
}

import { writeError } from '../defaultReporting.ts';

/**
 * The one place that calls what an operator gave for reporting: loggers, `onError`, `onWarning`, meters and tracers. They
 * are called in the middle of delivery, so nothing of theirs may break or hold it up: what they throw, or reject with, is
 * written to standard error, once for each of them, and nothing waits for what they return.
 */
export class ReportingCalls {
  readonly #failed = new Set<string>();

  /**
   * What `call` returns; `undefined` when it throws.
   *
   * @param what is called, for people
   * @param otherwise called when it fails, also later: what it was told is to be told elsewhere
   */
  run<T>(what: string, call: () => T, otherwise?: () => void): T | undefined {
    const failed = (failure: unknown): void => {
      quietly(() => otherwise?.());
      // Told once: it may go on, for each event.
      if (this.#failed.has(what)) return;
      this.#failed.add(what);
      quietly(() => writeError(failure, { stage: what }));
    };
    try {
      const result = call();
      const { then } = (result ?? {}) as { then?: unknown };
      if (typeof then === 'function') then.call(result, undefined, failed);
      return result;
    } catch (failure) {
      failed(failure);
      return undefined;
    }
  }
}

/** Where not even standard error takes it, nobody is left to tell. */
function quietly(call: () => void): void {
  try {
    call();
  } catch {
    // As said.
  }
}

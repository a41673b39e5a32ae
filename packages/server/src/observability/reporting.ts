import { writeError, writeWarning } from '../defaultReporting.ts';
import type { EventsOptions, ProblemContext } from '../options.ts';
import type { Observer } from './observer.ts';

/** Where problems and warnings go. Neither ever throws: they are told in the middle of delivery. */
export interface Reporting {
  readonly report: (error: unknown, stage: string, name?: string) => void;
  readonly warn: (message: string, context: ProblemContext) => void;
}

/** To the observer, and to the operator's functions; without either, to standard error. */
export function createReporting(
  { onError, onWarning, logger }: Pick<EventsOptions, 'onError' | 'onWarning' | 'logger'>,
  observer: Observer | undefined,
): Reporting {
  const nowhere = (): void => {};
  const tellError = onError ?? (logger === undefined ? writeError : nowhere);
  const tellWarning = onWarning ?? (logger === undefined ? writeWarning : nowhere);
  return {
    report: (error, stage, name) => {
      const context = name === undefined ? { stage } : { stage, name };
      observer?.problem(error, context);
      try {
        tellError(error, context);
      } catch (failure) {
        writeError(error, context);
        writeError(failure, { stage: 'onError' });
      }
    },
    warn: (message, context) => {
      observer?.warning(message, context);
      tellWarning(message, context);
    },
  };
}

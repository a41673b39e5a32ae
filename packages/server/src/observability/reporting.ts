import { writeError, writeWarning } from '../defaultReporting.ts';
import type { EventsOptions, ProblemContext } from '../options.ts';
import type { Observer } from './observer.ts';
import type { ReportingCalls } from './reportingCalls.ts';

/** Where problems and warnings go. Neither ever throws: they are told in the middle of delivery. */
export interface Reporting {
  readonly report: (error: unknown, stage: string, name?: string) => void;
  readonly warn: (message: string, context: ProblemContext) => void;
}

/**
 * To the observer, and to the operator's functions; without either, or where they fail, to standard error.
 *
 * @throws TypeError for a function that is none
 */
export function createReporting(
  { onError, onWarning, logger }: Pick<EventsOptions, 'onError' | 'onWarning' | 'logger'>,
  observer: Observer | undefined,
  calls: ReportingCalls,
): Reporting {
  assertFunction(onError, 'onError');
  assertFunction(onWarning, 'onWarning');
  const nowhere = (): void => {};
  const tellError = onError ?? (logger === undefined ? writeError : nowhere);
  const tellWarning = onWarning ?? (logger === undefined ? writeWarning : nowhere);
  return {
    report: (error, stage, name) => {
      const context = name === undefined ? { stage } : { stage, name };
      observer?.problem(error, context);
      calls.run(
        'onError',
        () => tellError(error, context),
        () => writeError(error, context),
      );
    },
    warn: (message, context) => {
      observer?.warning(message, context);
      calls.run(
        'onWarning',
        () => tellWarning(message, context),
        () => writeWarning(message, context),
      );
    },
  };
}

function assertFunction(value: unknown, name: string): void {
  if (value === undefined || typeof value === 'function') return;
  throw new TypeError(`${name} must be a function, not ${value === null ? 'null' : typeof value}`);
}

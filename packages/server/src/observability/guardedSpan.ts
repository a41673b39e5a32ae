import type { ReportingCalls } from './reportingCalls.ts';
import type { TelemetryAttributes, TelemetrySpan } from './telemetryOptions.ts';

const WHAT = 'tracer';

/** A span whose failures break nothing; one that could not be started records nothing. */
export class GuardedSpan {
  /** As the tracer gave it. */
  readonly span: TelemetrySpan | undefined;
  readonly #calls: ReportingCalls;

  constructor(start: () => TelemetrySpan, calls: ReportingCalls) {
    this.#calls = calls;
    this.span = calls.run(WHAT, start);
  }

  setAttributes(attributes: TelemetryAttributes): void {
    this.#calls.run(WHAT, () => this.span?.setAttributes(attributes));
  }

  setStatus(status: { code: number; message?: string }): void {
    this.#calls.run(WHAT, () => this.span?.setStatus(status));
  }

  end(): void {
    this.#calls.run(WHAT, () => this.span?.end());
  }
}

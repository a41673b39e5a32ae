import type { ReportingCalls } from './reportingCalls.ts';
import type { TelemetryCounter, TelemetryHistogram, TelemetryMeter, TelemetryObservation } from './telemetryOptions.ts';

const WHAT = 'meter';

type Look = (result: TelemetryObservation) => void;

/** A meter whose failures break nothing. Instruments it does not give count nothing. */
export class GuardedMeter implements TelemetryMeter {
  readonly #meter: TelemetryMeter;
  readonly #calls: ReportingCalls;
  /** What was handed on for each callback. */
  readonly #looks = new Map<Look, Look>();

  constructor(meter: TelemetryMeter, calls: ReportingCalls) {
    this.#meter = meter;
    this.#calls = calls;
  }

  createCounter(...args: Parameters<TelemetryMeter['createCounter']>): TelemetryCounter {
    const counter = this.#calls.run(WHAT, () => this.#meter.createCounter(...args));
    return { add: (value, attributes) => this.#calls.run(WHAT, () => counter?.add(value, attributes)) };
  }

  createHistogram(...args: Parameters<TelemetryMeter['createHistogram']>): TelemetryHistogram {
    const histogram = this.#calls.run(WHAT, () => this.#meter.createHistogram(...args));
    return { record: (value, attributes) => this.#calls.run(WHAT, () => histogram?.record(value, attributes)) };
  }

  createObservableGauge(...args: Parameters<TelemetryMeter['createObservableGauge']>): unknown {
    return this.#calls.run(WHAT, () => this.#meter.createObservableGauge(...args));
  }

  addBatchObservableCallback(callback: Look, instruments: unknown[]): void {
    const look: Look = (result) => this.#calls.run(WHAT, () => callback(result));
    this.#looks.set(callback, look);
    this.#calls.run(WHAT, () => this.#meter.addBatchObservableCallback(look, instruments));
  }

  removeBatchObservableCallback(callback: Look, instruments: unknown[]): void {
    const look = this.#looks.get(callback);
    this.#looks.delete(callback);
    if (look !== undefined) this.#calls.run(WHAT, () => this.#meter.removeBatchObservableCallback(look, instruments));
  }
}

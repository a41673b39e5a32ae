/**
 * The parts of `@opentelemetry/api` that are used, by their form: the package itself is no dependency, and nobody who
 * leaves out the option has to have it.
 */
export interface TelemetryOptions {
  /** The module: `import * as api from '@opentelemetry/api'`. */
  readonly api: TelemetryApi;
  /** Default: the one that is registered with the API. */
  readonly tracerProvider?: TelemetryTracerProvider;
  /** Default: the one that is registered with the API when {@link Events} is made. */
  readonly meterProvider?: TelemetryMeterProvider;
}

export interface TelemetryApi {
  readonly trace: TelemetryTracerProvider & {
    setSpan(context: unknown, span: TelemetrySpan): unknown;
    setSpanContext(context: unknown, spanContext: TelemetrySpanContext): unknown;
    isSpanContextValid(spanContext: TelemetrySpanContext): boolean;
  };
  readonly metrics: TelemetryMeterProvider;
  readonly context: { active(): unknown };
  readonly ROOT_CONTEXT: unknown;
  createTraceState(serialized?: string): TelemetryTraceState;
}

export interface TelemetryTracerProvider {
  getTracer(name: string, version?: string): TelemetryTracer;
}

export interface TelemetryMeterProvider {
  getMeter(name: string, version?: string): TelemetryMeter;
}

export interface TelemetryTraceState {
  serialize(): string;
}

export interface TelemetrySpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceFlags: number;
  readonly isRemote?: boolean;
  readonly traceState?: TelemetryTraceState;
}

export type TelemetryAttributes = Record<string, string | number>;

export interface TelemetrySpan {
  spanContext(): TelemetrySpanContext;
  setAttributes(attributes: TelemetryAttributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

export interface TelemetryTracer {
  startSpan(
    name: string,
    options: { kind?: number; attributes?: TelemetryAttributes },
    context: unknown,
  ): TelemetrySpan;
}

export interface TelemetryCounter {
  add(value: number, attributes?: TelemetryAttributes): void;
}

export interface TelemetryHistogram {
  record(value: number, attributes?: TelemetryAttributes): void;
}

export interface TelemetryObservation {
  observe(instrument: unknown, value: number, attributes?: TelemetryAttributes): void;
}

interface InstrumentOptions {
  readonly description: string;
  readonly unit: string;
  readonly advice?: { readonly explicitBucketBoundaries?: number[] };
}

export interface TelemetryMeter {
  createCounter(name: string, options: InstrumentOptions): TelemetryCounter;
  createHistogram(name: string, options: InstrumentOptions): TelemetryHistogram;
  createObservableGauge(name: string, options: InstrumentOptions): unknown;
  addBatchObservableCallback(callback: (result: TelemetryObservation) => void, instruments: unknown[]): void;
  removeBatchObservableCallback(callback: (result: TelemetryObservation) => void, instruments: unknown[]): void;
}

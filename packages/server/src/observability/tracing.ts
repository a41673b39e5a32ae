import { TRACEPARENT_META_KEY, TRACESTATE_META_KEY } from '@modelcontextprotocol/server';
import { GuardedSpan } from './guardedSpan.ts';
import type { ReportingCalls } from './reportingCalls.ts';
import type {
  TelemetryApi,
  TelemetryAttributes,
  TelemetrySpan,
  TelemetrySpanContext,
  TelemetryTracer,
} from './telemetryOptions.ts';

type Meta = Readonly<Record<string, unknown>>;

/** `SpanKind` of the API; its numbers are part of what it promises. */
export const SpanKind = { internal: 0, client: 2, producer: 3 } as const;

/** `SpanStatusCode.ERROR` of the API. */
const STATUS_ERROR = 2;

/** W3C Trace Context, of any version but the forbidden one: later ones may have more at the end. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|$)/;

/** Longest that has to be passed on; longer ones may be dropped. It counts against the size of the event. */
const MAX_TRACESTATE_LENGTH = 512;

/**
 * Spans, and the trace context that goes with an event in its `_meta`, under the unprefixed keys that MCP reserves for it:
 * it is stored with the event, so that a delivery after a restart still belongs to the trace of its emit, and clients can
 * go on with it.
 */
export class Tracing {
  readonly #api: TelemetryApi;
  readonly #tracer: TelemetryTracer;
  readonly #calls: ReportingCalls;

  constructor(api: TelemetryApi, tracer: TelemetryTracer, calls: ReportingCalls) {
    this.#api = api;
    this.#tracer = tracer;
    this.#calls = calls;
  }

  /** @param parent what it is a part of; by default of nothing */
  start(
    name: string,
    kind: (typeof SpanKind)[keyof typeof SpanKind],
    attributes: TelemetryAttributes,
    parent: unknown = this.#api.ROOT_CONTEXT,
  ): GuardedSpan {
    return new GuardedSpan(() => this.#tracer.startSpan(name, { kind, attributes }, parent), this.#calls);
  }

  /** What the caller does at the moment. */
  active(): unknown {
    return this.#calls.run('tracer', () => this.#api.context.active());
  }

  within({ span }: GuardedSpan): unknown {
    return span && this.#calls.run('tracer', () => this.#api.trace.setSpan(this.#api.ROOT_CONTEXT, span));
  }

  /** What an event's metadata says it belongs to, if it says so. */
  carriedBy(meta: Meta | undefined): unknown {
    return this.#calls.run('tracer', () => {
      const spanContext = this.#spanContextIn(meta);
      return spanContext && this.#api.trace.setSpanContext(this.#api.ROOT_CONTEXT, spanContext);
    });
  }

  /** The metadata with this span as what the event belongs to. */
  carry({ span }: GuardedSpan, meta: Meta | undefined): Meta | undefined {
    return (span && this.#calls.run('tracer', () => this.#carried(span, meta))) ?? meta;
  }

  #carried(span: TelemetrySpan, meta: Meta | undefined): Meta | undefined {
    const spanContext = this.#calls.run('tracer', () => span.spanContext());
    // Of an API without an SDK behind it.
    if (spanContext === undefined || !this.#isValid(spanContext)) return meta;
    const { traceId, spanId, traceFlags, traceState } = spanContext;
    const { [TRACESTATE_META_KEY]: _before, ...rest } = meta ?? {};
    const flags = traceFlags.toString(16).padStart(2, '0');
    const state: unknown = this.#calls.run('tracer', () => traceState?.serialize()) ?? '';
    return {
      ...rest,
      [TRACEPARENT_META_KEY]: `00-${traceId}-${spanId}-${flags}`,
      ...(isTraceState(state) ? { [TRACESTATE_META_KEY]: state } : {}),
    };
  }

  /** Marks a span as failed, by a word and not by a message, which may quote what nobody is to read. */
  fail(span: GuardedSpan, errorType: string): void {
    span.setAttributes({ 'error.type': errorType });
    span.setStatus({ code: STATUS_ERROR });
  }

  #spanContextIn(meta: Meta | undefined): TelemetrySpanContext | undefined {
    const traceparent = meta?.[TRACEPARENT_META_KEY];
    if (typeof traceparent !== 'string') return undefined;
    const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
    if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
    const tracestate = meta?.[TRACESTATE_META_KEY];
    const traceState = isTraceState(tracestate)
      ? this.#calls.run('tracer', () => this.#api.createTraceState(tracestate))
      : undefined;
    const spanContext: TelemetrySpanContext = {
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16) & 1,
      isRemote: true,
      ...(traceState === undefined ? {} : { traceState }),
    };
    return this.#isValid(spanContext) ? spanContext : undefined;
  }

  #isValid(spanContext: TelemetrySpanContext): boolean {
    return this.#calls.run('tracer', () => this.#api.trace.isSpanContextValid(spanContext)) === true;
  }
}

function isTraceState(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_TRACESTATE_LENGTH;
}

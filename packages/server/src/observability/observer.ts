import type { DeliveryMode, EventsError, LastError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { Subscription } from '../subscription/subscription.ts';
import { GuardedMeter } from './guardedMeter.ts';
import { errorFields, originOf } from './logger.ts';
import type { Logger, LogLevel } from './logger.ts';
import { Metrics, ofType } from './metrics.ts';
import type { Gauges } from './metrics.ts';
import { ObservedDelivery } from './observedDelivery.ts';
import type { ObservedSubscriber, ObservedMessage } from './observedDelivery.ts';
import { ObservedEmit } from './observedEmit.ts';
import type { ReportingCalls } from './reportingCalls.ts';
import type { TelemetryOptions } from './telemetryOptions.ts';
import { SpanKind, Tracing } from './tracing.ts';

/** Under which tracer and meter are known. */
const SCOPE = '@mcp-events/server';

/** A subscription as records tell it. */
export interface RecordedSubscription extends Pick<Subscription, 'id' | 'name' | 'principal' | 'mode'> {
  readonly url?: string;
  readonly terminated?: EventsError | undefined;
}

/**
 * Tells loggers and telemetry what happens. There is one only if the operator gave either, so that everybody else pays for
 * a comparison with `undefined`. It never throws, and never tells payloads, secrets, or more of a URL than its origin.
 */
export class Observer {
  readonly tracing: Tracing | undefined;
  readonly metrics: Metrics | undefined;
  readonly clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #calls: ReportingCalls;

  /** @throws TypeError for a logger that is none */
  constructor(
    clock: Clock,
    logger: Logger | undefined,
    telemetry: TelemetryOptions | undefined,
    calls: ReportingCalls,
  ) {
    this.clock = clock;
    this.#logger = logger;
    this.#calls = calls;
    if (logger !== undefined) assertLogger(logger);
    if (telemetry === undefined) return;
    const { api, tracerProvider = api.trace, meterProvider = api.metrics } = telemetry;
    this.tracing = new Tracing(api, tracerProvider.getTracer(SCOPE), calls);
    this.metrics = new Metrics(new GuardedMeter(meterProvider.getMeter(SCOPE), calls));
  }

  watch(gauges: Gauges): void {
    this.metrics?.watch(gauges);
  }

  /** An author emits. */
  emitting(name: string, meta: Readonly<Record<string, unknown>> | undefined): ObservedEmit {
    return new ObservedEmit(this, name, meta);
  }

  /** An author adds an event to an outbox. Returns what is stored with it, so that its emit belongs to the same trace. */
  adding(name: string, meta: Readonly<Record<string, unknown>> | undefined): typeof meta {
    const { tracing } = this;
    if (tracing === undefined) return meta;
    const parent = tracing.carriedBy(meta) ?? tracing.active();
    const span = tracing.start(`add ${name}`, SpanKind.producer, ofType(name), parent);
    span.end();
    return tracing.carry(span, meta);
  }

  /** A lane has something to send. */
  delivering(subscriber: ObservedSubscriber, message: ObservedMessage): ObservedDelivery {
    return new ObservedDelivery(this, subscriber, message);
  }

  /** Events left in another mode, where nothing is acknowledged one by one. */
  delivered(name: string, mode: DeliveryMode, count: number): void {
    this.metrics?.delivered.add(count, ofType(name, { 'mcp_events.mode': mode }));
  }

  redriven(): void {
    this.metrics?.deadLetters.add(1, { 'mcp_events.change': 'redriven' });
  }

  started(subscription: RecordedSubscription): void {
    this.log(levelOf(subscription), 'subscription.started', subjectOf(subscription), 'a subscription has started');
  }

  ended(subscription: RecordedSubscription): void {
    const reason = subscription.terminated?.errorName;
    const fields = { ...subjectOf(subscription), ...(reason === undefined ? {} : { reason }) };
    this.log(levelOf(subscription), 'subscription.ended', fields, 'a subscription has ended');
  }

  suspended(subscription: RecordedSubscription, reason: LastError | null): void {
    this.metrics?.suspensions.add(1, ofType(subscription.name));
    const fields = { ...subjectOf(subscription), reason };
    this.log('warn', 'subscription.suspended', fields, 'a subscription waits for its client to come back');
  }

  resumed(subscription: RecordedSubscription): void {
    this.log('info', 'subscription.resumed', subjectOf(subscription), 'a suspended subscription goes on');
  }

  problem(error: unknown, context: { readonly stage: string; readonly name?: string }): void {
    const { stage, name: type } = context;
    this.metrics?.problems.add(1, { 'mcp_events.stage': stage });
    this.log('error', 'problem', { stage, type, error: errorFields(error) }, `${stage} failed`);
  }

  warning(message: string, context: { readonly stage: string; readonly name?: string }): void {
    const { stage, name: type } = context;
    this.log('warn', 'warning', { stage, type }, message);
  }

  closing(deadlineMs: number | undefined): void {
    this.log('info', 'server.closing', { deadlineMs }, 'the server closes');
  }

  closed(attemptsCut: number): void {
    const level = attemptsCut === 0 ? 'info' : 'warn';
    this.log(level, 'server.closed', { attemptsCut }, 'the server has closed');
    this.metrics?.close();
  }

  /** @param event stable: what alerts and searches go by */
  log(level: LogLevel, event: string, fields: object, message: string): void {
    const logger = this.#logger;
    if (logger !== undefined) this.#calls.run('logger', () => logger[level]({ event, ...fields }, message));
  }
}

function assertLogger(logger: Logger): void {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    if (typeof (logger as Logger | null)?.[level] === 'function') continue;
    throw new TypeError(`logger must have the functions debug, info, warn and error; ${level} is none`);
  }
}

/** Polls and streams come and go all the time. */
function levelOf({ mode }: RecordedSubscription): LogLevel {
  return mode === 'webhook' ? 'info' : 'debug';
}

function subjectOf({ id, name, principal, mode, url }: RecordedSubscription): object {
  const callback = url === undefined ? {} : { callback: originOf(url) };
  return { subscriptionId: id, type: name, principal, mode, ...callback };
}

import type { LastError } from '@mcp-events/protocol';
import { ofType } from './metrics.ts';
import type { Observer } from './observer.ts';
import type { GuardedSpan } from './guardedSpan.ts';
import { SpanKind } from './tracing.ts';

/** Whose lane it is. */
export interface ObservedSubscriber {
  readonly id: string;
  readonly name: string;
  /** Name of the endpoint's host. */
  readonly host: string;
}

/** What is sent. */
export interface ObservedMessage {
  readonly kind: 'event' | 'gap' | 'terminated';
  readonly webhookId: string;
  readonly event?:
    | { readonly eventId: string; readonly _meta?: Readonly<Record<string, unknown>> | undefined }
    | undefined;
}

/** What came of one attempt. */
export interface ObservedOutcome {
  readonly kind: 'acknowledged' | 'refused' | 'failed' | 'local_fault';
  readonly reason?: LastError;
  /** What kept this machine from sending. */
  readonly fault?: string;
}

/** One delivery of a lane, from the moment it is known until it is acknowledged or given up. */
export class ObservedDelivery {
  readonly #observer: Observer;
  readonly #subscriber: ObservedSubscriber;
  readonly #message: ObservedMessage;
  readonly #span: GuardedSpan | undefined;

  constructor(observer: Observer, subscriber: ObservedSubscriber, message: ObservedMessage) {
    this.#observer = observer;
    this.#subscriber = subscriber;
    this.#message = message;
    const { tracing } = observer;
    if (tracing === undefined) return;
    const { event, kind } = message;
    const attributes = ofType(subscriber.name, {
      'mcp_events.subscription_id': subscriber.id,
      'mcp_events.kind': kind,
      ...(event === undefined ? {} : { 'mcp_events.event_id': event.eventId }),
    });
    const parent = tracing.carriedBy(event?._meta);
    this.#span = tracing.start(`deliver ${subscriber.name}`, SpanKind.internal, attributes, parent);
  }

  /** Begins an attempt; the function it returns ends it. */
  attempt(number: number): (outcome: ObservedOutcome) => void {
    const { tracing, metrics, clock } = this.#observer;
    const { name, host } = this.#subscriber;
    const startMs = clock.monotonicMs();
    if (number > 1) metrics?.retries.add(1, ofType(name));
    const span =
      this.#span &&
      tracing?.start(
        `attempt ${name}`,
        SpanKind.client,
        ofType(name, { 'mcp_events.attempt': number, 'server.address': host, 'http.request.method': 'POST' }),
        tracing.within(this.#span),
      );
    return ({ kind, reason = 'failed', fault }) => {
      const outcome = kind === 'failed' ? reason : kind;
      metrics?.attempts.add(1, ofType(name, { 'mcp_events.outcome': outcome }));
      metrics?.attemptDuration.record(Math.max(0, clock.monotonicMs() - startMs) / 1_000, {
        'mcp_events.outcome': outcome,
      });
      if (span !== undefined) {
        span.setAttributes({ 'mcp_events.outcome': outcome });
        if (kind !== 'acknowledged') tracing?.fail(span, outcome);
        span.end();
      }
      if (kind === 'local_fault') {
        this.#log(
          'debug',
          'delivery.postponed',
          { fault },
          'a delivery could not be sent from here, and is tried again',
        );
      }
      if (kind === 'failed') this.#log('debug', 'delivery.failed', { attempt: number, reason }, 'an attempt failed');
    };
  }

  acknowledged(): void {
    if (this.#message.kind === 'event') this.#observer.delivered(this.#subscriber.name, 'webhook', 1);
    this.#log('debug', 'delivery.acknowledged', {}, 'a delivery was acknowledged');
    this.#end('acknowledged');
  }

  /** The endpoint does not want it, or it is too large to be sent. */
  refused(reason: 'refused' | 'too_large'): void {
    this.#log('info', 'delivery.refused', { reason }, 'a delivery is not sent again');
    this.#end(reason);
  }

  /** @param kept as a dead letter */
  abandoned(reason: LastError, attempts: number, kept: boolean): void {
    const { metrics } = this.#observer;
    const { name } = this.#subscriber;
    metrics?.abandoned.add(1, ofType(name, { 'mcp_events.kind': this.#message.kind, 'mcp_events.outcome': reason }));
    if (kept) metrics?.deadLetters.add(1, { 'mcp_events.change': 'kept' });
    this.#log('warn', 'delivery.abandoned', { reason, attempts }, 'a delivery was given up');
    this.#end(reason);
  }

  /** Its subscription ended first, or the server did. */
  cut(): void {
    this.#end('cut');
  }

  #end(outcome: string): void {
    if (this.#span === undefined) return;
    this.#span.setAttributes({ 'mcp_events.outcome': outcome });
    if (outcome !== 'acknowledged' && outcome !== 'cut') this.#observer.tracing?.fail(this.#span, outcome);
    this.#span.end();
  }

  #log(level: 'debug' | 'info' | 'warn', event: string, more: object, message: string): void {
    const { id: subscriptionId, name: type } = this.#subscriber;
    const { kind, webhookId, event: occurrence } = this.#message;
    const fields = { subscriptionId, type, kind, webhookId, eventId: occurrence?.eventId, ...more };
    this.#observer.log(level, event, fields, message);
  }
}

import type { EmittedEvent } from '../catalog/eventHandle.ts';
import { errorFields } from './logger.ts';
import type { Observer } from './observer.ts';
import { ofType } from './metrics.ts';
import type { GuardedSpan } from './guardedSpan.ts';
import { SpanKind } from './tracing.ts';

type Meta = Readonly<Record<string, unknown>>;

/** One emit, from the author's call until the event is stored or refused. */
export class ObservedEmit {
  /** What is stored with the event: the author's metadata, and the trace it belongs to. */
  readonly meta: Meta | undefined;
  readonly #observer: Observer;
  readonly #name: string;
  readonly #span: GuardedSpan | undefined;

  constructor(observer: Observer, name: string, meta: Meta | undefined) {
    this.#observer = observer;
    this.#name = name;
    const { tracing } = observer;
    this.#span = tracing?.start(
      `emit ${name}`,
      SpanKind.producer,
      ofType(name),
      tracing.carriedBy(meta) ?? tracing.active(),
    );
    this.meta = tracing === undefined || this.#span === undefined ? meta : tracing.carry(this.#span, meta);
  }

  /** Does the rest of the emit, and tells how it went. */
  async until(emit: () => Promise<EmittedEvent>): Promise<EmittedEvent> {
    try {
      const emitted = await emit();
      this.#stored(emitted.eventId);
      return emitted;
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #stored(eventId: string): void {
    const { metrics } = this.#observer;
    metrics?.emits.add(1, ofType(this.#name, { 'mcp_events.outcome': 'stored' }));
    this.#observer.log('debug', 'event.emitted', { type: this.#name, eventId }, 'an event was emitted');
    this.#span?.setAttributes({ 'mcp_events.event_id': eventId });
    this.#span?.end();
  }

  /** A `TypeError` says what is wrong with the event; anything else is the log's. */
  #failed(error: unknown): void {
    const { metrics, tracing } = this.#observer;
    const outcome = error instanceof TypeError ? 'refused' : 'failed';
    metrics?.emits.add(1, ofType(this.#name, { 'mcp_events.outcome': outcome }));
    const level = outcome === 'refused' ? 'warn' : 'error';
    const reason = errorFields(error).message;
    this.#observer.log(level, `event.${outcome}`, { type: this.#name, reason }, `an emit was ${outcome}`);
    if (this.#span === undefined) return;
    tracing?.fail(this.#span, outcome);
    this.#span.end();
  }
}

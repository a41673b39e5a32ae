import * as api from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { DatabaseSync } from '@photostructure/sqlite';
import pino from 'pino';
import { memoryStorage } from '@mcp-events/server';
import type { EventsOptions, Logger, OutboxDatabase, TelemetryOptions } from '@mcp-events/server';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { pushedNumbers } from './kit/frames.ts';
import { counted, httpServer } from './kit/servers.ts';
import { durableStorage, keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { secretOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';

interface Record extends globalThis.Record<string, unknown> {
  readonly level: string;
  readonly event: string;
}

/** A logger that keeps its records. */
function recordingLogger(): Logger & { readonly records: Record[]; of(event: string): Record[] } {
  const records: Record[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void records.push({ level, message, ...(fields as { event: string }) });
  const of = (event: string): Record[] => records.filter((record) => record.event === event);
  return { records, of, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Telemetry that is kept in memory. */
class TestTelemetry {
  readonly spans = new InMemorySpanExporter();
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #reader = new PeriodicExportingMetricReader({ exporter: this.#metrics, exportIntervalMillis: 2 ** 30 });
  readonly tracerProvider: BasicTracerProvider;
  readonly options: TelemetryOptions;

  constructor(sampler?: AlwaysOffSampler) {
    this.tracerProvider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(this.spans)],
      ...(sampler === undefined ? {} : { sampler }),
    });
    const meterProvider = new MeterProvider({ readers: [this.#reader] });
    this.options = { api, tracerProvider: this.tracerProvider, meterProvider };
    onTestFinished(async () => {
      await meterProvider.shutdown();
      await this.tracerProvider.shutdown();
    });
  }

  span(name: string): ReadableSpan {
    const found = this.spans.getFinishedSpans().filter((span) => span.name === name);
    expect(found, name).toHaveLength(1);
    return found[0]!;
  }

  /** Values of a metric by its attributes. */
  async metric(name: string): Promise<Map<string, unknown>> {
    this.#metrics.reset();
    await this.#reader.forceFlush();
    const all = this.#metrics
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    const metric = all.find(({ descriptor }) => descriptor.name === `mcp_events.${name}`);
    return new Map(
      (metric?.dataPoints ?? []).map(({ attributes, value }) => [
        Object.values(attributes).join(' '),
        value as unknown,
      ]),
    );
  }
}

const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;

describe('traces', () => {
  it('OCC-09 one trace from the emit over log and lane to each attempt, which the event carries in its metadata', async () => {
    const telemetry = new TestTelemetry();
    const server = webhookServer({}, { telemetry: telemetry.options });
    const type = server.events.define('counted', counted);
    const { id } = await server.subscribe('counted');
    server.recorder.answer = () => 500;
    const { eventId } = await type.emit({ n: 1 }, { _meta: { 'example.com/a': 1 } });
    await settle();
    server.recorder.answer = () => undefined;
    await server.clock.advance(10_000);

    const emit = telemetry.span('emit counted');
    const append = telemetry.span('append counted');
    const deliver = telemetry.span('deliver counted');
    const attempts = telemetry.spans.getFinishedSpans().filter(({ name }) => name === 'attempt counted');
    expect([parentOf(append), parentOf(deliver)]).toEqual([idOf(emit), idOf(emit)]);
    expect(attempts.map((span) => parentOf(span))).toEqual([idOf(deliver), idOf(deliver)]);
    expect(emit.attributes).toEqual({ 'mcp_events.type': 'counted', 'mcp_events.event_id': eventId });
    expect(deliver.attributes).toMatchObject({
      'mcp_events.subscription_id': id,
      'mcp_events.event_id': eventId,
      'mcp_events.outcome': 'acknowledged',
    });
    expect(attempts.map(({ attributes, status }) => [attributes['mcp_events.outcome'], status.code])).toEqual([
      ['http_5xx', api.SpanStatusCode.ERROR],
      ['acknowledged', api.SpanStatusCode.UNSET],
    ]);
    expect(new Set(telemetry.spans.getFinishedSpans().map((span) => span.spanContext().traceId)).size).toBe(1);
    const { traceId, spanId } = emit.spanContext();
    for (const { body } of server.recorder.events) {
      expect(body._meta).toMatchObject({ traceparent: `00-${traceId}-${spanId}-01`, 'example.com/a': 1 });
    }
  });

  it('OCC-09 push and poll carry the trace as well', async () => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    const { cursor } = await server.poll('counted', null);
    await type.emit({ n: 1 });
    const { traceId, spanId } = telemetry.span('emit counted').spanContext();
    const traceparent = `00-${traceId}-${spanId}-01`;
    expect((await stream.take(2))[1]?.params._meta).toMatchObject({ traceparent });
    expect((await server.poll('counted', cursor)).events[0]._meta).toEqual({ traceparent });
  });

  it('the emit is part of what its author does, or of what the author says it belongs to', async () => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    const type = server.events.define('counted', counted);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await type.emit({ n: 1 }, { _meta: { traceparent, tracestate: 'vendor=1' } });
    const emit = telemetry.span('emit counted');
    expect(emit.parentSpanContext).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      isRemote: true,
    });
    expect(emit.spanContext().traceState?.serialize()).toBe('vendor=1');

    telemetry.spans.reset();
    const outer = telemetry.tracerProvider.getTracer('author').startSpan('request');
    const active = { active: () => api.trace.setSpan(api.ROOT_CONTEXT, outer) };
    const inRequest = httpServer({ telemetry: { ...telemetry.options, api: { ...api, context: active } } });
    await inRequest.events.define('counted', counted).emit({ n: 1 });
    expect(parentOf(telemetry.span('emit counted'))).toBe(outer.spanContext().spanId);
  });

  it.each([
    'no trace',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
  ])('a traceparent that is none begins a trace of its own: %s', async (traceparent) => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    await server.events.define('counted', counted).emit({ n: 1 }, { _meta: { traceparent } });
    expect(parentOf(telemetry.span('emit counted'))).toBeUndefined();
  });

  it('what is not sampled here is not sampled there', async () => {
    const telemetry = new TestTelemetry(new AlwaysOffSampler());
    const server = httpServer({ telemetry: telemetry.options });
    const type = server.events.define('counted', counted);
    const start = await server.poll('counted', null);
    await type.emit({ n: 1 });
    const { events } = await server.poll('counted', start.cursor);
    expect(events[0]._meta.traceparent).toMatch(/^00-[\da-f]{32}-[\da-f]{16}-00$/);
    expect(telemetry.spans.getFinishedSpans()).toEqual([]);
  });

  it('an API without an SDK behind it changes nothing', async () => {
    const server = webhookServer({}, { telemetry: { api } });
    const type = server.events.define('counted', counted);
    await server.subscribe('counted');
    await type.emit({ n: 1 });
    await settle();
    expect(Object.keys(server.recorder.events[0]?.body._meta)).toEqual(['mcp-events/order']);
  });

  it('a delivery after a restart belongs to the trace of its emit', async () => {
    const telemetry = new TestTelemetry();
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const storage = keptStorage(clock);
    const options: EventsOptions = { clock, storage, telemetry: telemetry.options };
    const first = webhookServer({ store }, options);
    const type = first.events.define('counted', counted);
    await settle();
    await first.subscribe('counted');
    first.recorder.network = 'refusing';
    await type.emit({ n: 1 });
    await settle();
    await first.events.close();
    const emit = telemetry.span('emit counted');
    expect(telemetry.span('deliver counted').attributes['mcp_events.outcome']).toBe('cut');
    telemetry.spans.reset();
    const second = webhookServer({ store }, options);
    second.events.define('counted', counted);
    await settle(50);
    expect(parentOf(telemetry.span('deliver counted'))).toBe(idOf(emit));
  });

  it('an event of an outbox belongs to the trace of the transaction it was added in', async () => {
    const telemetry = new TestTelemetry();
    const clock = new FakeClock();
    const storage = durableStorage(new TestSubscriptionStore(), keptStorage(clock));
    const server = httpServer({ clock, storage, telemetry: telemetry.options });
    server.events.define('counted', counted);
    const outbox = server.events.outbox(new DatabaseSync(':memory:'));
    outbox.add('counted', { n: 1 });
    await outbox.flush();
    const add = telemetry.span('add counted');
    const emit = telemetry.span('emit counted');
    expect(parentOf(emit)).toBe(idOf(add));
    expect(parentOf(telemetry.span('append counted'))).toBe(idOf(emit));
  });

  it('an emit that is refused, and one the log cannot store, end as failures', async () => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    const type = server.events.define('counted', counted);
    await expect(type.emit({ n: 'one' })).rejects.toThrow(TypeError);
    const { attributes, status } = telemetry.span('emit counted');
    expect([attributes['error.type'], status]).toEqual(['refused', { code: api.SpanStatusCode.ERROR }]);
    expect(await telemetry.metric('emits')).toEqual(new Map([['counted refused', 1]]));
  });
});

describe('metrics', () => {
  it('measures durations in fractions of a millisecond, whatever the time of day does', async () => {
    const telemetry = new TestTelemetry();
    let readings = 0;
    const clock = Object.assign(new FakeClock(), { monotonicMs: () => readings++ * 0.25 });
    const server = httpServer({ telemetry: telemetry.options, clock, storage: memoryStorage() });
    await server.events.define('counted', counted).emit({ n: 1 });
    expect(await telemetry.metric('append.duration')).toEqual(
      new Map([['counted', expect.objectContaining({ count: 1, sum: 0.00025 })]]),
    );
  });

  it('count what was emitted, appended, delivered in each mode, tried again and given up', async () => {
    const telemetry = new TestTelemetry();
    const server = webhookServer({ retry: { attempts: 2 }, tellAbandoned: false }, { telemetry: telemetry.options });
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    const { cursor } = await server.poll('counted', null);
    await server.subscribe('counted');
    await server.subscribe('counted', { url: `${TRUSTED}/b` });
    server.recorder.answer = ({ path }) => (path === '/b' ? 500 : undefined);
    await type.emit({ n: 1 }, { eventId: 'a' });
    await type.emit({ n: 1 }, { eventId: 'a' });
    await server.poll('counted', cursor);
    expect(pushedNumbers(await stream.take(2))).toEqual([1]);
    await server.clock.advance(10_000);
    expect(await telemetry.metric('emits')).toEqual(new Map([['counted stored', 2]]));
    expect(await telemetry.metric('appended')).toEqual(new Map([['counted', 1]]));
    expect(await telemetry.metric('append.duration')).toEqual(
      new Map([['counted', expect.objectContaining({ count: 2 })]]),
    );
    expect(await telemetry.metric('delivered')).toEqual(
      new Map([
        ['counted push', 1],
        ['counted webhook', 1],
        ['counted poll', 1],
      ]),
    );
    expect(await telemetry.metric('attempts')).toEqual(
      new Map([
        ['counted acknowledged', 1],
        ['counted http_5xx', 2],
      ]),
    );
    expect(await telemetry.metric('retries')).toEqual(new Map([['counted', 1]]));
    expect(await telemetry.metric('abandoned')).toEqual(new Map([['counted event http_5xx', 1]]));
    expect(await telemetry.metric('dead_letters')).toEqual(new Map([['kept', 1]]));

    server.recorder.answer = () => undefined;
    await server.events.redrive();
    await settle();
    expect(await telemetry.metric('dead_letters')).toEqual(
      new Map([
        ['kept', 1],
        ['redriven', 1],
      ]),
    );
  });

  it('show subscriptions by mode and state, how far the slowest is behind, and what waits', async () => {
    const telemetry = new TestTelemetry();
    const server = webhookServer(
      { limits: { outstandingPerSubscription: 2 }, suspension: { minAttempts: 1 } },
      { telemetry: telemetry.options },
    );
    const type = server.events.define('counted', counted);
    await server.poll('counted', null);
    await server.stream('counted');
    await server.subscribe('counted');
    await server.subscribe('counted', { url: `${TRUSTED}/b` });
    server.recorder.answer = ({ path }) => (path === '/b' ? 'hang' : undefined);
    for (let n = 1; n <= 5; n++) await type.emit({ n });
    await settle();
    expect(await telemetry.metric('subscriptions')).toEqual(
      new Map([
        ['poll active', 1],
        ['push active', 1],
        ['webhook active', 2],
      ]),
    );
    expect(await telemetry.metric('lag')).toEqual(
      new Map([
        ['counted push', 0],
        ['counted webhook', 5],
      ]),
    );
    expect(await telemetry.metric('queue')).toEqual(
      new Map([
        ['outbox', 0],
        ['attempts_running', 2],
        ['attempts_waiting', 0],
        ['retries', 0],
      ]),
    );
    server.recorder.release(500);
    await settle();
    expect((await telemetry.metric('subscriptions')).get('webhook suspended')).toBe(1);
    expect(await telemetry.metric('suspensions')).toEqual(new Map([['counted', 1]]));
  });

  it('show rows of an outbox that wait, as long as its database can say', async () => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    server.events.define('counted', counted);
    const db = new DatabaseSync(':memory:');
    server.events.outbox(db).add('counted', { n: 1 });
    expect((await telemetry.metric('queue')).get('outbox')).toBe(1);
    await settle();
    expect((await telemetry.metric('queue')).get('outbox')).toBe(0);
    db.close();
    expect((await telemetry.metric('queue')).get('outbox')).toBe(0);
  });

  it('are not collected any more after the close', async () => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    const db = new DatabaseSync(':memory:');
    let looks = 0;
    const watched: OutboxDatabase = {
      exec: (sql) => db.exec(sql),
      isTransaction: false,
      prepare: (sql) => {
        if (sql.startsWith('SELECT count')) looks++;
        return db.prepare(sql);
      },
    };
    server.events.outbox(watched);
    await telemetry.metric('queue');
    await server.events.close();
    await telemetry.metric('queue');
    expect(looks).toBe(1);
  });

  it('count problems by stage', async () => {
    const telemetry = new TestTelemetry();
    const server = httpServer({ telemetry: telemetry.options });
    const authorize = (): never => {
      throw new Error('the directory is down');
    };
    server.events.define('counted', { ...counted, authorize });
    await server.call('events/poll', { name: 'counted', cursor: null });
    expect(await telemetry.metric('problems')).toEqual(new Map([['authorize', 1]]));
    expect(server.errors).toHaveLength(1);
  });
});

describe('records', () => {
  it('STATUS-03 tell the life of a subscription and of its deliveries under stable names', async () => {
    const logger = recordingLogger();
    const server = webhookServer(
      { retry: { attempts: 2 }, suspension: { minAttempts: 3, failureRate: 0.5 } },
      { logger },
    );
    const type = server.events.define('counted', counted);
    const { id } = await server.subscribe('counted');
    const subject = { subscriptionId: id, type: 'counted' };
    const { eventId } = await type.emit({ n: 1 });
    await settle();
    server.recorder.answer = () => 503;
    const lost = await type.emit({ n: 2 });
    await server.clock.advance(10_000);
    await type.emit({ n: 3 });
    await settle();
    server.recorder.answer = () => undefined;
    await server.subscribe('counted');
    await server.unsubscribe('counted');
    expect(logger.of('subscription.started')).toEqual([
      expect.objectContaining({ ...subject, level: 'info', mode: 'webhook', principal: 'alice', callback: TRUSTED }),
    ]);
    expect(logger.of('event.emitted')[0]).toMatchObject({ level: 'debug', type: 'counted', eventId });
    expect(logger.of('delivery.acknowledged')[0]).toMatchObject({ ...subject, level: 'debug', eventId, kind: 'event' });
    expect(logger.of('delivery.failed')[0]).toMatchObject({
      ...subject,
      eventId: lost.eventId,
      attempt: 1,
      reason: 'http_5xx',
    });
    expect(logger.of('delivery.abandoned')).toEqual([
      expect.objectContaining({ ...subject, level: 'warn', eventId: lost.eventId, attempts: 2, reason: 'http_5xx' }),
    ]);
    expect(logger.of('subscription.suspended')).toEqual([
      expect.objectContaining({ ...subject, level: 'warn', reason: 'http_5xx' }),
    ]);
    expect(logger.of('subscription.resumed')).toEqual([expect.objectContaining({ ...subject, level: 'info' })]);
    expect(logger.of('subscription.ended')).toEqual([expect.objectContaining({ ...subject, level: 'info' })]);
    await server.events.close({ deadlineMs: 10 });
    expect(logger.records.slice(-2)).toEqual([
      expect.objectContaining({ event: 'server.closing', deadlineMs: 10 }),
      expect.objectContaining({ event: 'server.closed', attemptsCut: 0, level: 'info' }),
    ]);
  });

  it('DELIV-13 tell a suspension once, not with each start again', async () => {
    const logger = recordingLogger();
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const options: EventsOptions = { clock, storage: keptStorage(clock), logger };
    const first = webhookServer({ store, suspension: { minAttempts: 1 } }, options);
    const type = first.events.define('counted', counted);
    await settle();
    await first.subscribe('counted');
    first.recorder.answer = () => 500;
    await type.emit({ n: 1 });
    await settle();
    await first.events.close();
    const second = webhookServer({ store }, options);
    second.events.define('counted', counted);
    await settle(50);
    expect(second.events.subscriptions()).toEqual([expect.objectContaining({ suspended: true })]);
    expect(logger.of('subscription.suspended')).toHaveLength(1);
  });

  it('TERM-02 say why a subscription was ended, and polls and streams come and go quietly', async () => {
    const logger = recordingLogger();
    const server = httpServer({ logger });
    const type = server.events.define('counted', counted);
    await server.stream('counted');
    await server.poll('counted', null);
    type.remove();
    expect(logger.of('subscription.ended').map(({ mode, level, reason }) => [mode, level, reason])).toEqual([
      ['push', 'debug', 'NotFound'],
      ['poll', 'debug', 'NotFound'],
    ]);
  });

  it('never have secrets, payloads, or more of a callback URL than its origin', async () => {
    const logger = recordingLogger();
    const server = webhookServer({ retry: { attempts: 1 }, suspension: { minAttempts: 1 } }, { logger });
    const type = server.events.define('counted', {
      payload: { type: 'object', properties: { n: { type: 'integer' }, text: { type: 'string', maxLength: 20 } } },
    });
    const url = `${TRUSTED}/private-path?token=private-token`;
    await server.subscribe('counted', { url, secret: secretOf(7) });
    server.recorder.answer = () => 500;
    await type.emit({ text: 'private-payload' });
    await expect(type.emit({ text: 'private-payload, and much too long' })).rejects.toThrow(TypeError);
    await server.clock.advance(10_000);
    await server.events.close();
    const text = JSON.stringify(logger.records);
    expect(logger.of('delivery.abandoned')).not.toEqual([]);
    expect(logger.of('event.refused')).not.toEqual([]);
    expect(text).not.toContain('private');
    expect(text).not.toContain(secretOf(7).slice(6));
  });

  it('of problems have type, message and stack of an error, and nothing else it carries', async () => {
    const logger = recordingLogger();
    const told: unknown[] = [];
    const failure = Object.assign(new RangeError('too far'), { headers: { authorization: 'Bearer private' } });
    const authorize = (): never => {
      throw failure;
    };
    const server = httpServer({ logger, onError: (error) => told.push(error) });
    server.events.define('counted', { ...counted, authorize });
    await server.call('events/poll', { name: 'counted', cursor: null });
    expect(logger.of('problem')).toEqual([
      {
        level: 'error',
        event: 'problem',
        message: 'authorize failed',
        stage: 'authorize',
        type: 'counted',
        error: { type: 'RangeError', message: 'too far', stack: failure.stack },
      },
    ]);
    expect(told).toEqual([failure]);
  });

  it('go to a logger of pino as they are', async () => {
    const lines: string[] = [];
    const logger: Logger = pino({ level: 'debug' }, { write: (line) => void lines.push(line) });
    const server = httpServer({ logger });
    await server.events.define('counted', counted).emit({ n: 1 });
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 20,
      event: 'event.emitted',
      type: 'counted',
      msg: 'an event was emitted',
    });
  });

  it('a logger that throws does not get in the way', async () => {
    const written = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => written.mockRestore());
    const broken = (): never => {
      throw new Error('the log disk is full');
    };
    const server = webhookServer({}, { logger: { debug: broken, info: broken, warn: broken, error: broken } });
    const type = server.events.define('counted', counted);
    await server.subscribe('counted');
    await type.emit({ n: 1 });
    await settle();
    expect(server.recorder.events).toHaveLength(1);
    expect(written).toHaveBeenCalledOnce();
  });
});

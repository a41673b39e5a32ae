import type { EventsOptions, TelemetryOptions } from '@mcp-events/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MockInstance } from 'vitest';
import { ReportingCalls } from '../src/observability/reportingCalls.ts';
import { settle } from './kit/fakeClock.ts';
import { pushedNumbers } from './kit/frames.ts';
import { counted, httpServer, numbersOf } from './kit/servers.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';

const thenable = (then: PropertyDescriptor): unknown => Object.defineProperty({}, ['th', 'en'].join(''), then);

const ways: readonly [string, () => unknown][] = [
  ['throws', () => expect.fail('the sink is down')],
  ['rejects', () => Promise.reject(new Error('the sink is down'))],
  ['never settles', () => new Promise(() => {})],
  ['throws nothing', () => Promise.reject()],
  ['returns what throws when it is looked at', () => thenable({ get: () => expect.fail('no') })],
  [
    'calls back at once',
    () => thenable({ value: (_taken: unknown, failed: (error: Error) => void) => failed(new Error('at once')) }),
  ],
];

let written: MockInstance<typeof console.error>;
const unhandled: unknown[] = [];
const catchIt = (error: unknown): void => void unhandled.push(error);

beforeEach(() => {
  written = vi.spyOn(console, 'error').mockImplementation(() => {});
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  unhandled.length = 0;
  process.on('unhandledRejection', catchIt);
});

afterEach(() => {
  process.off('unhandledRejection', catchIt);
  vi.restoreAllMocks();
});

/** Telemetry of which every function is `fail`, from the instruments on. */
function failingTelemetry(fail: () => unknown, from: 'creation' | 'use'): TelemetryOptions {
  const use = <T>(value: T): T => (from === 'creation' ? (fail() as T) : value);
  const span = { spanContext: fail, setAttributes: fail, setStatus: fail, end: fail };
  const meter = {
    createCounter: () => use({ add: fail }),
    createHistogram: () => use({ record: fail }),
    createObservableGauge: () => use({}),
    addBatchObservableCallback: fail,
    removeBatchObservableCallback: fail,
  };
  const api = {
    trace: {
      getTracer: () => ({ startSpan: () => use(span) }),
      setSpan: fail,
      setSpanContext: fail,
      isSpanContextValid: fail,
    },
    metrics: { getMeter: () => meter },
    context: { active: fail },
    ROOT_CONTEXT: {},
    createTraceState: fail,
  };
  return { api } as unknown as TelemetryOptions;
}

describe.each(ways)('what reports and %s', (_way, fail) => {
  const logger = { debug: fail, info: fail, warn: fail, error: fail };
  const all: readonly [string, EventsOptions][] = [
    ['the logger', { logger }],
    ['onWarning', { onWarning: fail }],
    ['onError', { onError: fail }],
    ['telemetry in use', { telemetry: failingTelemetry(fail, 'use') }],
    ['telemetry from its creation', { telemetry: failingTelemetry(fail, 'creation') }],
    ['everything', { logger, onWarning: fail, onError: fail, telemetry: failingTelemetry(fail, 'use') }],
  ];

  it.each(all)('EMIT-18 breaks nothing: %s', async (_what, options) => {
    const server = webhookServer({}, { limits: { payloadWarningBytes: 1 }, ...options });
    const type = server.events.define('counted', {
      ...counted,
      match: (_context, { data }) => (data['n'] === 2 ? expect.fail('cannot say') : true),
    });
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await server.subscribe('counted');
    const _meta = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' };
    for (const n of [1, 2, 3]) await type.emit({ n }, { _meta });
    await expect(type.emit({ n: 'text' })).rejects.toThrow(TypeError);
    await settle();
    await server.clock.advance(10_000);
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1, 3]);
    expect(pushedNumbers(await stream.arrived())).toEqual([1, 3]);
    expect(postedNumbers(server)).toEqual([1, 3]);
    await server.events.close();
    await settle();
    expect(unhandled).toEqual([]);
  });
});

describe('a failure of what reports', () => {
  it('EMIT-18 is written to standard error once, and what it was told each time', async () => {
    const server = httpServer({ onError: (): unknown => Promise.reject(new Error('down')) });
    const type = server.events.define('counted', { ...counted, match: () => expect.fail('cannot say') });
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2]) await type.emit({ n });
    await server.poll('counted', cursor);
    await settle();
    const lines = written.mock.calls.map(([, context]: unknown[]) => (context as { stage: string }).stage);
    expect(lines.toSorted()).toEqual(['match or transform', 'match or transform', 'onError']);
  });

  it('EMIT-18 breaks nothing where standard error fails as well', () => {
    written.mockImplementation(() => expect.fail('closed'));
    const calls = new ReportingCalls();
    expect(
      calls.run(
        'logger',
        () => expect.fail('down'),
        () => expect.fail('down, too'),
      ),
    ).toBeUndefined();
    expect(calls.run('logger', () => 1)).toBe(1);
  });

  it('EMIT-18 what was thrown may be anything', async () => {
    const logged: unknown[] = [];
    const log = (fields: object): void => void logged.push(fields);
    const server = httpServer({
      onError: undefined as never,
      logger: { debug: log, info: log, warn: log, error: log },
    });
    const thrown = [null, undefined, 1, Object.create(null), { toString: () => expect.fail('no text') }];
    const type = server.events.define('counted', {
      ...counted,
      match: (_context, { data }) => {
        throw thrown[Number(data['n'])];
      },
    });
    const { cursor } = await server.poll('counted', null);
    for (const n of thrown.keys()) await type.emit({ n });
    expect(await server.poll('counted', cursor)).toMatchObject({ events: [], truncated: true });
    expect(logged.filter((fields) => (fields as { event: string }).event === 'problem')).toHaveLength(thrown.length);
  });
});

it.each([
  [{ onError: null }, 'onError must be a function, not null'],
  [{ onWarning: 'text' }, 'onWarning must be a function, not string'],
  [{ logger: {} }, 'logger must have the functions debug, info, warn and error; debug is none'],
  [{ logger: { ...console, error: 1 } }, 'error is none'],
  [{ logger: null }, 'debug is none'],
])('EMIT-18 refuses %j, which could not report', (options, message) => {
  expect(() => httpServer(options as never)).toThrow(message);
});

import { occurrenceSchema } from '@mcp-events/protocol';
import type { CheckResult, EmitOptions } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { kindsOf } from './kit/frames.ts';
import type { Message } from './kit/frames.ts';
import { EXTENSION, SUBSCRIPTION_ID } from './kit/httpServer.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';

const PAST = '2025-12-31T23:59:00+02:00';

/** The occurrence inside a notification, without what belongs to the stream. */
function occurrenceOf(message: Message | undefined): Record<string, unknown> {
  const { cursor: _cursor, _meta, ...occurrence } = (message as Message).params;
  const { [SUBSCRIPTION_ID]: _id, ...meta } = _meta;
  return Object.keys(meta).length === 0 ? occurrence : { ...occurrence, _meta: meta };
}

describe('form', () => {
  it('OCC-01 OCC-05 is complete in poll results, where entries have no cursor of their own', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    await type.emit({ n: 1 });
    await type.emit({ n: 2 }, { _meta: { trace: 'a' } });
    const result = await server.poll('counted', cursor);
    expect(result.events).toHaveLength(2);
    for (const entry of result.events) {
      expect(occurrenceSchema.safeParse(entry).success).toBe(true);
      expect(entry).not.toHaveProperty('cursor');
    }
    expect(Object.keys(result.events[0])).toEqual(['eventId', 'name', 'timestamp', 'data']);
    expect(result.cursor).toEqual(expect.any(String));
  });

  it('OCC-01 OCC-09 is the same over HTTP, on stdio and in a poll result', async () => {
    const options: EmitOptions = { eventId: 'upstream-1', timestamp: PAST, _meta: { trace: { id: 'a' } } };
    const expected = { eventId: 'upstream-1', name: 'counted', timestamp: PAST, data: { n: 1 }, _meta: options._meta };
    const overHttp = httpServer();
    const type = overHttp.events.define('counted', counted);
    const { cursor } = await overHttp.poll('counted', null);
    const stream = await overHttp.stream('counted');
    await type.emit({ n: 1 }, options);
    expect((await overHttp.poll('counted', cursor)).events).toEqual([expected]);
    expect(occurrenceOf((await stream.take(2))[1])).toEqual(expected);
    const onStdio = stdioServer();
    const same = onStdio.events.define('counted', counted);
    await onStdio.request(1, 'events/stream', { name: 'counted' });
    await same.emit({ n: 1 }, options);
    await onStdio.idle();
    expect(occurrenceOf(onStdio.of(1)[1])).toEqual(expected);
  });

  it('OCC-02 has the name of the subscribed type', async () => {
    const server = httpServer();
    const [a, b] = [server.events.define('a', counted), server.events.define('b', counted)];
    const [streamA, streamB] = [await server.stream('a'), await server.stream('b')];
    const fromA = (await server.poll('a', null)).cursor;
    await a.emit({ n: 1 });
    await b.emit({ n: 2 });
    expect((await streamA.arrived()).slice(1).map(({ params }) => [params.name, params.data.n])).toEqual([['a', 1]]);
    expect((await streamB.arrived()).slice(1).map(({ params }) => [params.name, params.data.n])).toEqual([['b', 2]]);
    expect((await server.poll('a', fromA)).events.map((entry: { name: string }) => entry.name)).toEqual(['a']);
  });

  it('OCC-06 never has a top-level type, whatever the author adds', async () => {
    const server = httpServer();
    const emitted = server.events.define('emitted', { payload: { type: 'object' } });
    const event = { eventId: 'e', timestamp: PAST, data: { type: 'inner' }, type: 'gap' };
    server.events.define('checked', {
      payload: { type: 'object' },
      check: (_context, _args, cursor) =>
        cursor === null ? { events: [], cursor: '0' } : { events: [event], cursor: '1' },
    });
    const cursors = [(await server.poll('emitted', null)).cursor, (await server.poll('checked', null)).cursor];
    const stream = await server.stream('emitted');
    await expect(emitted.emit({ type: 'outer' }, { type: 'gap' } as EmitOptions)).rejects.toThrow('no member "type"');
    await emitted.emit({ type: 'inner' });
    const [fromEmit] = (await server.poll('emitted', cursors[0])).events;
    const [fromCheck] = (await server.poll('checked', cursors[1])).events;
    const pushed = (await stream.take(2))[1]?.params;
    for (const occurrence of [fromEmit, fromCheck, pushed]) {
      expect(occurrence).not.toHaveProperty('type');
      expect(occurrence.data).toEqual({ type: 'inner' });
    }
  });

  it('OCC-09 keeps metadata apart from a strict payload schema', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { payload: { ...counted.payload, additionalProperties: false } });
    const stream = await server.stream('counted');
    await type.emit({ n: 1 }, { _meta: { trace: 'a' } });
    expect((await stream.take(2))[1]?.params).toMatchObject({ data: { n: 1 }, _meta: { trace: 'a' } });
  });

  it('OCC-09 PUSH-03 does not let author metadata stand in for the id of the stream', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted', {}, { id: 'mine' });
    await type.emit({ n: 1 }, { _meta: { [SUBSCRIPTION_ID]: 'forged', [EXTENSION]: 1 } });
    await stream.take(2);
    expect(stream.raw.join('').match(/subscriptionId":"[a-z]+"/g)).toEqual([
      'subscriptionId":"mine"',
      'subscriptionId":"mine"',
    ]);
  });
});

describe('time', () => {
  it('OCC-03 is told as given, at first delivery, on replay and in a poll', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    const [active] = await stream.take(1);
    await type.emit({ n: 1 }, { timestamp: PAST });
    await server.clock.advance(60_000);
    const replayed = await server.stream('counted', { cursor: active?.params.cursor });
    const polled = await server.poll('counted', active?.params.cursor);
    const times = [(await stream.next())?.params.timestamp, (await replayed.take(2))[1]?.params.timestamp];
    expect([...times, polled.events[0].timestamp]).toEqual([PAST, PAST, PAST]);
  });

  it('OCC-03 is the time of the emit when the author gives none, and a Date is written as ISO 8601', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    await type.emit({ n: 1 });
    await server.clock.advance(5_000);
    await type.emit({ n: 2 }, { timestamp: new Date(Date.UTC(2025, 0, 2, 3, 4, 5)) });
    const times = (await server.poll('counted', cursor)).events.map((entry: { timestamp: string }) => entry.timestamp);
    expect(times).toEqual(['2026-01-01T00:00:00.000Z', '2025-01-02T03:04:05.000Z']);
  });

  it.each(['2025-12-31T23:59:00', 'yesterday', '', '2025-13-01T00:00:00Z', new Date(NaN)])(
    'OCC-03 refuses the time %s',
    async (timestamp) => {
      const server = httpServer();
      const type = server.events.define('counted', counted);
      const { cursor } = await server.poll('counted', null);
      await expect(type.emit({ n: 1 }, { timestamp })).rejects.toThrow(TypeError);
      expect((await server.poll('counted', cursor)).events).toEqual([]);
    },
  );
});

describe('payload', () => {
  it('OCC-04 refuses an emit that violates the schema, and delivers it nowhere', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    await expect(type.emit({ n: 'one' })).rejects.toThrow(/violates its payload schema: n must be integer/);
    await expect(type.emit({})).rejects.toThrow(/violates its payload schema/);
    await type.emit({ n: 1 });
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
    expect((await stream.arrived()).slice(1).map(({ params }) => params.data)).toEqual([{ n: 1 }]);
  });

  it.each([null, [1], 'text', 1, undefined, () => {}])('OCC-01 refuses %s as data', async (data) => {
    const server = httpServer();
    const type = server.events.define('counted', { payload: {} });
    await expect(type.emit(data as never)).rejects.toThrow('must be a JSON object');
  });

  it('OCC-01 refuses data that cannot be written as JSON', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { payload: {} });
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    await expect(type.emit(circular)).rejects.toThrow('cannot be written as JSON');
    await expect(type.emit({ n: 1n })).rejects.toThrow('cannot be written as JSON');
  });

  it('OCC-04 passes over an event of a check that violates the schema, and tells the gap', async () => {
    const server = httpServer();
    const at = (n: unknown): { eventId: string; timestamp: string; data: Record<string, unknown> } => ({
      eventId: `e${String(n)}`,
      timestamp: PAST,
      data: { n },
    });
    const upstream = [at(1), at('two'), at(3)];
    server.events.define('counted', {
      ...counted,
      check: (_context, _args, cursor): CheckResult => {
        const from = cursor === null ? 3 : Number(cursor);
        return { events: upstream.slice(from), cursor: '3' };
      },
    });
    const polled = await server.poll('counted', 'c0.0');
    expect(numbersOf(polled.events)).toEqual([1, 3]);
    expect(polled.truncated).toBe(true);
    const stream = await server.stream('counted', { cursor: 'c0.0' });
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'error', 'active', 'event']);
    expect(messages[3]?.params.truncated).toBe(true);
    expect(messages[4]?.params.data).toEqual({ n: 3 });
    expect(server.errors.length).toBeGreaterThan(0);
  });

  it.each([
    ['no time', { timestamp: 'not a time' }],
    ['a number as time', { timestamp: 1_483_228_799 }],
    ['an invalid Date', { timestamp: new Date(Number.NaN) }],
    ['no id', { eventId: undefined }],
    ['an empty id', { eventId: '' }],
    ['an id too long by one', { eventId: 'x'.repeat(257) }],
    ['an id with a zero', { eventId: 'a\0b' }],
    ['no data', { data: undefined }],
    ['data null', { data: null }],
    ['a list as data', { data: [2] }],
    ['data that is no JSON', { data: { n: 2n } }],
    ['data that throws', { data: { n: 2, toJSON: () => expect.fail('down') } }],
    ['data too large by one', { data: { n: 2, pad: 'x'.repeat(262_144 - '{"n":2,"pad":""}'.length + 1) } }],
    ['metadata too large with its data', { _meta: { pad: 'x'.repeat(262_144) } }],
    ['metadata that is none', { _meta: 'text' }],
    ['nothing at all', null],
  ])('OCC-04 passes over a record of a check with %s, tells the gap and goes on', async (_what, broken) => {
    const server = httpServer();
    const rows = [1, 2, 3].map((n) => {
      const row = { eventId: `e${n}`, timestamp: PAST, data: { n } };
      return n === 2 ? broken && { ...row, ...broken } : row;
    });
    server.events.define('counted', {
      ...counted,
      check: (_context, _args, cursor) =>
        ({ events: cursor === null ? [] : rows.slice(Number(cursor)), cursor: '3' }) as CheckResult,
    });
    const polled = await server.poll('counted', 'c0.0');
    expect([numbersOf(polled.events), polled.truncated]).toEqual([[1, 3], true]);
    expect(await server.poll('counted', polled.cursor)).toMatchObject({ events: [], truncated: false });
    const stream = await server.stream('counted', { cursor: 'c0.0' });
    expect(kindsOf(await stream.arrived())).toEqual(['active', 'event', 'error', 'active', 'event']);
    expect(new Set(server.errors.map(({ stage }) => stage))).toEqual(new Set(['check']));
    expect(String(server.errors[0]?.error)).toMatch(/check of counted returned/);
  });

  it('OCC-04 takes an id and a payload of a check that are as large as they may be', async () => {
    const server = httpServer();
    const pad = 'x'.repeat(262_144 - '{"n":1,"pad":""}'.length);
    server.events.define('counted', {
      ...counted,
      check: () => ({ events: [{ eventId: 'x'.repeat(256), timestamp: PAST, data: { n: 1, pad } }], cursor: '1' }),
    });
    expect(await server.poll('counted', 'c0.0')).toMatchObject({ truncated: false, events: [{ data: { n: 1 } }] });
  });

  it('OCC-03 OCC-04 is a copy: what the author does with the object afterwards reaches nobody', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    const data = { n: 1 };
    const emitting = type.emit(data);
    data.n = 2;
    await emitting;
    data.n = 3;
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
    expect((await stream.take(2))[1]?.params.data).toEqual({ n: 1 });
  });

  it('OCC-10 warns about payloads above the configured size, and sends them', async () => {
    const server = httpServer({ limits: { payloadWarningBytes: 100 } });
    const type = server.events.define('text', { payload: { type: 'object' } });
    const { cursor } = await server.poll('text', null);
    await type.emit({ text: 'x'.repeat(80) });
    expect(server.warnings).toEqual([]);
    // Bytes count, not characters.
    await type.emit({ text: 'ä'.repeat(50) });
    expect(server.warnings).toHaveLength(1);
    expect(server.warnings[0]).toContain('data of an event of text has 111 bytes');
    expect((await server.poll('text', cursor)).events).toHaveLength(2);
  });

  it('OCC-09 EMIT-08 counts metadata against the largest size and against retention', async () => {
    const server = httpServer({ limits: { maxPayloadBytes: 1_000 } });
    const type = server.events.define('counted', { ...counted, retention: { maxBytes: 1_500 } });
    await expect(type.emit({ n: 0 }, { _meta: { text: 'x'.repeat(1_000) } })).rejects.toThrow('at most 1000 are sent');
    const { cursor } = await type.emit({ n: 1 });
    for (const n of [2, 3, 4]) await type.emit({ n }, { _meta: { text: 'x'.repeat(600) } });
    expect(await server.poll('counted', cursor)).toMatchObject({ events: [], truncated: true });
  });

  it('OCC-10 refuses payloads above the largest size', async () => {
    const server = httpServer({ limits: { maxPayloadBytes: 100 } });
    const type = server.events.define('text', { payload: { type: 'object' } });
    const { cursor } = await server.poll('text', null);
    await expect(type.emit({ text: 'x'.repeat(100) })).rejects.toThrow('at most 100 are sent');
    expect((await server.poll('text', cursor)).events).toEqual([]);
  });
});

describe('event id', () => {
  it('OCC-07 is repeated with the same payload, in whatever order its members stand', async () => {
    const server = httpServer();
    const type = server.events.define('two', { payload: { type: 'object' } });
    const { cursor } = await server.poll('two', null);
    const first = await type.emit({ a: 1, b: { c: [1, { d: 1, e: 2 }], f: null } }, { eventId: 'x' });
    expect(await type.emit({ b: { f: null, c: [1, { e: 2, d: 1 }] }, a: 1 }, { eventId: 'x' })).toEqual(first);
    for (const other of [{ a: 1 }, { a: 1, b: { c: [{ d: 1, e: 2 }, 1], f: null } }]) {
      await expect(type.emit(other, { eventId: 'x' })).rejects.toThrow('was used for another event');
    }
    expect((await server.poll('two', cursor)).events).toHaveLength(1);
  });

  it('OCC-07 OCC-08 is the upstream id on every path, and a made-up one is the same for everybody', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const [first, second] = [await server.stream('counted'), await server.stream('counted', {}, { as: 'ada' })];
    await type.emit({ n: 1 }, { eventId: 'upstream-1' });
    const { eventId } = await type.emit({ n: 2 });
    const replayed = await server.stream('counted', { cursor });
    const pushedIds = await Promise.all(
      [first, second, replayed].map(async (stream) => (await stream.take(3)).slice(1).map((m) => m.params.eventId)),
    );
    const polledIds = (await server.poll('counted', cursor)).events.map((entry: { eventId: string }) => entry.eventId);
    for (const ids of [...pushedIds, polledIds]) expect(ids).toEqual(['upstream-1', eventId]);
    expect(eventId).toMatch(/^evt_\w+$/);
  });

  it('OCC-07 is the same for an event that one type checks for and another emits', async () => {
    const server = httpServer();
    const emitted = server.events.define('emitted', counted);
    const upstream = { eventId: 'upstream-1', timestamp: PAST, data: { n: 1 } };
    server.events.define('checked', {
      ...counted,
      check: (_context, _args, cursor) => ({ events: cursor === '0' ? [upstream] : [], cursor: '1' }),
    });
    const stream = await server.stream('emitted');
    await emitted.emit({ n: 1 }, { eventId: 'upstream-1' });
    const [polled] = (await server.poll('checked', 'c0.0')).events;
    const pushed = await server.stream('checked', { cursor: 'c0.0' });
    expect(polled.eventId).toBe((await stream.take(2))[1]?.params.eventId);
    expect(polled.eventId).toBe((await pushed.take(2))[1]?.params.eventId);
  });

  it('OCC-08 made-up ids differ from event to event and from server to server', async () => {
    const ids = new Set<string>();
    for (const server of [httpServer(), httpServer()]) {
      const type = server.events.define('counted', counted);
      for (let n = 0; n < 10; n++) ids.add((await type.emit({ n })).eventId);
    }
    expect(ids.size).toBe(20);
  });

  it('OCC-08 a repeated emit with a retained id is the same event; with other data it is refused', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const first = await type.emit({ n: 1 }, { eventId: 'upstream-1' });
    expect(await type.emit({ n: 1 }, { eventId: 'upstream-1' })).toEqual(first);
    await expect(type.emit({ n: 2 }, { eventId: 'upstream-1' })).rejects.toThrow('was used for another event');
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
  });

  it.each(['', 'x'.repeat(257)])('OCC-01 refuses an unusable id', async (eventId) => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    await expect(type.emit({ n: 1 }, { eventId })).rejects.toThrow('1 to 256 characters');
  });

  it.each([5, 'a\ud800', 'a\0b'])('OCC-01 refuses an id or target that a storage may change: %j', async (text) => {
    const type = httpServer({ dialect: 'final' }).events.define('counted', counted);
    await expect(type.emit({ n: 1 }, { eventId: text as string })).rejects.toThrow(TypeError);
    await expect(type.emit({ n: 1 }, { target: text as string })).rejects.toThrow('target of an event of counted');
    await expect(type.emit({ n: 1 }, { eventId: 'a\u{1f600}' })).resolves.toBeDefined();
  });
});

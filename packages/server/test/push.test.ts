import { EventsError, forbidden, memoryStorage } from '@mcp-events/server';
import { activeParamsSchema, eventParamsSchema, heartbeatParamsSchema, streamResultSchema } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import type { Message } from './kit/frames.ts';
import { SUBSCRIPTION_ID } from './kit/httpServer.ts';
import { counted, httpServer } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';

function withoutHeartbeats(messages: readonly Message[]): Message[] {
  return messages.filter(({ method }) => method !== 'notifications/events/heartbeat');
}

describe('opening', () => {
  it('PUSH-01 answers an invalid request with a plain error and opens nothing', async () => {
    const server = httpServer();
    const input = { type: 'object', properties: { level: { type: 'integer' } }, additionalProperties: false };
    server.events.define('counted', { ...counted, input });
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    server.events.define('closed', { ...counted, authorize: () => false });
    const cases: [params: Record<string, unknown>, code: number][] = [
      [{ name: 'nothing' }, -32023],
      [{ name: 'closed' }, -32024],
      [{ name: 'polled' }, -32026],
      [{ name: 'counted', arguments: { level: 'high' } }, -32602],
      [{ name: 'counted', arguments: { other: 1 } }, -32602],
      [{ name: 'counted', maxAgeMs: -1 }, -32602],
      [{ name: 'counted', cursor: 5 }, -32602],
      [{ name: 5 }, -32602],
      [{}, -32602],
    ];
    for (const [params, code] of cases) {
      const response = await server.fetch('events/stream', params);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('application/json');
      expect(((await response.json()) as { error: { code: number } }).error.code).toBe(code);
    }
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('PUSH-02 confirms the stream before any event, also one emitted while it is set up', async () => {
    const server = httpServer();
    let provisioned = (): void => {};
    const type = server.events.define('counted', {
      ...counted,
      onSubscribe: () => new Promise<void>((resolve) => (provisioned = resolve)),
    });
    const opening = server.stream('counted');
    await settle();
    await type.emit({ n: 1 });
    provisioned();
    const stream = await opening;
    await type.emit({ n: 2 });
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event']);
    expect(activeParamsSchema.safeParse(messages[0]?.params).success).toBe(true);
    expect(messages[0]?.params).toMatchObject({ truncated: false, cursor: expect.any(String) });
    expect(pushedNumbers(messages)).toEqual([2]);
  });

  it('PUSH-05 answers with server-sent events, one JSON message per data line', async () => {
    const server = httpServer();
    const type = server.events.define('text', { payload: { type: 'object' } });
    const response = await server.fetch('events/stream', { name: 'text' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toContain('no-cache');
    await type.emit({ text: 'two\nlines, \r, \u2028 and ü' });
    await server.events.close();
    const text = await response.text();
    const frames = text.split('\n\n');
    expect(frames.pop()).toBe('');
    expect(frames).toHaveLength(3);
    for (const frame of frames) {
      const lines = frame.split('\n');
      expect(lines[0]).toBe('event: message');
      expect(lines).toHaveLength(2);
      expect(JSON.parse((lines[1] as string).replace(/^data: /, ''))).toMatchObject({ jsonrpc: '2.0' });
    }
    expect(text).not.toContain('\r');
    expect(JSON.parse((frames[1] as string).split('data: ')[1] as string).params.data.text).toBe(
      'two\nlines, \r, \u2028 and ü',
    );
  });

  it('PUSH-04 writes nothing else into the stream', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted', { _meta: { progressToken: 'token' } });
    for (const mcp of server.servers) {
      mcp.sendToolListChanged();
      await mcp.server.sendLoggingMessage({ level: 'info', data: 'noise' }).catch(() => {});
    }
    server.handler.notify.toolsChanged();
    server.events.define('other', counted);
    await type.emit({ n: 1 });
    await server.clock.advance(40_000);
    await server.handler.close();
    const messages = await stream.rest();
    expect(new Set(kindsOf(messages))).toEqual(new Set(['active', 'event', 'heartbeat', 'result']));
    for (const { params, result } of messages) expect((params ?? result)._meta[SUBSCRIPTION_ID]).toBe(stream.id);
  });

  it.each([7, '7', 'a"b\\c', 0])('PUSH-03 names the stream in every message by its request id %j', async (id) => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const stream = await server.stream('counted', {}, { id });
    upstream.failures.push(new Error('down'));
    upstream.add(1);
    await server.clock.advance(20_000);
    void server.events.terminate({ name: 'counted' }, forbidden());
    const messages = await stream.rest();
    expect(new Set(kindsOf(messages))).toEqual(
      new Set(['active', 'error', 'event', 'heartbeat', 'terminated', 'result']),
    );
    for (const { params, result } of messages) expect((params ?? result)._meta[SUBSCRIPTION_ID]).toBe(id);
    expect(messages.at(-1)?.id).toBe(id);
    expect(streamResultSchema.safeParse(messages.at(-1)?.result).success).toBe(true);
  });

  it('PUSH-16 streams do not count against a limit on parallel requests', async () => {
    const server = httpServer({}, { maxSubscriptions: 4 });
    const type = server.events.define('counted', counted);
    const streams = await Promise.all(Array.from({ length: 10 }, () => server.stream('counted')));
    expect((await server.result('events/list')).events).toHaveLength(1);
    expect((await server.poll('counted', null)).events).toEqual([]);
    const listening = await server.fetch('subscriptions/listen', { notifications: { toolsListChanged: true } });
    expect(listening.headers.get('content-type')).toContain('text/event-stream');
    await listening.body?.cancel();
    await type.emit({ n: 1 });
    for (const stream of streams) expect(pushedNumbers(await stream.take(2))).toEqual([1]);
  });
});

describe('delivery', () => {
  it('PUSH-06 every event has the cursor after it, from which a new stream goes on', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    for (const n of [1, 2, 3]) await type.emit({ n });
    const events = (await stream.take(4)).slice(1);
    for (const { params } of events) expect(eventParamsSchema.safeParse(params).success).toBe(true);
    for (const [index, { params }] of events.entries()) {
      const resumed = await server.stream('counted', { cursor: params.cursor });
      const messages = await resumed.arrived();
      expect(messages[0]?.params).toMatchObject({ truncated: false, cursor: params.cursor });
      expect(pushedNumbers(messages)).toEqual([1, 2, 3].slice(index + 1));
    }
  });

  it('PUSH-06 every event of a check has the cursor after it, also inside one answer', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1, 2, 3, 4);
    server.events.define('counted', { ...counted, check: upstream.check });
    const stream = await server.stream('counted', { cursor: 'c0.0' });
    const events = (await stream.take(5)).slice(1);
    for (const [index, { params }] of events.entries()) {
      const resumed = await server.stream('counted', { cursor: params.cursor });
      expect(pushedNumbers(await resumed.arrived())).toEqual([1, 2, 3, 4].slice(index + 1));
    }
  });

  it('PUSH-06 CUR-06 without replay every cursor is null', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, replay: false });
    const stream = await server.stream('counted');
    await type.emit({ n: 1 });
    await server.clock.advance(15_000);
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'heartbeat']);
    expect(messages.map(({ params }) => params.cursor)).toEqual([null, null, null]);
    expect(messages[0]?.params.truncated).toBe(false);
  });

  it('PUSH-07 tells a failure of the source and goes on', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const stream = await server.stream('counted');
    upstream.failures.push(new Error('password=hunter2'));
    upstream.add(1);
    await server.clock.advance(10_000);
    const messages = withoutHeartbeats(await stream.arrived());
    expect(kindsOf(messages)).toEqual(['active', 'error', 'event']);
    expect(messages[1]?.params.error.code).toBe(-32603);
    expect(stream.raw.join('')).not.toContain('hunter2');
    expect(pushedNumbers(messages)).toEqual([1]);
    expect(stream.ended).toBe(false);
  });

  it('PUSH-07 opens at the known position while the source is down, and catches up', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1);
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    upstream.failures.push(new Error('down'), new Error('down'));
    const stream = await server.stream('counted', { cursor: 'c0.0' });
    await server.clock.advance(14_000);
    const messages = withoutHeartbeats(await stream.arrived());
    expect(kindsOf(messages)).toEqual(['active', 'error', 'error', 'event']);
    expect(messages[0]?.params).toMatchObject({ cursor: 'c0.0', truncated: false });
    expect(pushedNumbers(messages)).toEqual([1]);
  });

  it('PUSH-01 without a known position a source that is down refuses the stream', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check });
    upstream.failures.push(new Error('down'));
    expect((await server.call('events/stream', { name: 'counted' })).error?.code).toBe(-32603);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it.each(['at once', 'later'])(
    'PUSH-07 a log that cannot be read, which fails %s, is a failing source',
    async (when) => {
      const storage = memoryStorage();
      const openLog = storage.openLog.bind(storage);
      let failures = 2;
      storage.openLog = (name, retention) => {
        const log = openLog(name, retention);
        const read = log.read.bind(log);
        log.read = (position, limit) => {
          if (failures-- <= 0) return read(position, limit);
          const error = new Error('disk of /secret/path');
          if (when === 'later') return Promise.reject(error);
          throw error;
        };
        return log;
      };
      const server = httpServer({ storage });
      const type = server.events.define('counted', counted);
      const { cursor } = await type.emit({ n: 1 });
      await type.emit({ n: 2 });
      const stream = await server.stream('counted', { cursor });
      await server.clock.advance(10_000);
      const messages = withoutHeartbeats(await stream.arrived());
      expect(kindsOf(messages)).toEqual(['active', 'error', 'error', 'event']);
      expect(messages[0]?.params).toMatchObject({ cursor, truncated: false });
      expect(pushedNumbers(messages)).toEqual([2]);
      expect(stream.raw.join('')).not.toContain('secret');
      expect(server.errors.map(({ error }) => (error as Error).message)).toEqual(Array(2).fill('disk of /secret/path'));
    },
  );

  it('PUSH-07 an author of emitted events can tell that the source fails', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    type.reportFailure(new EventsError('InternalError', 'The ticket system does not answer'));
    await type.emit({ n: 1 });
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'error', 'event']);
    expect(messages[1]?.params.error).toEqual({ code: -32603, message: 'The ticket system does not answer' });
  });

  it('PUSH-07 an event whose transform fails is told as failure and gap to its subscriber only', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      transform: ({ principal }, event) => {
        if (principal === 'ada' && event.data['n'] === 2) throw new Error('cannot shape');
        return event.data;
      },
    });
    const [ada, bob] = [await server.stream('counted', {}, { as: 'ada' }), await server.stream('counted')];
    for (const n of [1, 2, 3]) await type.emit({ n });
    const messages = await ada.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'error', 'active', 'event']);
    expect(messages[3]?.params.truncated).toBe(true);
    expect(pushedNumbers(messages)).toEqual([1, 3]);
    expect(pushedNumbers(await bob.arrived())).toEqual([1, 2, 3]);
  });

  it('PUSH-07 CUR-14 without replay a failed transform is one failure, and no gap', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      replay: false,
      transform: (_context, event) => {
        if (event.data['n'] === 2) throw new Error('cannot shape');
        return event.data;
      },
    });
    const stream = await server.stream('counted');
    for (const n of [1, 2, 3]) await type.emit({ n });
    expect(kindsOf(await stream.arrived())).toEqual(['active', 'event', 'error', 'event']);
  });

  it('PUSH-08 tells a reported loss on the same stream and goes on', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    const { cursor: before } = await type.emit({ n: 1 });
    await type.reportLoss();
    await type.emit({ n: 2 });
    const messages = await stream.arrived();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'active', 'event']);
    expect(messages[2]?.params).toMatchObject({ truncated: true, cursor: expect.any(String) });
    expect(messages[2]?.params.cursor).not.toBe(before);
    const resumed = await server.stream('counted', { cursor: messages[2]?.params.cursor });
    expect(pushedNumbers(await resumed.arrived())).toEqual([2]);
    // Whoever still has a position of before learns of the gap as well.
    expect(await server.poll('counted', before)).toMatchObject({ events: [{ data: { n: 2 } }], truncated: true });
  });

  it('PUSH-08 tells a gap that the check finds on the same stream and goes on', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const stream = await server.stream('counted');
    await settle();
    upstream.add(1, 2);
    upstream.extra = { events: [], cursor: '1', truncated: true, hasMore: false };
    await server.clock.advance(1_000);
    upstream.extra = {};
    await server.clock.advance(1_000);
    const messages = withoutHeartbeats(await stream.arrived());
    expect(kindsOf(messages)).toEqual(['active', 'active', 'event']);
    expect(messages[1]?.params).toMatchObject({ truncated: true, cursor: 'c0.1' });
    expect(pushedNumbers(messages)).toEqual([2]);
  });

  it('PUSH-08 CUR-11 tells a gap when retention passes a stream that does not read', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 500 } });
    const type = server.events.define('counted', { ...counted, retention: { maxCount: 5 } });
    const stream = await server.stream('counted');
    for (let n = 0; n < 100; n++) await type.emit({ n });
    const messages = await stream.arrived();
    expect(kindsOf(messages).filter((kind) => kind === 'active')).toHaveLength(2);
    const gap = messages.findLastIndex(({ method }) => method?.endsWith('active'));
    expect(messages[gap]?.params.truncated).toBe(true);
    expect(pushedNumbers(messages.slice(gap))).toEqual([95, 96, 97, 98, 99]);
    expect(pushedNumbers(messages.slice(0, gap))).toEqual(
      Array.from({ length: pushedNumbers(messages.slice(0, gap)).length }, (_, n) => n),
    );
  });

  it('ORDER-01 1,000 events arrive once and in order, also for a slow reader', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 2_000 } });
    const type = server.events.define('counted', counted);
    const [fast, slow] = [await server.stream('counted'), await server.stream('counted')];
    const seen: unknown[] = [];
    for (let n = 0; n < 1_000; n++) {
      await type.emit({ n });
      if (n % 7 === 0) seen.push(...pushedNumbers(await fast.take(1)));
    }
    const expected = Array.from({ length: 1_000 }, (_, n) => n);
    expect([...seen, ...pushedNumbers(await fast.arrived())]).toEqual(expected);
    expect(pushedNumbers(await slow.arrived())).toEqual(expected);
  });
});

describe('heartbeat', () => {
  it.each([undefined, 30_000, 1_000])(
    'PUSH-09 PUSH-10 comes again and again, set to %s',
    async (heartbeatIntervalMs) => {
      const server = httpServer(heartbeatIntervalMs === undefined ? {} : { heartbeatIntervalMs });
      server.events.define('counted', counted);
      const stream = await server.stream('counted');
      await stream.take(1);
      const { now } = server.clock;
      const times = [now.call(server.clock)];
      for (let step = 0; step < 120; step++) {
        await server.clock.advance(1_000);
        for (const kind of kindsOf(await stream.arrived())) {
          expect(kind).toBe('heartbeat');
          times.push(server.clock.now());
        }
      }
      times.push(server.clock.now());
      const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
      expect(times.length).toBeGreaterThan(4);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(heartbeatIntervalMs ?? 30_000);
    },
  );

  it('PUSH-10 refuses an interval above 30 seconds', () => {
    expect(() => httpServer({ heartbeatIntervalMs: 30_001 })).toThrow('at most 30000');
    expect(() => httpServer({ heartbeatIntervalMs: 0 })).toThrow('heartbeatIntervalMs');
  });

  it('PUSH-11 CUR-07 is a data frame with the position, which moves past events for others', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, match: (_context, event) => event.data['n'] === 9 });
    const stream = await server.stream('counted');
    const [active] = await stream.take(1);
    const { cursor } = await type.emit({ n: 1 });
    await server.clock.advance(15_000);
    const [heartbeat] = await stream.take(1);
    expect(heartbeat?.method).toBe('notifications/events/heartbeat');
    expect(heartbeatParamsSchema.safeParse(heartbeat?.params).success).toBe(true);
    expect(heartbeat?.params.cursor).toBe(cursor);
    expect(heartbeat?.params.cursor).not.toBe(active?.params.cursor);
    expect(stream.raw.join('')).not.toMatch(/^:/m);
  });

  it('PUSH-11 CUR-07 moves with an upstream that has nothing for the subscriber', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, match: () => false, nextPollMs: 1_000 });
    const stream = await server.stream('counted');
    upstream.add(1, 2);
    await server.clock.advance(15_000);
    const [active, heartbeat] = await stream.take(2);
    expect([active?.params.cursor, heartbeat?.params.cursor]).toEqual(['c0.0', 'c0.2']);
  });

  it('PUSH-12 is never ahead of an event that was not written', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 1_000 } });
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    const cursors: (string | null)[] = [];
    for (let n = 0; n < 50; n++) {
      cursors.push((await type.emit({ n })).cursor);
      if (n % 10 === 0) await server.clock.advance(15_000);
    }
    const messages = await stream.arrived();
    await server.clock.advance(15_000);
    messages.push(...(await stream.arrived()));
    let written = messages[0]?.params.cursor;
    let heartbeats = 0;
    for (const { method, params } of messages.slice(1)) {
      if (method?.endsWith('/event')) written = params.cursor;
      else expect([method, params.cursor]).toEqual(['notifications/events/heartbeat', written]);
      heartbeats += method?.endsWith('/heartbeat') ? 1 : 0;
    }
    expect(heartbeats).toBeGreaterThan(0);
    expect(pushedNumbers(messages)).toHaveLength(50);
  });

  it('PUSH-12 PUSH-08 is never past a gap that was not told, however full the buffer is', async () => {
    for (let streamBufferBytes = 800; streamBufferBytes < 1_100; streamBufferBytes += 10) {
      const server = httpServer({ limits: { streamBufferBytes } });
      const type = server.events.define('counted', counted);
      const stream = await server.stream('counted');
      await type.emit({ n: 1 });
      const { cursor } = await type.emit({ n: 2 });
      await type.reportLoss();
      await server.clock.advance(15_000);
      let told: unknown;
      for (const { method, params } of await stream.arrived()) {
        if (method === 'notifications/events/heartbeat') expect(params.cursor).toBe(told);
        else told = params.cursor;
      }
      expect(told).not.toBe(cursor);
    }
  });

  it('PUSH-12 stays behind an event whose match is not decided', async () => {
    const server = httpServer();
    let decide = (_answer: boolean): void => {};
    const type = server.events.define('counted', {
      ...counted,
      match: () => new Promise<boolean>((resolve) => (decide = resolve)),
    });
    const stream = await server.stream('counted');
    await type.emit({ n: 1 });
    await server.clock.advance(9_000);
    await type.emit({ n: 2 });
    const early = await stream.arrived();
    const [active] = early;
    for (const { params } of early) expect(params.cursor).toBe(active?.params.cursor);
    decide(true);
    await settle();
    expect(pushedNumbers(await stream.arrived())).toEqual([1]);
  });
});

describe('end', () => {
  it('PUSH-13 ends every stream with its result when the server shuts down, and cancels nothing', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const streams = [await server.stream('counted', {}, { id: 'one' }), await server.stream('counted', {}, { id: 2 })];
    await type.emit({ n: 1 });
    await server.handler.close();
    for (const stream of streams) {
      const messages = await stream.rest();
      expect(kindsOf(messages)).toEqual(['active', 'event', 'result']);
      expect(messages.at(-1)).toEqual({
        jsonrpc: '2.0',
        id: stream.id,
        result: expect.objectContaining({ resultType: 'complete', _meta: expect.any(Object) }),
      });
      expect(stream.raw.join('')).not.toContain('cancelled');
    }
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('PUSH-13 writes what a slow reader has not taken before the result', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted');
    for (let n = 0; n < 20; n++) await type.emit({ n });
    await server.events.close();
    const messages = await stream.rest();
    expect(pushedNumbers(messages)).toHaveLength(20);
    expect(kindsOf(messages).at(-1)).toBe('result');
  });

  it('PUSH-13 TERM-09 ends with the result also when the end comes while the stream is being answered', async () => {
    const server = httpServer();
    let calls = 0;
    server.events.define('counted', {
      ...counted,
      check: () => {
        if (calls++ > 0) throw forbidden('revoked');
        return { events: [], cursor: '0' };
      },
    });
    const stream = await server.stream('counted');
    expect(kindsOf(await stream.rest())).toEqual(['active', 'terminated', 'result']);
  });

  it('PUSH-14 stops delivery and frees everything when the client aborts', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    const type = server.events.define('counted', counted);
    server.events.define('checked', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const timers = server.clock.pendingTimers;
    const streams = [await server.stream('counted'), await server.stream('checked')];
    await settle();
    expect(server.events.subscriptions()).toHaveLength(2);
    expect(server.clock.pendingTimers).toBeGreaterThan(timers);
    for (const stream of streams) stream.abort();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(timers);
    const { length } = upstream.calls;
    await type.emit({ n: 1 });
    upstream.add(1);
    await server.clock.advance(60_000);
    expect(upstream.calls).toHaveLength(length);
    for (const stream of streams) expect(pushedNumbers(await stream.rest())).toEqual([]);
  });

  it('PUSH-14 frees everything when the body is cancelled', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const timers = server.clock.pendingTimers;
    const stream = await server.stream('counted');
    await stream.cancel();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('PUSH-14 frees a stream whose client leaves while it is being set up', async () => {
    const server = httpServer();
    let provisioned = (): void => {};
    const ended: string[] = [];
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => new Promise<void>((resolve) => (provisioned = resolve)),
      onUnsubscribe: ({ subscriptionId }) => void ended.push(subscriptionId),
    });
    const controller = new AbortController();
    const opening = server.fetch('events/stream', { name: 'counted' }, { signal: controller.signal }).catch(() => {});
    await settle();
    const [subscription] = server.events.subscriptions();
    controller.abort();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    provisioned();
    await opening;
    await settle();
    expect(ended).toEqual([subscription?.id]);
  });

  it('PUSH-14 leaves other streams alone', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const [gone, stays] = [await server.stream('counted'), await server.stream('counted')];
    gone.abort();
    await settle();
    await type.emit({ n: 1 });
    expect(pushedNumbers(await stays.take(2))).toEqual([1]);
  });
});

describe('without the wrapper', () => {
  it('PUSH-02 PUSH-05 PUSH-13 streams through the SDK and ends with the result', async () => {
    const server = httpServer({}, {}, { wrap: false });
    const type = server.events.define('counted', counted);
    const stream = await server.stream('counted', {}, { id: 'plain' });
    await type.emit({ n: 1 });
    await server.events.close();
    const messages = await stream.rest();
    expect(kindsOf(messages)).toEqual(['active', 'event', 'result']);
    for (const { params, result } of messages) expect((params ?? result)._meta[SUBSCRIPTION_ID]).toBe('plain');
  });

  it('PUSH-14 frees everything when the client aborts', async () => {
    const server = httpServer({}, {}, { wrap: false });
    server.events.define('counted', counted);
    const timers = server.clock.pendingTimers;
    const stream = await server.stream('counted');
    await stream.take(1);
    stream.abort();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('PUSH-01 answers an invalid request with a plain error', async () => {
    const response = await httpServer({}, {}, { wrap: false }).fetch('events/stream', { name: 'nothing' });
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toMatchObject({ error: { code: -32023 } });
  });
});

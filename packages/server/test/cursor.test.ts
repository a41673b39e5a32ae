import type { CheckResult } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { pushedNumbers } from './kit/frames.ts';
import type { TestServer } from './kit/httpServer.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';

const MINUTE_MS = 60_000;

/** What a poll and a stream say to the same question. */
async function inBothModes(
  server: TestServer,
  params: Record<string, unknown>,
): Promise<{ numbers: unknown[]; truncated: boolean }[]> {
  const polled: unknown[] = [];
  const first = await server.result('events/poll', { name: 'counted', ...params });
  let result = first;
  polled.push(...numbersOf(result.events));
  while (result.hasMore) {
    result = await server.result('events/poll', { name: 'counted', ...params, cursor: result.cursor });
    polled.push(...numbersOf(result.events));
  }
  const stream = await server.stream('counted', params);
  const messages = await stream.arrived();
  stream.abort();
  return [
    { numbers: polled, truncated: first.truncated },
    { numbers: pushedNumbers(messages), truncated: messages[0]?.params.truncated },
  ];
}

/** Emits 1, 2 and 3, which happened 10, 5 and 1 minutes ago. */
async function aged(server: TestServer, filter: object = {}): Promise<string> {
  const type = server.events.define('counted', { ...counted, ...filter });
  const { cursor } = await server.poll('counted', null);
  for (const [index, minutes] of [10, 5, 1].entries()) {
    await type.emit({ n: index + 1 }, { timestamp: new Date(server.clock.now() - minutes * MINUTE_MS) });
  }
  return cursor;
}

describe('from now', () => {
  it('CUR-02 CUR-03 a null and an absent cursor start from now in poll and stream', async () => {
    const server = httpServer();
    await server.events.define('counted', counted).emit({ n: 1 });
    for (const params of [{}, { cursor: null }]) {
      expect(await inBothModes(server, params)).toEqual([
        { numbers: [], truncated: false },
        { numbers: [], truncated: false },
      ]);
    }
  });

  it('CUR-02 CUR-03 a null and an absent cursor start from now on stdio', async () => {
    const server = stdioServer();
    const type = server.events.define('counted', counted);
    await type.emit({ n: 1 });
    await server.request(1, 'events/stream', { name: 'counted' });
    await server.request(2, 'events/stream', { name: 'counted', cursor: null });
    await type.emit({ n: 2 });
    await server.idle();
    expect([pushedNumbers(server.of(1)), pushedNumbers(server.of(2))]).toEqual([[2], [2]]);
  });

  it.each([
    ['emitted', {}],
    ['without replay', { replay: false }],
  ])('CUR-10 maxAgeMs is ignored with a null cursor: %s', async (_kind, source) => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, ...source });
    await type.emit({ n: 1 });
    const stream = await server.stream('counted', { cursor: null, maxAgeMs: MINUTE_MS });
    await type.emit({ n: 2 });
    const messages = await stream.arrived();
    expect(messages[0]?.params.truncated).toBe(false);
    expect(pushedNumbers(messages)).toEqual([2]);
  });

  it('CUR-10 CUR-02 without replay neither maxAgeMs nor a cursor brings anything back', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, replay: false });
    await type.emit({ n: 1 });
    const stream = await server.stream('counted', { cursor: 'from somewhere', maxAgeMs: 0 });
    await type.emit({ n: 2 });
    const messages = await stream.arrived();
    expect(messages[0]?.params).toMatchObject({ cursor: null, truncated: false });
    expect(pushedNumbers(messages)).toEqual([2]);
  });
});

describe('consistency', () => {
  it.each([
    ['emitted', {}],
    ['checked', { check: new Upstream().check }],
  ])('CUR-06 a type with replay never gives a null cursor: %s', async (_kind, source) => {
    const server = httpServer();
    server.events.define('counted', { ...counted, ...source, nextPollMs: 1_000 });
    const cursors: unknown[] = [];
    for (const cursor of [null, 'unusable', (await server.poll('counted', null)).cursor]) {
      cursors.push((await server.poll('counted', cursor)).cursor);
      const stream = await server.stream('counted', { cursor });
      await server.clock.advance(20_000);
      cursors.push(...(await stream.arrived()).map(({ params }) => params.cursor));
    }
    expect(cursors.length).toBeGreaterThan(8);
    for (const cursor of cursors) expect(cursor).toEqual(expect.any(String));
  });

  it('CUR-07 the position moves on in quiet times, in polls of an emitted and of a checked type', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    const type = server.events.define('counted', { ...counted, match: () => false });
    server.events.define('checked', { ...counted, check: upstream.check, match: () => false });
    const [before, checkedBefore] = [await server.poll('counted', null), await server.poll('checked', null)];
    const { cursor } = await type.emit({ n: 1 });
    upstream.add(1, 2, 3);
    const [after, checkedAfter] = [
      await server.poll('counted', before.cursor),
      await server.poll('checked', checkedBefore.cursor),
    ];
    expect(after).toMatchObject({ events: [], cursor, truncated: false });
    expect(checkedAfter).toMatchObject({ events: [], cursor: 'c0.3', truncated: false });
  });

  it('CUR-07 the position moves on for subscribers whom the look-up never finds', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      input: { type: 'object', properties: { n: { type: 'integer' } } },
      filter: { n: 'n' },
    });
    const stream = await server.stream('counted', { arguments: { n: 9 } });
    await stream.take(1);
    const { cursor } = await type.emit({ n: 1 });
    await server.clock.advance(15_000);
    expect((await stream.take(1))[0]?.params.cursor).toBe(cursor);
  });
});

describe('age', () => {
  it('CUR-08 CUR-09 replay starts at the later of cursor and age, and says so when age wins', async () => {
    const server = httpServer();
    const cursor = await aged(server);
    expect(await inBothModes(server, { cursor, maxAgeMs: 6 * MINUTE_MS })).toEqual([
      { numbers: [2, 3], truncated: true },
      { numbers: [2, 3], truncated: true },
    ]);
    expect(await inBothModes(server, { cursor, maxAgeMs: 60 * MINUTE_MS })).toEqual([
      { numbers: [1, 2, 3], truncated: false },
      { numbers: [1, 2, 3], truncated: false },
    ]);
    const { cursor: later } = await server.poll('counted', cursor, { maxEvents: 2 });
    expect(await inBothModes(server, { cursor: later, maxAgeMs: 6 * MINUTE_MS })).toEqual([
      { numbers: [3], truncated: false },
      { numbers: [3], truncated: false },
    ]);
  });

  it.each(['run.1', 'nonsense'])(
    'CUR-08 CUR-12 the position told for a cursor of no use (%s) has nothing too old behind it',
    async (cursor) => {
      const server = httpServer();
      const fits = await aged(server);
      const { cursor: told, truncated } = await server.poll('counted', cursor, { maxAgeMs: 6 * MINUTE_MS });
      expect(truncated).toBe(true);
      const behind = await server.poll('counted', told);
      const wanted = await server.poll('counted', fits, { maxAgeMs: 6 * MINUTE_MS });
      expect(behind.events).toEqual(cursor === 'run.1' ? wanted.events : []);
    },
  );

  it('CUR-08 CUR-09 everything too old leaves nothing, and says so', async () => {
    const server = httpServer();
    const cursor = await aged(server);
    expect(await inBothModes(server, { cursor, maxAgeMs: 1_000 })).toEqual([
      { numbers: [], truncated: true },
      { numbers: [], truncated: true },
    ]);
  });

  it('CUR-08 age is measured by when an event happened, not by when it was emitted', async () => {
    const server = httpServer();
    const cursor = await aged(server);
    await server.clock.advance(2 * MINUTE_MS);
    const [polled] = await inBothModes(server, { cursor, maxAgeMs: 6 * MINUTE_MS });
    expect(polled).toEqual({ numbers: [3], truncated: true });
  });

  it('CUR-08 CUR-09 CUR-15 the same for a check that returns older events', async () => {
    const server = httpServer();
    const now = server.clock.now();
    const events = [10, 5, 1].map((minutes, index) => ({
      eventId: `up-${index + 1}`,
      timestamp: new Date(now - minutes * MINUTE_MS),
      data: { n: index + 1 },
    }));
    const check = (_context: unknown, _args: unknown, cursor: string | null): CheckResult => ({
      events: events.slice(Number(cursor ?? 3)),
      cursor: '3',
    });
    server.events.define('counted', { ...counted, check });
    expect(await inBothModes(server, { cursor: 'c0.0', maxAgeMs: 6 * MINUTE_MS })).toEqual([
      { numbers: [2, 3], truncated: true },
      { numbers: [2, 3], truncated: true },
    ]);
    expect(await inBothModes(server, { cursor: 'c0.0', maxAgeMs: 60 * MINUTE_MS })).toEqual([
      { numbers: [1, 2, 3], truncated: false },
      { numbers: [1, 2, 3], truncated: false },
    ]);
  });

  it('CUR-15 the same for a check that seeks by time and tells where it went on', async () => {
    const server = httpServer();
    const now = server.clock.now();
    const events = [10, 5, 1].map((minutes, index) => ({
      eventId: `up-${index + 1}`,
      timestamp: new Date(now - minutes * MINUTE_MS),
      data: { n: index + 1 },
    }));
    server.events.define('counted', {
      ...counted,
      check: ({ notBefore }, _args, cursor): CheckResult => {
        const from = Number(cursor ?? 3);
        const start = events.findIndex(({ timestamp }) => notBefore === undefined || timestamp >= notBefore);
        if (start > from) return { events: [], cursor: String(start), truncated: true, hasMore: true };
        return { events: events.slice(from), cursor: '3' };
      },
    });
    expect(await inBothModes(server, { cursor: 'c0.0', maxAgeMs: 6 * MINUTE_MS })).toEqual([
      { numbers: [2, 3], truncated: true },
      { numbers: [2, 3], truncated: true },
    ]);
  });
});

describe('reset', () => {
  it('CUR-11 a replay ceiling is told, and what is kept follows', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, retention: { maxCount: 100 } });
    const { cursor } = await server.poll('counted', null);
    for (let n = 1; n <= 1_000; n++) await type.emit({ n });
    const kept = Array.from({ length: 100 }, (_, index) => 901 + index);
    expect(await inBothModes(server, { cursor })).toEqual([
      { numbers: kept, truncated: true },
      { numbers: kept, truncated: true },
    ]);
  });

  it('CUR-11 a cursor exactly at the ceiling has lost nothing', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, retention: { maxCount: 2 } });
    const { cursor } = await type.emit({ n: 1 });
    for (const n of [2, 3]) await type.emit({ n });
    expect(await inBothModes(server, { cursor })).toEqual([
      { numbers: [2, 3], truncated: false },
      { numbers: [2, 3], truncated: false },
    ]);
    await type.emit({ n: 4 });
    expect(await inBothModes(server, { cursor })).toEqual([
      { numbers: [3, 4], truncated: true },
      { numbers: [3, 4], truncated: true },
    ]);
  });

  it.each(['', 'x', 'c0.5', 'deadbeefdeadbeef', '.', '\u0000', 'x'.repeat(10_000)])(
    'CUR-12 the unusable cursor %j resets an emitted type, without an error',
    async (cursor) => {
      const server = httpServer();
      const type = server.events.define('counted', counted);
      await type.emit({ n: 1 });
      const polled = await server.poll('counted', cursor);
      expect(polled.truncated).toBe(true);
      const stream = await server.stream('counted', { cursor });
      const [active] = await stream.take(1);
      expect(active?.params).toMatchObject({ truncated: true, cursor: expect.any(String) });
      await type.emit({ n: 2 });
      expect(numbersOf((await server.poll('counted', polled.cursor)).events)).toContain(2);
      expect(pushedNumbers(await stream.arrived())).toContain(2);
    },
  );

  it('CUR-12 a cursor of this log that lies ahead of it resets', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await type.emit({ n: 1 });
    const ahead = (cursor as string).replace(/\d+$/, '99');
    const polled = await server.poll('counted', ahead);
    expect(polled).toMatchObject({ truncated: true, cursor });
    const leadingZero = (cursor as string).replace(/\d+$/, '01');
    expect((await server.poll('counted', leadingZero)).truncated).toBe(true);
  });

  it.each(['', 'x', '5', 'c.1', 'c-1.0', 'c01.0'])(
    'CUR-12 the unusable cursor %j resets a checked type, without asking the upstream with it',
    async (cursor) => {
      const server = httpServer();
      const upstream = new Upstream();
      upstream.add(1);
      server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
      expect(await server.poll('counted', cursor)).toMatchObject({ events: [], truncated: true, cursor: 'c0.1' });
      const stream = await server.stream('counted', { cursor });
      upstream.add(2);
      await server.clock.advance(1_000);
      const messages = await stream.arrived();
      expect(messages[0]?.params).toMatchObject({ truncated: true, cursor: 'c0.1' });
      expect(pushedNumbers(messages)).toEqual([2]);
      expect(upstream.calls.every((call) => call.cursor !== cursor)).toBe(true);
    },
  );

  it('CUR-12 a cursor that the upstream has forgotten resets to where it says', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1, 2, 3);
    const check = upstream.check;
    server.events.define('counted', {
      ...counted,
      check: (context, args, cursor) =>
        cursor === 'old' ? { events: [], cursor: '1', truncated: true, hasMore: true } : check(context, args, cursor),
    });
    expect(await inBothModes(server, { cursor: 'c0.old' })).toEqual([
      { numbers: [2, 3], truncated: true },
      { numbers: [2, 3], truncated: true },
    ]);
  });

  it('CUR-12 an upstream that returns less than was delivered already is told as a gap', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1, 2, 3);
    server.events.define('counted', { ...counted, check: upstream.check });
    const { cursor } = await server.poll('counted', 'c0.0', { maxEvents: 2 });
    upstream.events.length = 1;
    expect(await server.poll('counted', cursor)).toMatchObject({ events: [], truncated: true });
  });

  it('CUR-12 truncated is told once, not with every answer after it', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const { cursor, truncated } = await server.poll('counted', 'unusable');
    expect(truncated).toBe(true);
    expect((await server.poll('counted', cursor)).truncated).toBe(false);
  });

  it('EMIT-09 CUR-12 a cursor of an earlier run is recognised, although its number exists again', async () => {
    const cursorOf = async (server: TestServer): Promise<string | null> => {
      const type = server.events.define('counted', counted);
      let cursor: string | null = null;
      for (const n of [1, 2, 3]) ({ cursor } = await type.emit({ n }));
      return cursor;
    };
    const [first, second] = [httpServer(), httpServer()];
    const old = await cursorOf(first);
    await first.close();
    const current = await cursorOf(second);
    expect(current).not.toBe(old);
    expect(await inBothModes(second, { cursor: old })).toEqual([
      // Which of them the client has seen is unknown: it gets what there is.
      { numbers: [1, 2, 3], truncated: true },
      { numbers: [1, 2, 3], truncated: true },
    ]);
  });

  it('EMIT-09 CUR-12 removing and defining a type again is another run', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await type.emit({ n: 1 });
    type.remove();
    await server.events.define('counted', counted).emit({ n: 2 });
    expect(await inBothModes(server, { cursor })).toEqual([
      { numbers: [2], truncated: true },
      { numbers: [2], truncated: true },
    ]);
  });
});

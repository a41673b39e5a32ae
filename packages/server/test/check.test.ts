import type { CheckedEvent, CheckResult } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import { authFor } from './kit/httpServer.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';

const input = { type: 'object' };

describe('calls', () => {
  it('EMIT-01 one function backs poll and push, with context, arguments and cursor', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1);
    server.events.define('counted', { ...counted, input, check: upstream.check, nextPollMs: 1_000 });
    const params = { arguments: { repo: 'a' } };
    const { cursor } = await server.poll('counted', null, params, { as: 'ada' });
    const stream = await server.stream('counted', { ...params, cursor }, { as: 'ada' });
    upstream.add(2);
    await server.clock.advance(1_000);
    expect(pushedNumbers(await stream.arrived())).toEqual([2]);
    expect(numbersOf((await server.poll('counted', cursor, params, { as: 'ada' })).events)).toEqual([2]);
    expect(upstream.calls[0]).toMatchObject({
      cursor: null,
      args: { repo: 'a' },
      context: { principal: 'ada', authInfo: authFor('ada'), limit: 1, notBefore: undefined },
    });
    expect(new Set(upstream.calls.slice(1).map((call) => call.cursor))).toEqual(new Set(['1']));
  });

  it('PUSH-04 POLL-04 EMIT-04 a declared filter holds for what a check finds, in a stream as in a poll', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, filter: { n: 'n' }, check: upstream.check, nextPollMs: 1_000 });
    const params = { arguments: { n: 2 } };
    const { cursor } = await server.poll('counted', null, params);
    const stream = await server.stream('counted', { ...params, cursor });
    await stream.arrived();
    upstream.add(1, 2, 3);
    await server.clock.advance(1_000);
    expect(pushedNumbers(await stream.arrived())).toEqual([2]);
    expect(numbersOf((await server.poll('counted', cursor, params)).events)).toEqual([2]);
  });

  it('EMIT-10 a loop runs per interval while a stream is open, and stops with it', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const timers = server.clock.pendingTimers;
    const stream = await server.stream('counted');
    await server.clock.advance(0);
    const { length } = upstream.calls;
    await server.clock.advance(5_000);
    expect(upstream.calls).toHaveLength(length + 5);
    stream.abort();
    await settle();
    expect(server.clock.pendingTimers).toBe(timers);
    await server.clock.advance(60_000);
    expect(upstream.calls).toHaveLength(length + 5);
  });

  it('EMIT-10 the loop stops with a stream on stdio', async () => {
    const server = stdioServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const timers = server.clock.pendingTimers;
    await server.request(1, 'events/stream', { name: 'counted' });
    expect(server.clock.pendingTimers).toBeGreaterThan(timers);
    await server.cancel(1);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('EMIT-10 equal subscribers share one loop; other principals and arguments have their own', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, input, check: upstream.check, nextPollMs: 1_000 });
    for (let k = 0; k < 3; k++) await server.stream('counted', {}, { as: 'ada' });
    await server.stream('counted', {}, { as: 'bob' });
    await server.stream('counted', { arguments: { a: 1 } }, { as: 'ada' });
    await server.clock.advance(2_000);
    upstream.calls.length = 0;
    await server.clock.advance(1_000);
    const asked = upstream.calls.map(({ context, args }) => `${context.principal} ${JSON.stringify(args)}`);
    expect(asked.toSorted()).toEqual(['ada {"a":1}', 'ada {}', 'bob {}']);
  });

  it('EMIT-10 AUTH-01 no answer crosses from one principal to another', async () => {
    const server = httpServer();
    const feeds: Record<string, CheckedEvent[]> = { ada: [], bob: [] };
    server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: ({ principal }, _args, cursor) => {
        const events = feeds[principal ?? ''] ?? [];
        return { events: cursor === null ? [] : events.slice(Number(cursor)), cursor: String(events.length) };
      },
    });
    const ada = await server.stream('counted', {}, { as: 'ada' });
    const bob = await server.stream('counted', {}, { as: 'bob' });
    feeds['ada']?.push({ eventId: 'a', timestamp: '2026-01-01T00:00:00Z', data: { n: 1 } });
    await server.clock.advance(1_000);
    expect(pushedNumbers(await ada.arrived())).toEqual([1]);
    expect(pushedNumbers(await bob.arrived())).toEqual([]);
  });

  it('EMIT-10 wake looks at once', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    const type = server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 60_000 });
    const stream = await server.stream('counted');
    await settle();
    upstream.add(1);
    type.wake();
    expect(pushedNumbers(await stream.arrived())).toEqual([1]);
  });

  it('EMIT-10 wake looks once more where the upstream is being asked, which may have answered before', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    let answer: (() => void) | undefined;
    let isSlow = false;
    const type = server.events.define('counted', {
      ...counted,
      nextPollMs: 60_000,
      check: async (...asked) => {
        const result = upstream.check(...asked);
        if (isSlow) await new Promise<void>((resolve) => (answer = resolve));
        return result;
      },
    });
    const stream = await server.stream('counted');
    await settle();
    isSlow = true;
    type.wake();
    await settle();
    upstream.add(1);
    type.wake();
    isSlow = false;
    answer?.();
    await settle();
    expect(pushedNumbers(await stream.arrived())).toEqual([1]);
  });

  it('EMIT-10 streams of one principal share calls where they stand at one place only', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 60_000 });
    const early = await server.stream('counted');
    await settle();
    upstream.add(1);
    const late = await server.stream('counted');
    await settle();
    await server.clock.advance(60_000);
    expect(pushedNumbers(await early.arrived())).toEqual([1]);
    expect(pushedNumbers(await late.arrived())).toEqual([]);
    upstream.add(2);
    await server.clock.advance(60_000);
    expect(pushedNumbers(await early.arrived())).toEqual([2]);
    expect(pushedNumbers(await late.arrived())).toEqual([2]);
  });

  it('EMIT-10 the upstream says when it wants to be asked again', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.extra = { nextPollMs: 20_000 };
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    await server.stream('counted');
    await settle();
    const { length } = upstream.calls;
    await server.clock.advance(19_999);
    expect(upstream.calls).toHaveLength(length);
    await server.clock.advance(1);
    expect(upstream.calls).toHaveLength(length + 1);
  });
});

describe('pages', () => {
  it.each([true, false])(
    'PUSH-06 ORDER-01 a stream follows pages of the upstream (addressable: %s)',
    async (addressable) => {
      const server = httpServer();
      const upstream = new Upstream();
      upstream.addressable = addressable;
      upstream.pageSize = 100;
      upstream.add(...Array.from({ length: 1_000 }, (_, n) => n));
      server.events.define('counted', { ...counted, check: upstream.check });
      const stream = await server.stream('counted', { cursor: 'c0.0' });
      expect(pushedNumbers(await stream.take(1_001))).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    },
  );

  it('POLL-04 PUSH-06 an explicit cursor inside a page delivers nothing twice', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.addressable = true;
    upstream.add(1, 2, 3);
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const first = await server.poll('counted', 'c0.0', { maxEvents: 1 });
    const second = await server.poll('counted', first.cursor);
    expect([numbersOf(first.events), numbersOf(second.events)]).toEqual([[1], [2, 3]]);
    const stream = await server.stream('counted', { cursor: first.cursor });
    await server.clock.advance(3_000);
    expect(pushedNumbers(await stream.arrived())).toEqual([2, 3]);
  });

  it('POLL-15 a check that answers with everything at once has each event read once, not once for each page', async () => {
    for (const addressable of [false, true]) {
      const server = httpServer();
      const upstream = new Upstream();
      Object.assign(upstream, { addressable });
      const count = 2_000;
      upstream.add(...Array.from({ length: count }, (_, n) => n));
      let read = 0;
      for (const event of upstream.events) {
        const { data } = event;
        Object.defineProperty(event, 'data', { get: () => (read++, data) });
      }
      server.events.define('counted', { ...counted, check: upstream.check });
      let cursor: string | null = 'c0.0';
      const numbers: number[] = [];
      for (let hasMore = true; hasMore;) {
        const page = await server.poll('counted', cursor, { maxEvents: 50 });
        numbers.push(...page.events.map(({ data }: { data: { n: number } }) => data.n));
        ({ cursor, hasMore } = page);
      }
      expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
      expect(read).toBe(count);
    }
  });

  it('POLL-04 a page larger than the limit loses nothing on a stream that is read slowly', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 1_000 } });
    const upstream = new Upstream();
    upstream.add(...Array.from({ length: 700 }, (_, n) => n));
    server.events.define('counted', { ...counted, check: upstream.check });
    const stream = await server.stream('counted', { cursor: 'c0.0' });
    const numbers: unknown[] = [];
    while (numbers.length < 700) numbers.push(...pushedNumbers(await stream.take(1)));
    expect(numbers).toEqual(Array.from({ length: 700 }, (_, n) => n));
  });

  it('EMIT-10 an upstream that promises more without moving is asked at its interval, not in a tight loop', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.extra = { hasMore: true };
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    await server.stream('counted', { cursor: 'c0.0' });
    await settle();
    const { length } = upstream.calls;
    expect(length).toBeLessThan(5);
    await server.clock.advance(3_000);
    expect(upstream.calls.length).toBeLessThanOrEqual(length + 3);
  });
});

describe('failures', () => {
  it('G5 EMIT-10 a check that wakes itself leaves others their turn', async () => {
    const server = httpServer();
    let calls = 0;
    const handle = server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: () => {
        // An end, so that one that leaves nobody a turn fails here instead of standing still.
        if (++calls < 10_000) handle.wake();
        return { events: [], cursor: '0' };
      },
    });
    await server.stream('counted', { cursor: 'c0.0' });
    await settle(20);
    expect(calls).toBeLessThan(100);
  });

  it('CUR-08 EMIT-10 who wants everything does not share an answer with who wants nothing old', async () => {
    const server = httpServer();
    const upstream = new Upstream();
    upstream.add(1);
    await server.clock.advance(600_000);
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    server.events.define('counted', {
      ...counted,
      check: async (context, args, cursor) => {
        await opened;
        const answer = await upstream.check(context, args, cursor);
        // An author leaves out what is too old, which is allowed and saves reading it.
        return context.notBefore === undefined ? answer : { ...answer, events: [] };
      },
    });
    // The first one is asked for at once; those that come meanwhile share the next.
    const polls = [{}, { maxAgeMs: 60_000 }, {}].map((params) => server.poll('counted', 'c0.0', params));
    await settle();
    open();
    expect((await Promise.all(polls)).map(({ events }) => numbersOf(events))).toEqual([[1], [], [1]]);
  });

  it('PUSH-07 CUR-08 an upstream that fails as a stream opens still leaves out what is too old', async () => {
    const server = httpServer({ heartbeatIntervalMs: 30_000 });
    const upstream = new Upstream();
    upstream.add(1);
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    await server.clock.advance(600_000);
    upstream.events.push({ eventId: 'new', timestamp: new Date(server.clock.now()), data: { n: 2 } });
    upstream.failures.push(new Error('down'));
    const stream = await server.stream('counted', { cursor: 'c0.0', maxAgeMs: 60_000 });
    await settle();
    expect(pushedNumbers(await stream.arrived())).toEqual([2]);
  });

  it('PUSH-07 a failing upstream is asked less and less often, and its failures are told', async () => {
    const server = httpServer({ heartbeatIntervalMs: 30_000 });
    let calls = 0;
    let down = false;
    server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: () => {
        calls++;
        if (down) throw new Error('down');
        return { events: [], cursor: '0' };
      },
    });
    const stream = await server.stream('counted');
    await settle();
    down = true;
    calls = 0;
    await server.clock.advance(3_600_000);
    expect(calls).toBeGreaterThan(5);
    // 1, 2, 4 ... 256 seconds, then every 300 seconds.
    expect(calls).toBeLessThan(25);
    const kinds = kindsOf(await stream.arrived());
    expect(kinds.filter((kind) => kind === 'error')).toHaveLength(calls);
    down = false;
    await server.clock.advance(300_000);
    calls = 0;
    await server.clock.advance(10_000);
    expect(calls).toBe(10);
  });

  it('PUSH-07 POLL-08 a check that hangs counts as failed after its time, and is told to stop', async () => {
    const server = httpServer({ limits: { checkMs: 2_000 } });
    let aborted = 0;
    server.events.define('counted', {
      ...counted,
      check: ({ signal }) => {
        signal.addEventListener('abort', () => aborted++);
        return new Promise<CheckResult>(() => {});
      },
    });
    const polling = server.call('events/poll', { name: 'counted' });
    await server.clock.advance(2_000);
    expect((await polling).error?.code).toBe(-32603);
    expect(aborted).toBe(1);
    expect(String(server.errors[0]?.error)).toContain('check of counted did not finish within 2000 ms');
  });

  const event = { eventId: 'e', timestamp: '2026-01-01T00:00:00Z', data: { n: 1 } };
  it.each([
    ['no result', undefined],
    ['no array of events', { events: {}, cursor: '0' }],
    ['a cursor that is not a string', { events: [], cursor: 0 }],
    ['events together with truncated', { events: [event], cursor: '0', truncated: true }],
    ['nextPollMs NaN', { events: [], cursor: '0', nextPollMs: NaN }],
  ])('POLL-08 CUR-12 nonsense from a check is a failure, not a position: %s', async (message, answer) => {
    const server = httpServer();
    server.events.define('counted', { ...counted, check: () => answer as CheckResult });
    expect((await server.call('events/poll', { name: 'counted', cursor: 'c0.0' })).error?.code).toBe(-32603);
    expect(String(server.errors[0]?.error)).toContain(message);
  });
});

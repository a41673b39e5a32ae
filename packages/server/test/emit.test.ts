import type { EventContext } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';

const input = { type: 'object', properties: { n: {}, secret: { type: 'boolean' } } };
const secretPayload = {
  type: 'object',
  properties: { n: { type: 'integer' }, secret: { type: 'string' } },
  required: ['n'],
  additionalProperties: false,
};

describe('reach', () => {
  it('EMIT-03 without a target reaches every stream and the poll buffer', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null);
    const streams = [await server.stream('counted'), await server.stream('counted', {}, { as: 'ada' })];
    const emitted = await type.emit({ n: 1 });
    for (const stream of streams) expect(pushedNumbers(await stream.take(2))).toEqual([1]);
    const polled = await server.poll('counted', cursor);
    expect(numbersOf(polled.events)).toEqual([1]);
    expect(polled.cursor).toBe(emitted.cursor);
  });

  it('EMIT-03 the same subscription in two connections gets the same event, not two', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const streams = [
      await server.stream('counted', {}, { as: 'ada' }),
      await server.stream('counted', {}, { as: 'ada' }),
    ];
    const { eventId } = await type.emit({ n: 1 });
    for (const stream of streams) {
      expect((await stream.arrived()).slice(1).map(({ params }) => params.eventId)).toEqual([eventId]);
    }
  });

  it('EMIT-07 with a target reaches only that subscription, in push and poll', async () => {
    const server = httpServer();
    const ids: EventContext[] = [];
    const type = server.events.define('counted', { ...counted, onSubscribe: (context) => void ids.push(context) });
    const [first, second] = [await server.stream('counted'), await server.stream('counted')];
    const { cursor } = await server.poll('counted', null);
    const other = await server.poll('counted', null, {}, { as: 'ada' });
    await type.emit({ n: 1 }, { target: ids[1]?.subscriptionId });
    await type.emit({ n: 2 }, { target: ids[2]?.subscriptionId });
    await type.emit({ n: 3 }, { target: 'nobody' });
    await type.emit({ n: 4 });
    expect(pushedNumbers(await first.arrived())).toEqual([4]);
    expect(pushedNumbers(await second.arrived())).toEqual([1, 4]);
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([2, 4]);
    expect(numbersOf((await server.poll('counted', other.cursor, {}, { as: 'ada' })).events)).toEqual([4]);
  });

  it('EMIT-07 with a target on stdio', async () => {
    const server = stdioServer();
    const ids: string[] = [];
    const type = server.events.define('counted', {
      ...counted,
      onSubscribe: ({ subscriptionId }) => void ids.push(subscriptionId),
    });
    for (const id of [1, 2]) await server.request(id, 'events/stream', { name: 'counted' });
    await type.emit({ n: 1 }, { target: ids[1] });
    await server.idle();
    expect([pushedNumbers(server.of(1)), pushedNumbers(server.of(2))]).toEqual([[], [1]]);
  });

  it('EMIT-03 a type with a check cannot be emitted to', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, check: () => ({ events: [], cursor: '0' }) });
    await expect(type.emit({ n: 1 })).rejects.toThrow('counted has a check');
  });

  it('ORDER-01 events emitted without waiting keep their order, also those emitted while one is received', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      match: (_context, event) => {
        if (event.data['n'] === 1 && event.eventId === 'first') void type.emit({ n: 10 });
        return true;
      },
    });
    const stream = await server.stream('counted');
    await Promise.all([type.emit({ n: 1 }, { eventId: 'first' }), type.emit({ n: 2 }), type.emit({ n: 3 })]);
    expect(pushedNumbers(await stream.arrived())).toEqual([1, 10, 2, 3]);
  });
});

describe('match', () => {
  it('EMIT-04 decides per subscription, knowing its principal, client and arguments', async () => {
    const server = httpServer();
    const contexts: EventContext[] = [];
    const type = server.events.define('counted', {
      ...counted,
      input,
      match: (context, event, args) => {
        contexts.push(context);
        return event.data['n'] === args['n'];
      },
    });
    const _meta = { 'io.modelcontextprotocol/clientInfo': { name: 'host', version: '3' } };
    const one = await server.stream('counted', { arguments: { n: 1 }, _meta }, { as: 'ada' });
    const two = await server.stream('counted', { arguments: { n: 2 } });
    for (const n of [1, 2, 3]) await type.emit({ n });
    expect(pushedNumbers(await one.arrived())).toEqual([1]);
    expect(pushedNumbers(await two.arrived())).toEqual([2]);
    expect(contexts[0]).toMatchObject({
      principal: 'ada',
      mode: 'push',
      clientInfo: { name: 'host', version: '3' },
      authInfo: { token: 'token-of-ada' },
      subscriptionId: server.events.subscriptions({ principal: 'ada' })[0]?.id,
    });
  });

  it('EMIT-04 a declared filter and an equal match choose the same events, in both modes', async () => {
    const server = httpServer();
    const match = (_context: unknown, event: { data: object }, args: object): boolean => {
      const { n: wanted } = args as { n?: unknown };
      const { n } = event.data as { n: unknown };
      return wanted === undefined || wanted === n || (Array.isArray(wanted) && wanted.includes(n));
    };
    const types = [
      server.events.define('filtered', { ...counted, input, filter: { n: 'n' } }),
      server.events.define('matched', { ...counted, input, match }),
    ];
    for (const [args, expected] of [
      [{}, [1, 2, 3]],
      [{ n: 2 }, [2]],
      [{ n: [1, 3, 3] }, [1, 3]],
      [{ n: '2' }, []],
      [{ n: [] }, []],
    ] as const) {
      for (const type of types) {
        const { cursor } = await server.poll(type.name, null, { arguments: args });
        const stream = await server.stream(type.name, { arguments: args });
        for (const n of [1, 2, 3]) await type.emit({ n });
        expect(pushedNumbers(await stream.arrived())).toEqual(expected);
        const replayed = await server.stream(type.name, { arguments: args, cursor });
        expect(pushedNumbers(await replayed.arrived())).toEqual(expected);
        expect(numbersOf((await server.poll(type.name, cursor, { arguments: args })).events)).toEqual(expected);
      }
    }
  });

  it('EMIT-04 anything but a boolean is no decision: it is told as a failure', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, match: () => 'yes' as unknown as boolean });
    const stream = await server.stream('counted');
    await type.emit({ n: 1 });
    expect(kindsOf(await stream.arrived())).toEqual(['active', 'error', 'active']);
    expect(String(server.errors[0]?.error)).toContain('match of counted returned string, not boolean');
  });

  it('ORDER-01 a resumed stream delivers its replay before live events, also when matching is asynchronous', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      match: async (_context, event) => {
        // Older events take longer.
        await settle(Math.max(1, 12 - Number(event.data['n'])));
        return event.data['n'] !== 4;
      },
    });
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3, 4, 5]) await type.emit({ n });
    const stream = await server.stream('counted', { cursor });
    for (const n of [6, 7, 8]) await type.emit({ n });
    expect(pushedNumbers(await stream.take(8))).toEqual([1, 2, 3, 5, 6, 7, 8]);
  });

  it('ORDER-01 the same without replay, where nothing can be read again', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      replay: false,
      match: async (_context, event) => {
        await settle(Math.max(1, 6 - Number(event.data['n'])));
        return event.data['n'] !== 3;
      },
    });
    const stream = await server.stream('counted');
    for (const n of [1, 2, 3, 4, 5]) await type.emit({ n });
    expect(pushedNumbers(await stream.take(5))).toEqual([1, 2, 4, 5]);
  });

  it('EMIT-04 a match that hangs for one subscription delays no other', async () => {
    const server = httpServer({ limits: { hookMs: 1_000 } });
    const type = server.events.define('counted', {
      ...counted,
      match: ({ principal }, event) =>
        principal === 'slow' && event.data['n'] === 1 ? new Promise<boolean>(() => {}) : true,
    });
    const slow = await server.stream('counted', {}, { as: 'slow' });
    const quick = await server.stream('counted', {}, { as: 'quick' });
    for (const n of [1, 2, 3]) await type.emit({ n });
    expect(pushedNumbers(await quick.arrived())).toEqual([1, 2, 3]);
    expect(kindsOf(await slow.arrived())).toEqual(['active']);
    await server.clock.advance(1_000);
    const messages = await slow.arrived();
    expect(kindsOf(messages)).toEqual(['error', 'active', 'event', 'event']);
    expect(pushedNumbers(messages)).toEqual([2, 3]);
  });
});

describe('transform', () => {
  it('EMIT-05 EMIT-06 shapes the copy of one subscription, and no other', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      payload: secretPayload,
      input,
      match: (_context, event) => event.data['n'] !== 2,
      transform: ({ principal }, event) => (principal === 'ada' ? event.data : { n: event.data['n'] as number }),
    });
    const { cursor } = await server.poll('counted', null);
    const ada = await server.stream('counted', {}, { as: 'ada' });
    const bob = await server.stream('counted', {}, { as: 'bob' });
    for (const n of [1, 2]) await type.emit({ n, secret: 'hunter2' }, { eventId: `e${n}`, _meta: { trace: 1 } });
    const [forAda, forBob] = [(await ada.arrived())[1]?.params, (await bob.arrived())[1]?.params];
    expect(forAda.data).toEqual({ n: 1, secret: 'hunter2' });
    expect(forBob.data).toEqual({ n: 1 });
    expect(bob.raw.join('')).not.toContain('hunter2');
    for (const member of ['eventId', 'name', 'timestamp', 'cursor']) expect(forBob[member]).toBe(forAda[member]);
    expect(forBob._meta.trace).toBe(1);
    expect(
      (await server.poll('counted', cursor, {}, { as: 'bob' })).events.map((e: { data: object }) => e.data),
    ).toEqual([{ n: 1 }]);
    expect(
      (await server.poll('counted', cursor, {}, { as: 'ada' })).events.map((e: { data: object }) => e.data),
    ).toEqual([{ n: 1, secret: 'hunter2' }]);
  });

  it('EMIT-05 one that edits its argument fails for its own subscription instead of changing what others get', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      transform: ({ principal }, event) => {
        if (principal === 'ada') (event.data as { n: number }).n = 99;
        return event.data;
      },
    });
    const ada = await server.stream('counted', {}, { as: 'ada' });
    const bob = await server.stream('counted', {}, { as: 'bob' });
    await type.emit({ n: 1 });
    expect(kindsOf(await ada.arrived())).toEqual(['active', 'error', 'active']);
    expect(pushedNumbers(await bob.arrived())).toEqual([1]);
  });

  it.each(['match', 'transform'])(
    'EMIT-05 %s sees an event that cannot be changed, and nothing of its delivery',
    async (which) => {
      const server = httpServer();
      const seen: unknown[] = [];
      const edit = (context: object, event: { data: object; _meta?: object | undefined }, args: object): void => {
        seen.push(Object.keys(event).toSorted());
        const nested = (event._meta as { deep: { list: object[] } }).deep;
        for (const target of [
          context,
          event,
          event.data,
          nested,
          nested.list,
          nested.list[0],
          args,
          (args as { list: object }).list,
        ]) {
          expect(Object.isFrozen(target)).toBe(true);
        }
      };
      const type = server.events.define('counted', {
        ...counted,
        input: { type: 'object' },
        ...(which === 'match'
          ? { match: (...given: Parameters<typeof edit>) => edit(...given) === undefined }
          : {
              transform: (context: object, event: { data: Record<string, unknown> }, args: object) => {
                edit(context, event, args);
                return event.data;
              },
            }),
      });
      const { cursor } = await server.poll('counted', null, { arguments: { list: [1] } });
      await type.emit({ n: 1 }, { _meta: { deep: { list: [{}] } } });
      expect(await server.poll('counted', cursor, { arguments: { list: [1] } })).toMatchObject({
        events: [{ data: { n: 1 }, _meta: { deep: { list: [{}] } } }],
        truncated: false,
      });
      expect(seen).toEqual([['_meta', 'data', 'eventId', 'name', 'timestamp']]);
    },
  );

  it('EMIT-05 one that edits metadata fails for its own subscription alone', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      transform: ({ principal }, event) => {
        if (principal === 'alice') (event._meta as Record<string, unknown>)['note'] = 'for alice only';
        return event.data;
      },
    });
    const cursors = await Promise.all(
      ['alice', 'bob'].map(async (as) => (await server.poll('counted', null, {}, { as })).cursor),
    );
    await type.emit({ n: 1 }, { _meta: { note: 'public' } });
    expect(await server.poll('counted', cursors[0], {}, { as: 'alice' })).toMatchObject({
      events: [],
      truncated: true,
    });
    expect(await server.poll('counted', cursors[1], {}, { as: 'bob' })).toMatchObject({
      events: [{ _meta: { note: 'public' } }],
    });
  });

  it('OCC-04 EMIT-05 what it returns is checked against the payload schema', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      payload: secretPayload,
      transform: (_context, event) => (event.data['n'] === 1 ? { n: 'one' as unknown as number } : event.data),
    });
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    for (const n of [1, 2]) await type.emit({ n });
    expect(pushedNumbers(await stream.arrived())).toEqual([2]);
    expect(await server.poll('counted', cursor)).toMatchObject({ truncated: true, events: [{ data: { n: 2 } }] });
  });

  it('EMIT-05 an asynchronous one keeps order', async () => {
    const server = httpServer();
    const type = server.events.define('counted', {
      ...counted,
      transform: async (_context, event) => {
        await settle(Math.max(1, 5 - Number(event.data['n'])));
        return { n: Number(event.data['n']) * 10 };
      },
    });
    const { cursor } = await server.poll('counted', null);
    const stream = await server.stream('counted');
    for (const n of [1, 2, 3]) await type.emit({ n });
    expect(pushedNumbers(await stream.take(4))).toEqual([10, 20, 30]);
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([10, 20, 30]);
  });
});

describe('buffer', () => {
  it.each([
    ['count', { maxCount: 3 }, [3, 4, 5]],
    ['size', { maxBytes: 16 }, [4, 5]],
  ])('EMIT-08 is bounded by %s', async (_bound, retention, kept) => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, retention });
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3, 4, 5]) await type.emit({ n });
    const first = await server.poll('counted', cursor);
    expect(first).toMatchObject({ truncated: true, hasMore: true });
    expect(numbersOf((await server.poll('counted', first.cursor)).events)).toEqual(kept);
  });

  it('EMIT-08 is bounded by age, by each type for itself', async () => {
    const server = httpServer();
    const quick = server.events.define('quick', { ...counted, retention: { maxAgeMs: 10_000 } });
    const slow = server.events.define('slow', counted);
    const cursors = { quick: await server.poll('quick', null), slow: await server.poll('slow', null) };
    for (const type of [quick, slow]) await type.emit({ n: 1 });
    await server.clock.advance(6_000);
    for (const type of [quick, slow]) await type.emit({ n: 2 });
    await server.clock.advance(6_000);
    const gap = await server.poll('quick', cursors.quick.cursor);
    expect(gap.truncated).toBe(true);
    expect(numbersOf((await server.poll('quick', gap.cursor)).events)).toEqual([2]);
    const whole = await server.poll('slow', cursors.slow.cursor);
    expect([whole.truncated, numbersOf(whole.events)]).toEqual([false, [1, 2]]);
  });

  it('EMIT-08 CUR-12 an empty buffer of a quiet type tells no gap to who has seen everything', async () => {
    const server = httpServer();
    const type = server.events.define('counted', { ...counted, retention: { maxAgeMs: 1_000 } });
    const { cursor } = await type.emit({ n: 1 });
    await server.clock.advance(3_600_000);
    expect(await server.poll('counted', cursor)).toMatchObject({ events: [], truncated: false, cursor });
  });
});

import { EventsError, forbidden } from '@mcp-events/server';
import type { Check, EventHandle, EventTypeDefinition } from '@mcp-events/server';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { settle } from './kit/fakeClock.ts';
import { kindsOf, pushedNumbers } from './kit/frames.ts';
import { TestServer } from './kit/httpServer.ts';
import type { OpenStream } from './kit/httpServer.ts';
import { Upstream } from './kit/upstream.ts';

const payload = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const SECRET = 'postgres://admin:hunter2@db.internal';
const never = new Promise<never>(() => {});

let server: TestServer;
afterEach(async () => {
  await server.close();
  expect(server.events.subscriptions()).toEqual([]);
  expect(server.clock.pendingTimers).toBe(0);
});

/** The stream's next messages in short, heartbeats aside. */
async function arrived(stream: OpenStream, count: number): Promise<string[]> {
  const messages: string[] = [];
  while (messages.length < count) {
    const [message] = await stream.take(1);
    const kind = message?.method?.split('/').at(-1);
    if (kind !== 'heartbeat') messages.push(`${kind}:${message?.params?.data?.n ?? ''}`);
  }
  return messages;
}

describe('cursors nobody handed out', () => {
  const forged = [
    '',
    'x',
    '.',
    'c0',
    'null',
    '0.0',
    '\u0000',
    '💥'.repeat(1_000),
    `c${'9'.repeat(8)}.x`,
    'a'.repeat(100_000),
  ];

  it('CUR-12 POLL-08 resets them with truncated and goes on, by poll and by push', async () => {
    server = new TestServer();
    const numbers = server.events.define('numbers', { payload });
    const others = server.events.define('others', { payload });
    await others.emit({ n: 1 });
    const foreign = (await server.poll('others', null)).cursor as string;
    const own = (await server.poll('numbers', null)).cursor as string;
    const future = own.replace(/\d+$/, '999999');
    const huge = own.replace(/\d+$/, '9'.repeat(40));
    const negative = own.replace(/\d+$/, '-1');
    let n = 0;
    for (const cursor of [...forged, foreign, future, huge, negative]) {
      const reset = await server.poll('numbers', cursor);
      expect(reset, cursor.slice(0, 20)).toMatchObject({ events: [], truncated: true });
      expect(reset.cursor).not.toBe(cursor);
      const stream = await server.stream('numbers', { cursor });
      const [active] = await stream.take(1);
      expect(active?.params.truncated).toBe(true);
      await numbers.emit({ n: ++n });
      stream.abort();
      // What the fresh cursor promises is kept.
      const next = await server.poll('numbers', reset.cursor, { maxEvents: 1000 });
      expect(next.events.at(-1).data.n).toBe(n);
      expect(next.truncated).toBe(false);
    }
    await settle();
  });

  it('CUR-12 resets them for a checked upstream too', async () => {
    server = new TestServer();
    const check: Check = (_context, _args, cursor) => {
      if (cursor !== null && !/^[0-3]$/.test(cursor)) return { events: [], cursor: '3', truncated: true };
      const events = [0, 1, 2].slice(cursor === null ? 3 : Number(cursor)).map((n) => ({
        eventId: String(n),
        timestamp: '2026-01-01T00:00:00Z',
        data: { n },
      }));
      return { events, cursor: '3' };
    };
    server.events.define('numbers', { payload, check });
    for (const cursor of [...forged, 'c0.77', 'c50.1']) {
      expect(await server.poll('numbers', cursor), cursor.slice(0, 20)).toMatchObject({ events: [], truncated: true });
    }
    expect((await server.poll('numbers', 'c0.1')).events).toHaveLength(2);
  });

  it('ERR-01 refuses cursors that are not strings', async () => {
    server = new TestServer();
    server.events.define('numbers', { payload });
    for (const cursor of [5, {}, [], true]) {
      const { error } = await server.call('events/poll', { name: 'numbers', cursor });
      expect(error?.code).toBe(-32602);
      expect(error?.message).toContain('cursor');
    }
  });
});

describe('names and arguments', () => {
  it('ERR-02 answers NotFound for names of every kind, and repeats only a bounded part of them', async () => {
    server = new TestServer();
    server.events.define('numbers', { payload });
    for (const name of ['', 'Numbers', '__proto__', 'constructor', 'toString', 'numbers ', 'x'.repeat(1_000_000)]) {
      for (const method of ['events/poll', 'events/stream']) {
        const { error } = await server.call(method, { name });
        expect(error).toMatchObject({ code: -32023, data: { kind: 'event' } });
        expect(error?.message.length).toBeLessThan(300);
      }
    }
  });

  it('ERR-01 refuses arguments that are too deep, too large or not an object', async () => {
    server = new TestServer();
    server.events.define('numbers', { payload });
    let deep: unknown = {};
    for (let level = 0; level < 2_000; level++) deep = { deeper: deep };
    const wrong = [{ deep }, { large: 'x'.repeat(1_000_000) }, [], 'text', 5, { surrogate: '\ud800' }];
    for (const args of wrong) {
      const { error } = await server.call('events/poll', { name: 'numbers', arguments: args });
      expect(error?.code).toBe(-32602);
      expect(error?.message.length).toBeLessThan(500);
    }
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('ERR-01 treats prototype members as ordinary, wrong arguments', async () => {
    server = new TestServer();
    const strict = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false };
    server.events.define('numbers', { payload, input: strict, filter: { a: 'n' } });
    const args = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as object;
    const { error } = await server.call('events/poll', { name: 'numbers', arguments: args });
    expect(error?.code).toBe(-32602);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('author functions that fail', () => {
  const failures: [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error(SECRET);
      },
    ],
    ['rejects', () => Promise.reject(new Error(SECRET))],
    [
      'throws something that is no error',
      () => {
        throw SECRET as unknown as Error;
      },
    ],
    [
      'throws what cannot be put into words',
      () => {
        throw Symbol(SECRET) as unknown as Error;
      },
    ],
    [
      'throws what cannot be looked at',
      () => {
        throw unreadable() as Error;
      },
    ],
    ['rejects with what cannot be looked at', () => Promise.reject(unreadable())],
    ['rejects with nothing', () => Promise.reject(undefined)],
    ['returns nonsense', () => SECRET],
    ['returns nothing', () => undefined],
    ['returns what cannot be looked at', () => unreadable()],
  ];

  /** Whoever looks at it fails. */
  function unreadable(): unknown {
    const fail = (): never => {
      throw new Error(SECRET);
    };
    return new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail });
  }

  function define(part: Partial<EventTypeDefinition>): EventHandle {
    server = new TestServer({ limits: { hookMs: 1_000, checkMs: 1_000 } });
    return server.events.define('numbers', { payload, ...part });
  }

  for (const [how, fail] of failures) {
    it(`HOOK-12 ERR-03 AUTH-01 lets nobody in when authorize ${how}`, async () => {
      define({ authorize: fail as () => boolean });
      for (const method of ['events/poll', 'events/stream']) {
        const { error } = await server.call(method, { name: 'numbers' });
        expect([-32024, -32603]).toContain(error?.code);
        expect(JSON.stringify(error)).not.toContain(SECRET);
      }
      expect(server.events.subscriptions()).toEqual([]);
    });

    it(`HOOK-12 EMIT-04 EMIT-05 passes over an event, and tells so, when match or transform ${how}`, async () => {
      for (const part of ['match', 'transform'] as const) {
        const picky = (...args: unknown[]): unknown => {
          const { data } = args[1] as { data: { n: number } };
          if (data.n === 2) return fail();
          return part === 'match' ? true : data;
        };
        const numbers = define({ [part]: picky as never });
        const { cursor } = await server.poll('numbers', null);
        const stream = await server.stream('numbers');
        for (const n of [1, 2, 3]) await numbers.emit({ n });
        expect(await arrived(stream, 5)).toEqual(['active:', 'event:1', 'error:', 'active:', 'event:3']);
        const polled = await server.poll('numbers', cursor);
        expect(polled.events.map((event: { data: object }) => event.data)).toEqual([{ n: 1 }, { n: 3 }]);
        expect(polled.truncated).toBe(true);
        expect(stream.raw.join('') + JSON.stringify(polled)).not.toContain(SECRET);
        expect(server.errors.length).toBeGreaterThan(0);
        if (part === 'match') await server.close();
      }
    });

    it(`HOOK-12 PUSH-07 POLL-08 reports a failing source and recovers when check ${how}`, async () => {
      let healthy = true;
      let length = 0;
      const check: Check = (_context, _args, cursor) => {
        if (!healthy) return fail() as never;
        const start = cursor === null ? length : Number(cursor);
        const events = Array.from({ length: length - start }, (_, i) => ({
          eventId: String(start + i),
          timestamp: '2026-01-01T00:00:00Z',
          data: { n: start + i },
        }));
        return { events, cursor: String(length) };
      };
      define({ check, nextPollMs: 1_000 });
      const { cursor } = await server.poll('numbers', null);
      const stream = await server.stream('numbers');
      healthy = false;
      length = 1;
      const { error } = await server.call('events/poll', { name: 'numbers', cursor });
      expect(error?.code).toBe(-32603);
      await server.clock.advance(1_000);
      const late = await server.stream('numbers', { cursor });
      healthy = true;
      await server.clock.advance(10_000);
      expect(await arrived(stream, 3)).toEqual(['active:', 'error:', 'event:0']);
      expect(await arrived(late, 3)).toEqual(['active:', 'error:', 'event:0']);
      expect(stream.raw.join('') + late.raw.join('') + JSON.stringify(error)).not.toContain(SECRET);
    });

    it(`keeps working when hooks and discoverable: one ${how}`, async () => {
      const thrower = fail as () => never;
      define({ onUnsubscribe: thrower, discoverable: thrower });
      server.events.define('plain', { payload });
      const stream = await server.stream('numbers');
      stream.abort();
      const list = await server.result('events/list');
      expect(list.events.map(({ name }: { name: string }) => name)).toContain('plain');
      expect(JSON.stringify(list)).not.toContain(SECRET);
    });
  }

  it.each([
    ['at once', 0],
    ['a moment later', 1],
    ['while it is being read', 3],
    ['in the same turn', 8],
  ])(
    'EMIT-24 an author who goes on with what was returned, %s, changes nothing of it: check',
    async (_when, moments) => {
      const check: Check = (_context, _args, cursor) => {
        if (cursor !== null) return { events: [], cursor };
        return { events: [], cursor: '0' };
      };
      const found: Check = (context, args, cursor) => {
        if (cursor !== '0') return check(context, args, cursor);
        const event = { eventId: 'a', timestamp: '2026-01-01T00:00:00Z', data: { n: 1 } };
        return answerAndEdit(moments, { events: [event], cursor: '1' }, (answer) => {
          event.data.n = 2;
          event.eventId = 'b';
          answer.events.push({ ...event, eventId: 'c' });
          answer.cursor = '7';
        });
      };
      define({ check: found, nextPollMs: 1_000 });
      const { cursor } = await server.poll('numbers', null);
      const [polled, again] = await Promise.all([server.poll('numbers', cursor), server.poll('numbers', cursor)]);
      for (const { events, cursor: after } of [polled, again]) {
        expect(events.map(({ data }: { data: object }) => data)).toEqual([{ n: 1 }]);
        expect(after).toBe('c0.1');
      }
      const stream = await server.stream('numbers', { cursor });
      expect(await arrived(stream, 2)).toEqual(['active:', 'event:1']);
      expect(server.errors).toEqual([]);
    },
  );

  it.each([0, 1, 3, 8])(
    'EMIT-24 an author who goes on with what was returned, after %i moments, changes nothing of it: transform',
    async (moments) => {
      const numbers = define({
        transform: (_context, { data }) => {
          const copy = { ...(data as { n: number }) };
          return answerAndEdit(moments, copy, (answer) => (answer.n = 99));
        },
      });
      const { cursor } = await server.poll('numbers', null);
      const stream = await server.stream('numbers');
      for (const n of [1, 2]) await numbers.emit({ n });
      expect(await arrived(stream, 3)).toEqual(['active:', 'event:1', 'event:2']);
      const polled = await server.poll('numbers', cursor);
      expect(polled.events.map(({ data }: { data: object }) => data)).toEqual([{ n: 1 }, { n: 2 }]);
    },
  );

  /** A promise of it, whose author edits it so many turns of the microtask queue after it has settled. */
  function answerAndEdit<T>(moments: number, answer: T, edit: (answer: T) => void): Promise<T> {
    const settled = Promise.resolve(answer);
    const later = async (): Promise<void> => {
      await settled;
      for (let moment = 0; moment < moments; moment++) await Promise.resolve();
      edit(answer);
    };
    // Begun when the server already waits for it.
    queueMicrotask(() => void later());
    return settled;
  }

  it('leaves nothing behind when onSubscribe refuses', async () => {
    define({
      onSubscribe: () => {
        throw new Error(SECRET);
      },
    });
    for (const method of ['events/poll', 'events/stream']) {
      const { error } = await server.call(method, { name: 'numbers' });
      expect(error?.code).toBe(-32603);
      expect(JSON.stringify(error)).not.toContain(SECRET);
    }
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('answers within the time limit when authorize, onSubscribe or check hangs', async () => {
    for (const part of ['authorize', 'onSubscribe', 'check'] as const) {
      define({ [part]: () => never });
      for (const method of ['events/poll', 'events/stream']) {
        const answer = server.call(method, { name: 'numbers' });
        await server.clock.advance(1_000);
        expect((await answer).error?.code).toBe(-32603);
      }
      // A poll that failed upstream still was a poll: its lease runs out by itself.
      if (part === 'check') await server.clock.advance(60_000);
      expect(server.events.subscriptions()).toEqual([]);
      if (part !== 'check') await server.close();
    }
  });

  it('EMIT-04 does not let one subscription wait for the match of another that hangs', async () => {
    const numbers = define({ match: (context) => (context.principal === 'slow' ? never : true) });
    const slow = await server.stream('numbers', {}, { as: 'slow' });
    const quick = await server.stream('numbers', {}, { as: 'quick' });
    for (const n of [1, 2]) await numbers.emit({ n });
    expect(await arrived(quick, 3)).toEqual(['active:', 'event:1', 'event:2']);
    await server.clock.advance(1_000);
    expect(await arrived(slow, 3)).toEqual(['active:', 'error:', 'active:']);
    await server.clock.advance(1_000);
  });

  it('AUTH-02 keeps a stream when asking for permission fails, and ends it when the answer is no', async () => {
    let answer: () => boolean = () => true;
    define({ authorize: () => answer() });
    const stream = await server.stream('numbers');
    answer = () => {
      throw new Error(SECRET);
    };
    await server.clock.advance(60_000);
    expect(server.events.subscriptions()).toHaveLength(1);
    answer = () => false;
    await server.clock.advance(60_000);
    const frames = await stream.rest();
    expect(frames.at(-2)).toMatchObject({
      method: 'notifications/events/terminated',
      params: { error: { code: -32024 } },
    });
    expect(frames.at(-1)?.result).toBeDefined();
  });
});

describe('ends at any moment', () => {
  it('PUSH-20 TERM-01 a stream that is ended while it is set up is answered, wherever in it that is', async () => {
    for (let microtasks = 0; microtasks < 40; microtasks++) {
      server = new TestServer();
      const { events } = server;
      const endLater = async (): Promise<void> => {
        for (let left = microtasks; left > 0; left--) await Promise.resolve();
        await events.terminate({}, forbidden('revoked'));
      };
      events.define('numbers', { payload, onSubscribe: () => void endLater() });
      const answer = server.fetch('events/stream', { name: 'numbers' }).then((response) => response.text());
      const text = await Promise.race([answer, settle(30).then(() => 'no answer')]);
      expect(text, `ended after ${microtasks} microtasks`).toContain('"code":-32024');
      expect(server.clock.pendingTimers).toBe(1);
      if (microtasks < 39) await server.close();
    }
  });
});

describe('clients that misbehave', () => {
  it('PUSH-14 frees everything of 10,000 streams that were opened and dropped', async () => {
    let begun = 0;
    let ended = 0;
    server = new TestServer();
    const numbers = server.events.define('numbers', {
      payload,
      onSubscribe: () => void begun++,
      onUnsubscribe: () => void ended++,
    });
    for (let batch = 0; batch < 100; batch++) {
      const streams = await Promise.all(Array.from({ length: 100 }, () => server.stream('numbers')));
      if (batch % 10 === 0) await numbers.emit({ n: batch });
      for (const stream of streams) stream.abort();
    }
    await settle();
    expect([begun, ended]).toEqual([10_000, 10_000]);
    expect(server.events.subscriptions()).toEqual([]);
  }, 60_000);

  it('PUSH-14 HOOK-02 cleans up wherever in the set-up a client goes away', async () => {
    for (let turns = 0; turns < 12; turns++) {
      let begun = 0;
      let ended = 0;
      server = new TestServer();
      const pause = (): Promise<void> => settle(2);
      const numbers = server.events.define('numbers', {
        payload,
        authorize: async () => {
          await pause();
          return true;
        },
        onSubscribe: async () => {
          await pause();
          begun++;
        },
        onUnsubscribe: () => void ended++,
      });
      const controller = new AbortController();
      const answer = server
        .fetch('events/stream', { name: 'numbers' }, { signal: controller.signal })
        .catch(() => undefined);
      await settle(turns);
      controller.abort();
      await answer;
      await settle();
      await numbers.emit({ n: 1 });
      expect(server.events.subscriptions(), `aborted after ${turns} turns`).toEqual([]);
      expect(ended).toBe(begun);
      if (turns < 11) await server.close();
    }
  });

  it('holds a bounded number of bytes for a client that does not read, and serves it when it reads on', async () => {
    server = new TestServer({ limits: { streamBufferBytes: 10_000 } });
    const numbers = server.events.define('numbers', { payload });
    const stalled = await server.stream('numbers');
    for (let n = 0; n < 5_000; n++) await numbers.emit({ n });
    await settle();
    const frames = await stalled.take(5_001);
    expect(frames.slice(1).map(({ params }) => params.data.n)).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
    // What was read at once is what had been buffered: the rest came from the log afterwards.
    expect(stalled.raw[0]?.length).toBeLessThanOrEqual(10_000);
    for (const chunk of stalled.raw) expect(chunk.length).toBeLessThanOrEqual(10_000);
  });

  it('PUSH-08 tells a client that stalled beyond retention of the gap and goes on', async () => {
    server = new TestServer({ limits: { streamBufferBytes: 2_000 } });
    const numbers = server.events.define('numbers', { payload, retention: { maxCount: 10 } });
    const stalled = await server.stream('numbers');
    for (let n = 0; n < 500; n++) await numbers.emit({ n });
    await settle();
    const seen: string[] = [];
    while (seen.at(-1) !== 'event:499') seen.push(...(await arrived(stalled, 1)));
    expect(seen[0]).toBe('active:');
    const gap = seen.lastIndexOf('active:');
    expect(gap).toBeGreaterThan(0);
    expect(seen.slice(gap + 1)).toEqual(Array.from({ length: 10 }, (_, i) => `event:${490 + i}`));
  });

  it('ERR-04 holds limits when many subscriptions are set up at the same time', async () => {
    server = new TestServer({ limits: { subscriptionsPerPrincipal: 10 } });
    server.events.define('numbers', { payload, authorize: () => settle(2).then(() => true) });
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => server.fetch('events/stream', { name: 'numbers' }, { as: 'alice' })),
    );
    const refused = answers.filter((answer) => answer.headers.get('content-type') === 'application/json');
    expect(refused).toHaveLength(30);
    expect(await refused[0]?.json()).toMatchObject({
      error: { code: -32025, data: { limit: 'subscriptionsPerPrincipal', max: 10 } },
    });
  });
});

describe('a clock that jumps', () => {
  it('CUR-12 POLL-08 survives jumps in both directions', async () => {
    server = new TestServer();
    const numbers = server.events.define('numbers', { payload });
    const { cursor } = await server.poll('numbers', null);
    await numbers.emit({ n: 1 });
    server.clock.jump(-86_400_000);
    await numbers.emit({ n: 2 });
    expect((await server.poll('numbers', cursor)).events).toHaveLength(2);
    server.clock.jump(10 * 86_400_000);
    expect((await server.poll('numbers', cursor)).events).toHaveLength(2);
    server.clock.pass(10 * 86_400_000);
    const late = await server.poll('numbers', cursor);
    expect(late).toMatchObject({ events: [], truncated: true });
    await numbers.emit({ n: 3 });
    expect((await server.poll('numbers', late.cursor)).events).toHaveLength(1);
    const aged = await server.poll('numbers', late.cursor, { maxAgeMs: Number.MAX_SAFE_INTEGER });
    expect(aged.events).toHaveLength(1);
  });
});

/** What an author who hands on an error of a library may put into one of ours. */
const unwritable: [what: string, data: Record<string, unknown>][] = [
  ['a circle', circle()],
  ['a big integer', { count: 1n }],
  [
    'what throws',
    {
      toJSON: () => {
        throw new Error(SECRET);
      },
    },
  ],
  ['too much', { text: 'x'.repeat(16 * 1024) }],
];

function circle(): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  data['cause'] = { response: { request: data } };
  return data;
}

describe('errors of authors that cannot be written', () => {
  it.each(unwritable)(
    'ERR-12 PUSH-07 an error of a check with %s is told without it, and delivery goes on',
    async (_, data) => {
      server = new TestServer();
      const upstream = new Upstream();
      server.events.define('numbers', { payload, check: upstream.check, nextPollMs: 1_000 });
      const streams = [await server.stream('numbers'), await server.stream('numbers')];
      await settle();
      upstream.failures.push(new EventsError('InternalError', 'not now', { data }));
      await server.clock.advance(1_000);
      upstream.add(1);
      await server.clock.advance(10_000);
      for (const stream of streams) {
        const messages = (await stream.arrived()).filter(({ method }) => method?.endsWith('heartbeat') === false);
        expect(kindsOf(messages)).toEqual(['active', 'error', 'event']);
        expect(messages[1]?.params.error).toEqual({ code: -32603, message: 'not now' });
      }
    },
  );

  it.each(unwritable)('ERR-12 TERM-01 an end with %s ends everybody all the same', async (_, data) => {
    server = new TestServer();
    server.events.define('numbers', { payload });
    const streams = [await server.stream('numbers'), await server.stream('numbers')];
    await server.poll('numbers', null);
    expect(await server.events.terminate({}, new EventsError('Forbidden', 'revoked', { data }))).toBe(3);
    for (const stream of streams) {
      expect((await stream.rest()).at(-2)?.params.error).toEqual({ code: -32024, message: 'revoked' });
    }
    const { error } = await server.call('events/poll', { name: 'numbers' });
    expect(error).toMatchObject({ code: -32024, message: 'revoked' });
    expect(error?.data).toBeUndefined();
  });

  it('ERR-12 a message is cut, and data at its bound is told', async () => {
    server = new TestServer();
    const data = { text: 'x'.repeat(16 * 1024 - '{"text":""}'.length) };
    server.events.define('numbers', {
      payload,
      authorize: () => {
        throw new EventsError('Forbidden', 'y'.repeat(1_000_000), { data });
      },
    });
    for (const method of ['events/poll', 'events/stream']) {
      const { error } = await server.call(method, { name: 'numbers' });
      expect(error?.message).toBe('y'.repeat(2_048));
      expect(error?.data).toEqual(data);
    }
  });
});

describe('hostile author functions', () => {
  it('PUSH-07 goes on when onError throws, for the stream concerned and for others', async () => {
    server = new TestServer({
      onError: () => {
        throw new Error('the logger is down');
      },
    });
    const consoleError = vi.spyOn(console, 'error').mockImplementation(() => {});
    const handle = server.events.define('numbers', {
      payload,
      match: (_context, { data }) => {
        if (data['n'] === 1) throw new Error('cannot say');
        return true;
      },
    });
    const stream = await server.stream('numbers');
    await settle();
    await handle.emit({ n: 1 });
    await handle.emit({ n: 2 });
    expect(kindsOf(await stream.arrived())).toEqual(['active', 'error', 'active', 'event']);
    expect(consoleError).toHaveBeenCalledTimes(2);
    consoleError.mockRestore();
  });

  it('OCC-09 OCC-04 an event of a check whose metadata is not JSON is passed over and told', async () => {
    server = new TestServer();
    const upstream = new Upstream();
    server.events.define('numbers', { payload, check: upstream.check, nextPollMs: 1_000 });
    const stream = await server.stream('numbers');
    const _meta: Record<string, unknown> = {};
    _meta['self'] = _meta;
    upstream.events.push({ eventId: 'a', timestamp: '2026-01-01T00:00:00Z', data: { n: 1 }, _meta });
    await server.clock.advance(1_000);
    expect(kindsOf(await stream.arrived())).toEqual(['active', 'error', 'active']);
    upstream.add(2);
    await server.clock.advance(1_000);
    expect(pushedNumbers(await stream.arrived())).toEqual([2]);
  });

  it('CUR-08 does not ask an upstream in a tight loop that says there is more and never moves', async () => {
    server = new TestServer();
    const upstream = new Upstream();
    upstream.extra = { hasMore: true };
    server.events.define('numbers', { payload, check: upstream.check, nextPollMs: 1_000 });
    await server.stream('numbers', { cursor: 'c0.0', maxAgeMs: 60_000 });
    await settle(50);
    expect(upstream.calls.length).toBeLessThan(5);
  });

  it.each<[string, (text: string) => unknown]>([
    ['a big integer', BigInt],
    ['what holds one', (text) => ({ id: BigInt(text) })],
    ['a list with one', (text) => [text, BigInt(text)]],
    [
      'what throws',
      () => ({
        toJSON: () => {
          throw new Error(SECRET);
        },
      }),
    ],
  ])(
    'ERR-01 EMIT-04 an argument that the schema makes %s of, which no filter compares, is refused and reported',
    async (_, make) => {
      server = new TestServer();
      const handle = server.events.define('numbers', {
        input: z.object({ id: z.string().transform(make).optional() }),
        payload: z.object({ id: z.string(), n: z.number() }),
        filter: { id: 'id' },
      });
      const everybody = await server.stream('numbers');
      for (const method of ['events/poll', 'events/stream']) {
        const { error } = await server.call(method, { name: 'numbers', arguments: { id: '1' } });
        expect(error).toMatchObject({ code: -32602, message: 'arguments of numbers could not be read' });
      }
      expect(server.errors.map(({ stage, error }) => `${stage}: ${(error as Error).message}`)[0]).toMatch(
        /^input: the input schema of numbers makes something of id that is no JSON/,
      );
      await handle.emit({ id: '1', n: 1 });
      expect(pushedNumbers(await everybody.arrived())).toEqual([1]);
    },
  );

  it('ERR-01 refuses arguments the input schema fails on, without its message', async () => {
    server = new TestServer();
    const url = z.string().transform((text) => {
      if (text === 'hang') return never;
      if (!text.startsWith('https:')) throw new Error(SECRET);
      return text;
    });
    server.events.define('numbers', { payload, input: z.object({ url }) });
    const list = z.string().refine(async (text) => text === 'good');
    server.events.define('asynchronous', { payload, input: z.object({ list }) });
    for (const method of ['events/poll', 'events/stream']) {
      const { error } = await server.call(method, { name: 'numbers', arguments: { url: 'none' } });
      expect(error?.code).toBe(-32602);
      expect(JSON.stringify(error)).not.toContain('hunter2');
      const refused = await server.call(method, { name: 'asynchronous', arguments: { list: 'bad' } });
      expect(refused.error).toMatchObject({ code: -32602, message: expect.stringContaining('list') });
    }
    expect(server.errors.map(({ stage, error }) => [stage, (error as Error).message])).toEqual([
      ['input', SECRET],
      ['input', SECRET],
    ]);
    await server.poll('asynchronous', null, { arguments: { list: 'good' } });
    const hanging = server.call('events/poll', { name: 'numbers', arguments: { url: 'hang' } });
    await server.clock.advance(10_000);
    expect((await hanging).error?.code).toBe(-32602);
  });

  it('CUR-12 does not let a cursor choose how much a check is asked for', async () => {
    server = new TestServer();
    const upstream = new Upstream();
    upstream.add(1);
    server.events.define('numbers', { payload, check: upstream.check });
    expect(await server.poll('numbers', 'c999999999.0')).toMatchObject({ events: [], truncated: true });
    expect(upstream.calls[0]?.context.limit).toBeLessThan(200_000);
  });
});

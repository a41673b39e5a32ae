import type { CheckContext, CheckResult } from '@mcp-events/server';
import { forbidden } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { kindsOf } from './kit/frames.ts';
import { counted, httpServer, numbersOf } from './kit/servers.ts';

const text = { payload: { type: 'object', properties: { text: { type: 'string' } } } } as const;
const MIB = 1024 * 1024;
const at = '2026-01-01T00:00:00Z';

/** An upstream of which every call says that there is more, and a poll of it. */
function endless(check: (context: CheckContext, calls: number) => Partial<CheckResult> = () => ({})) {
  const server = httpServer();
  const state = { calls: 0 };
  server.events.define('counted', {
    ...counted,
    check: (context, _args, cursor) => {
      state.calls++;
      return {
        events: [],
        cursor: String(Number(cursor ?? 0) + 1),
        hasMore: cursor !== null,
        ...check(context, state.calls),
      };
    },
  });
  return { server, state };
}

describe('one answer', () => {
  it('POLL-15 calls an upstream only so often, and goes on where it stopped', async () => {
    const { server, state } = endless();
    const first = await server.poll('counted', 'c0.0');
    expect(first).toMatchObject({ events: [], hasMore: true, truncated: false, cursor: 'c0.20' });
    expect(state.calls).toBe(20);
    expect((await server.poll('counted', first.cursor)).cursor).toBe('c0.40');
  });

  it('POLL-15 takes no longer than its time, and goes on by one record at least', async () => {
    const { server } = endless(() => {
      server.clock.freeze(1_000);
      return {
        events: [1, 2].map((n) => ({ eventId: `e${n}`, timestamp: at, data: { n }, cursor: `at ${n}` })),
      };
    });
    const { cursor, events, hasMore } = await server.poll('counted', 'c0.0');
    expect([numbersOf(events), hasMore, cursor]).toEqual([[1], true, 'c0.at 1']);
  });

  it('POLL-15 goes on to the next page while its time is not over', async () => {
    const { server, state } = endless(() => {
      server.clock.freeze(499);
      return {};
    });
    await server.poll('counted', 'c0.0');
    expect(state.calls).toBe(3);
  });

  it('POLL-15 stops for a client that has given up', async () => {
    const abort = new AbortController();
    const { server, state } = endless((_context, calls) => {
      if (calls === 3) abort.abort();
      return {};
    });
    await server.call('events/poll', { name: 'counted', cursor: 'c0.0' }, { signal: abort.signal }).catch(() => {});
    await settle();
    expect(state.calls).toBe(3);
  });

  it('POLL-15 G5 lets others run between pages', async () => {
    const seen: number[] = [];
    const { server } = endless((_context, calls) => {
      setImmediate(() => seen.push(calls));
      return {};
    });
    await server.poll('counted', 'c0.0');
    // Not all of them at the end.
    expect(seen.length).toBeGreaterThan(15);
  });

  it('POLL-15 has so many bytes at most, and one event whatever its size', async () => {
    const server = httpServer({ limits: { maxPayloadBytes: 4 * MIB } });
    const type = server.events.define('text', text);
    const { cursor } = await server.poll('text', null);
    const bodyOf = (bytes: number): string => 'x'.repeat(bytes - '{"text":""}'.length);
    // Two that fill an answer, one byte more than fits, and one that is larger alone.
    const room = MIB - 2 * 400;
    await type.emit({ text: bodyOf(room / 2) });
    await type.emit({ text: bodyOf(room / 2) });
    await type.emit({ text: bodyOf(room / 2) });
    await type.emit({ text: bodyOf(room / 2 + 1) });
    await type.emit({ text: bodyOf(2 * MIB) });
    const answers: [number, boolean][] = [];
    for (let more = true, from = cursor; more;) {
      const answer = await server.poll('text', from);
      answers.push([answer.events.length, answer.hasMore]);
      ({ cursor: from, hasMore: more } = answer);
    }
    expect(answers).toEqual([
      [2, true],
      [1, true],
      [1, true],
      [1, false],
    ]);
  });

  it('POLL-15 counts metadata, and bytes rather than characters', async () => {
    const server = httpServer({ limits: { maxPayloadBytes: 4 * MIB } });
    const type = server.events.define('text', text);
    const { cursor } = await server.poll('text', null);
    await type.emit({ text: 'ä'.repeat(MIB / 4) });
    await type.emit({}, { _meta: { text: 'x'.repeat(MIB / 2) } });
    expect((await server.poll('text', cursor)).events).toHaveLength(1);
  });
});

describe('who asks', () => {
  const auth = (token: string) => ({ authInfo: { token, clientId: 'c', scopes: [], extra: { sub: 'alice' } } });

  it('AUTH-08 check, match, transform and the last hook get the authentication of the request, also while it is held', async () => {
    const server = httpServer();
    const tokens: Record<string, unknown[]> = { check: [], match: [], transform: [], onUnsubscribe: [] };
    let found = false;
    server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: ({ authInfo }, _args, cursor) => {
        tokens['check']?.push(authInfo?.token);
        const events = found ? [{ eventId: `e${cursor}`, timestamp: at, data: { n: 1 } }] : [];
        return { events, cursor: String(Number(cursor ?? 0) + 1) };
      },
      match: ({ authInfo }) => tokens['match']?.push(authInfo?.token) !== 0,
      transform: ({ authInfo }, { data }) => {
        tokens['transform']?.push(authInfo?.token);
        return data;
      },
      onUnsubscribe: ({ authInfo }) => void tokens['onUnsubscribe']?.push(authInfo?.token),
    });
    const { cursor } = await server.poll('counted', null, {}, auth('monday'));
    const held = ['tuesday', 'wednesday'].map((token) =>
      server.poll('counted', cursor, { timeoutMs: 5_000 }, auth(token)),
    );
    await settle();
    found = true;
    await server.clock.advance(1_000);
    for (const { events } of await Promise.all(held)) expect(events).toHaveLength(1);
    expect(tokens['check']?.filter((token) => token === 'monday')).toHaveLength(1);
    expect([new Set(tokens['match']), new Set(tokens['transform'])]).toEqual([
      new Set(['tuesday', 'wednesday']),
      new Set(['tuesday', 'wednesday']),
    ]);
    await server.clock.advance(60_000);
    expect(tokens['onUnsubscribe']).toEqual(['wednesday']);
  });

  it('AUTH-08 G5 subscribers of one principal with different tokens share no call, those with the same one do', async () => {
    const server = httpServer();
    const tokens: unknown[] = [];
    server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: ({ authInfo }, _args, cursor) => {
        tokens.push(authInfo?.token);
        if (authInfo?.token === 'old' && cursor !== null) throw new Error('401');
        return { events: [], cursor: 'here' };
      },
    });
    const streams = [];
    for (const token of ['old', 'new', 'new']) streams.push(await server.stream('counted', {}, auth(token)));
    await settle();
    tokens.length = 0;
    await server.clock.advance(1_000);
    expect(tokens).toEqual(['new']);
    const kinds = await Promise.all(
      streams.map(async (stream) => (await stream.arrived()).map(({ method }) => method?.split('/').at(-1))),
    );
    expect(kinds).toEqual([['active', 'error'], ['active'], ['active']]);
  });

  it('TERM-01 every client that began to poll a shared subscription is told of its end, and may begin anew', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const cursors = [];
    for (let client = 0; client < 2; client++) {
      cursors.push((await server.poll('counted', null, {}, { as: 'alice' })).cursor);
    }
    void server.events.terminate({ principal: 'alice' }, forbidden('revoked'));
    const poll = async (cursor: string) =>
      (await server.call('events/poll', { name: 'counted', cursor }, { as: 'alice' })).error?.code;
    expect([await poll(cursors[0]), await poll(cursors[1]), await poll(cursors[0])]).toEqual([
      -32024,
      -32024,
      undefined,
    ]);
  });
});

describe('anonymous callers', () => {
  it('G5 ERR-04 give way to authenticated ones, who poll longest ago first, and never to each other', async () => {
    const server = httpServer({ limits: { subscriptions: 3 } });
    const ended: unknown[] = [];
    server.events.define('counted', { ...counted, onUnsubscribe: (_context, { i }) => void ended.push(i) });
    for (const i of [1, 2, 3]) await server.poll('counted', null, { arguments: { i } });
    await server.poll('counted', null, { arguments: { i: 1 } });
    expect((await server.call('events/poll', { name: 'counted', arguments: { i: 4 } })).error).toMatchObject({
      data: { limit: 'subscriptions' },
    });
    await server.poll('counted', null, {}, { as: 'alice' });
    await server.stream('counted', {}, { as: 'alice' });
    expect(ended).toEqual([2, 3]);
    expect(server.events.subscriptions({ principal: null }).map(({ arguments: args }) => args['i'])).toEqual([1]);
  });

  it('ERR-13 POLL-12 give way while their polls are held, which are answered, those without one first', async () => {
    const server = httpServer({ limits: { subscriptions: 2 } });
    const type = server.events.define('counted', counted);
    const { cursor } = await server.poll('counted', null, { arguments: { i: 1 } });
    const held = server.poll('counted', cursor, { timeoutMs: 5_000, arguments: { i: 1 } });
    await server.poll('counted', null, { arguments: { i: 2 } });
    await settle();
    await server.poll('counted', null, {}, { as: 'alice' });
    expect(server.events.subscriptions({ principal: null }).map(({ arguments: args }) => args['i'])).toEqual([1]);
    await server.poll('counted', null, {}, { as: 'bob' });
    expect(server.events.subscriptions({ principal: null })).toEqual([]);
    const { cursor: next } = await held;
    const refused = await server.call('events/poll', { name: 'counted', cursor: next });
    expect(refused.error).toMatchObject({ data: { limit: 'subscriptions' } });
    await server.clock.advance(86_400_000);
    await type.emit({ n: 1 });
    expect((await server.poll('counted', next)).events).toHaveLength(1);
  });

  it('ERR-13 with streams give way as well, the oldest first, and go on where they were', async () => {
    const server = httpServer({ limits: { subscriptions: 3 } });
    const ended: unknown[] = [];
    const type = server.events.define('counted', {
      ...counted,
      onUnsubscribe: (_context, { i }) => void ended.push(i),
    });
    const streams = [];
    for (const i of [1, 2, 3]) streams.push(await server.stream('counted', { arguments: { i } }));
    expect((await server.call('events/stream', { name: 'counted' })).error).toMatchObject({
      data: { limit: 'subscriptions' },
    });
    const alice = await server.stream('counted', {}, { as: 'alice' });
    await server.poll('counted', null, {}, { as: 'bob' });
    expect(ended).toEqual([1, 2]);
    const frames = await streams[0]!.rest();
    // No end of the subscription: the client opens it again, at its cursor.
    expect(kindsOf(frames)).toEqual(['active', 'result']);
    await type.emit({ n: 1 });
    expect(kindsOf(await streams[2]!.arrived())).toEqual(['active', 'event']);
    await alice.cancel();
    await settle();
    const again = await server.stream('counted', { cursor: frames[0]?.params.cursor, arguments: { i: 1 } });
    expect(kindsOf(await again.arrived())).toEqual(['active', 'event']);
    // Nobody gives way to one who is no better known, nor any who is authenticated.
    await server.stream('counted', {}, { as: 'carol' });
    await server.poll('counted', null, {}, { as: 'dora' });
    for (const as of ['alice', undefined]) {
      const { error } = await server.call('events/stream', { name: 'counted' }, { as });
      expect(error).toMatchObject({ data: { limit: 'subscriptions' } });
    }
  });
});

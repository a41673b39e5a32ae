import { Events } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { settle } from './kit/fakeClock.ts';
import { counted, httpServer } from './kit/servers.ts';

describe('subscriptions', () => {
  it('ERR-04 per principal, over all modes, and freed when one ends', async () => {
    const server = httpServer({ limits: { subscriptionsPerPrincipal: 2 } });
    server.events.define('counted', counted);
    const stream = await server.stream('counted', {}, { as: 'ada' });
    await server.poll('counted', null, {}, { as: 'ada' });
    const refused = await server.call('events/stream', { name: 'counted' }, { as: 'ada' });
    expect(refused.error).toMatchObject({ code: -32025, data: { limit: 'subscriptionsPerPrincipal', max: 2 } });
    // A poll of a subscription that exists is no new one, and others have their own count.
    await server.poll('counted', null, {}, { as: 'ada' });
    await server.stream('counted', {}, { as: 'bob' });
    for (let n = 0; n < 5; n++) await server.stream('counted');
    stream.abort();
    await settle();
    await server.stream('counted', {}, { as: 'ada' });
  });

  it('TTL-19 ERR-04 TTL-07 a stored subscription keeps its place until its grant has passed, whether its type is offered or not', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ ttlMs: 3_600_000 });
    const server = deployment.start({}, { limits: { subscriptionsPerPrincipal: 1 } });
    server.events.define('other', counted);
    await settle();
    await deployment.clock.advance(3_599_000);
    expect((await server.trySubscribe('other')).error?.data).toEqual({ limit: 'subscriptionsPerPrincipal', max: 1 });
    await deployment.clock.advance(10_000);
    expect((await server.trySubscribe('other')).error).toBeUndefined();
    await settle();
    expect(deployment.store.records.map(({ name }) => name)).toEqual(['other']);
  });

  it('ERR-04 all together', async () => {
    const server = httpServer({ limits: { subscriptions: 2 } });
    server.events.define('counted', counted);
    await server.stream('counted', {}, { as: 'carol' });
    const lease = { arguments: {} };
    await server.poll('counted', null, lease, { as: 'ada' });
    for (const options of [{}, { as: 'bob' }]) {
      const { error } = await server.call('events/stream', { name: 'counted' }, options);
      expect(error).toMatchObject({ code: -32025, data: { limit: 'subscriptions', max: 2 } });
    }
    await server.clock.advance(60_000);
    await server.stream('counted', {}, { as: 'bob' });
  });

  it('ERR-04 HOOK-08 40 subscribers at once do not pass a limit of 10, however slowly they are authorized', async () => {
    const server = httpServer({ limits: { subscriptionsPerPrincipal: 10 } });
    let begun = 0;
    server.events.define('counted', {
      ...counted,
      authorize: async () => {
        await settle(3);
        return true;
      },
      onSubscribe: async () => {
        begun++;
        await settle(3);
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => server.fetch('events/stream', { name: 'counted' }, { as: 'ada' })),
    );
    const streams = answers.filter(({ headers }) => headers.get('content-type') === 'text/event-stream');
    expect(streams).toHaveLength(10);
    expect(begun).toBe(10);
    expect(server.events.subscriptions()).toHaveLength(10);
  });
});

describe('options', () => {
  it.each([
    ['limits.subscriptions', { limits: { subscriptions: 0 } }],
    ['limits.streamBufferBytes', { limits: { streamBufferBytes: NaN } }],
    ['limits.maxPollHoldMs', { limits: { maxPollHoldMs: -1 } }],
    ['pageSize', { pageSize: 0 }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: -1 }],
    ['reauthorizeIntervalMs', { reauthorizeIntervalMs: 2 ** 31 }],
    ['limits', { limits: null }],
    ['limits has no member "subscription"; did you mean "subscriptions"?', { limits: { subscription: 5 } }],
    ['limits.hookMs', { limits: { hookMs: '5' } }],
    ['limits.maxEventsPerPoll', { limits: { maxEventsPerPoll: 1.5 } }],
    ['pageSize', { pageSize: 1.5 }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: '500' }],
    ['dialect', { dialect: 'fnal' }],
    ['legacySessions', { legacySessions: 'no' }],
    ['namespace', { namespace: 5 }],
    ['principal', { principal: 'sub' }],
    ['randomId', { randomId: 3 }],
    ['clock', { clock: { now: () => 0 } }],
    ['options', null],
  ])('ERR-04 PUSH-10 AUTH-02 an unusable %s is refused by name', (name, options) => {
    expect(() => new Events(options as never)).toThrow(name);
  });

  it('ERR-04 a limit that is undefined, or none at all, is the default', () => {
    expect(() => httpServer({ limits: { hookMs: undefined as never, subscriptions: Infinity } })).not.toThrow();
  });

  it.each([
    ['retention.maxCount', { retention: { maxCount: 0 } }],
    ['retention.maxAgeMs', { retention: { maxAgeMs: NaN } }],
    ['retention.maxBytes', { retention: { maxBytes: '5' } }],
    ['did you mean "authorize"', { authorise: () => false }],
    ['authorize', { authorize: true }],
    ['match', { match: null }],
    ['transform', { transform: {} }],
    ['replay', { replay: 'no' }],
    ['nextPollMs', { nextPollMs: 0 }],
    ['leaseMs', { leaseMs: 86_400_001 }],
    ['filter', { input: { type: 'object', properties: { a: {} } }, filter: { b: 'n' } }],
    ['filter', { input: { type: 'object', properties: { a: {} } }, filter: { a: 'm' } }],
  ])('EMIT-08 HOOK-06 LIST-02 an unusable %s of a type is refused by name', async (name, part) => {
    const server = httpServer();
    expect(() => server.events.define('counted', { ...counted, ...part } as never)).toThrow(name);
    expect((await server.result('events/list')).events).toEqual([]);
  });

  it('LIST-01 a type needs a name', () => {
    expect(() => httpServer().events.define('', counted)).toThrow('needs a name');
    // A storage could take it for another one.
    for (const name of ['a\0b', 'a\ud800'])
      expect(() => httpServer().events.define(name, counted)).toThrow('must be text');
  });
});

import { EventsError, forbidden } from '@mcp-events/server';
import type { EventContext } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { settle } from './kit/fakeClock.ts';
import { authFor } from './kit/httpServer.ts';
import { counted } from './kit/servers.ts';
import { keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { postedNumbers, TRUSTED, webhookServer } from './kit/webhookServer.ts';
import type { WebhookTestServer } from './kit/webhookServer.ts';

const withOptional = { ...counted.payload, properties: { ...counted.payload.properties, note: { type: 'string' } } };

describe('the end by the server', () => {
  it('TERM-01 ENV-05 HOOK-03 DELIV-16 is told to every mode with one error, and nothing else is posted', async () => {
    const server = webhookServer();
    const ended: string[] = [];
    const handle = server.events.define('counted', { ...counted, onUnsubscribe: ({ mode }) => void ended.push(mode) });
    const { cursor } = await server.poll('counted', null, {}, { as: 'alice' });
    const stream = await server.stream('counted', {}, { as: 'alice' });
    await stream.take(1);
    const { id } = await server.subscribe('counted');
    await server.subscribe('counted', { as: 'bob' });
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await settle();
    server.recorder.answer = () => undefined;
    expect(await server.events.terminate({ principal: 'alice' }, forbidden('revoked'))).toBe(3);
    const polled = await server.call('events/poll', { name: 'counted', cursor }, { as: 'alice' });
    await handle.emit({ n: 2 });
    await server.clock.advance(3_600_000 - 1);
    const pushed = (await stream.rest()).find(({ method }) => method === 'notifications/events/terminated');
    const [told, ...more] = server.recorder.envelopes('terminated');
    expect(more).toEqual([]);
    expect(told?.headers['x-mcp-subscription-id']).toBe(id);
    expect(told?.headers['webhook-id']).toMatch(/^msg_terminated_\w{16,}$/);
    expect(told?.body).toEqual({ type: 'terminated', error: pushed?.params.error });
    expect(told?.body.error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
    expect(polled.error).toEqual(told?.body.error);
    const own = server.recorder.events.filter(({ headers }) => headers['x-mcp-subscription-id'] === id);
    expect(own).toHaveLength(1);
    expect(ended.toSorted()).toEqual(['poll', 'push', 'webhook']);
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32023);
  });

  it('ENV-05 ENV-02 DIALECT-13 is repeated under one id until it is taken, within the bounds of any delivery', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 503;
    void server.events.terminate({}, forbidden());
    await server.clock.advance(3_600_000);
    const envelopes = server.recorder.envelopes('terminated');
    expect(envelopes).toHaveLength(5);
    expect(new Set(envelopes.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(envelopes.map(({ text }) => text)).size).toBe(1);
    expect(await server.events.deadLetters()).toEqual([]);
  });

  it('TERM-06 a later subscribe is a new one, which a late word about the old one does not end', async () => {
    const server = webhookServer();
    let allowed = true;
    const begun: string[] = [];
    const handle = server.events.define('counted', {
      ...counted,
      authorize: () => allowed,
      onSubscribe: ({ subscriptionId }) => void begun.push(subscriptionId),
    });
    const { id, cursor } = await server.subscribe('counted');
    server.recorder.answer = () => 503;
    allowed = false;
    void server.events.terminate({}, forbidden());
    await server.clock.advance(1_000);
    expect((await server.trySubscribe('counted', { cursor })).error?.code).toBe(-32024);
    allowed = true;
    await handle.emit({ n: 1 });
    server.recorder.answer = () => undefined;
    const again = await server.subscribe('counted', { cursor });
    expect(again).toMatchObject({ id, truncated: false });
    expect(again).not.toHaveProperty('deliveryStatus');
    await server.clock.advance(1_800_000);
    expect(begun).toEqual([id, id]);
    expect(postedNumbers(server)).toEqual([1]);
    expect(server.recorder.envelopes('terminated')).toHaveLength(1);
  });

  it('TERM-06 TTL-10 what was terminated is not stored any more', async () => {
    const store = new TestSubscriptionStore();
    const server = webhookServer({ store });
    server.events.define('counted', counted);
    await server.subscribe('counted');
    expect(store.records).toHaveLength(1);
    void server.events.terminate({}, forbidden());
    await settle();
    expect(store.records).toEqual([]);
  });

  it('OP-24 is not told when the client unsubscribes, the grant ends or the server closes', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted', { url: `${TRUSTED}/1` });
    await server.unsubscribe('counted', { url: `${TRUSTED}/1` });
    await server.subscribe('counted', { url: `${TRUSTED}/2`, ttlMs: 60_000 });
    await server.clock.advance(60_000);
    await server.subscribe('counted', { url: `${TRUSTED}/3` });
    await server.events.close();
    await server.clock.advance(60_000);
    expect(server.recorder.requests).toEqual([]);
    expect(server.clock.pendingTimers).toBe(0);
  });

  it.each([
    [new EventsError('NotFound', 'The repository is gone', { data: { kind: 'event' } }), -32023],
    [forbidden('revoked'), -32024],
  ])('TERM-01 comes from a check whose error is final: %s', async (error, code) => {
    const server = webhookServer();
    let gone = false;
    server.events.define('counted', {
      ...counted,
      nextPollMs: 1_000,
      check: () => {
        if (gone) throw error;
        return { events: [], cursor: '0' };
      },
    });
    await server.subscribe('counted');
    gone = true;
    await server.clock.advance(1_000);
    expect(server.recorder.envelopes('terminated').map(({ body }) => body.error.code)).toEqual([code]);
    expect(server.events.subscriptions()).toEqual([]);
  });
});

describe('a change of the type', () => {
  it('TERM-02 removal ends its subscriptions with NotFound for the event', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    handle.remove();
    await settle();
    const [told] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toMatchObject({ code: -32023, data: { kind: 'event' } });
    expect((await server.trySubscribe('counted')).error).toMatchObject({ code: -32023, data: { kind: 'event' } });
  });

  it.each([
    ['payloadSchema', { payload: { type: 'object', properties: { n: { type: 'string' } }, required: ['n'] } }],
    ['inputSchema', { ...counted, input: { type: 'object', required: ['level'] } }],
  ])('TERM-03 an incompatible %s ends them with Unsupported', async (feature, changed) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    (handle as { update(definition: object): void }).update(changed);
    await settle();
    const [told] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toMatchObject({ code: -32026, data: { feature, reason: 'schema_changed' } });
    await server.subscribe('counted', { arguments: { level: 1 } });
    expect(server.events.subscriptions()).toHaveLength(1);
  });

  it.each([
    ['payloadSchema', { payload: { type: 'object', properties: { n: { type: 'string' } }, required: ['n'] } }],
    ['inputSchema', { ...counted, input: { type: 'object', required: ['level'] } }],
  ])(
    'TERM-12 TERM-03 an incompatible %s ends stored ones in the next run if this one could not store that',
    async (feature, changed) => {
      for (const how of ['in a new run', 'while it runs'] as const) {
        const deployment = new Deployment();
        const { store, clock } = deployment;
        const storage = keptStorage(clock);
        const first = deployment.start({}, { storage });
        const handle = first.events.define('counted', counted);
        await first.subscribe('counted', { arguments: { level: 1 }, ttlMs: null });
        store.failing.add('delete');
        if (how === 'while it runs') (handle as { update(definition: object): void }).update(changed);
        else {
          await first.events.close();
          deployment.start({}, { storage }).events.define('counted', changed);
        }
        await settle(50);
        // That run is killed.
        expect(store.records).toHaveLength(1);
        store.failing.clear();
        const next = deployment.start({}, { storage });
        const offered = next.events.define('counted', changed);
        await settle(50);
        const [told] = next.recorder.envelopes('terminated');
        expect(told?.body.error).toMatchObject({ code: -32026, data: { feature, reason: 'schema_changed' } });
        expect([next.events.subscriptions(), store.records]).toEqual([[], []]);
        // From then on it is done: those of the new form stay.
        await next.subscribe('counted', { arguments: { level: 1 }, ttlMs: null });
        await offered.emit({ n: feature === 'payloadSchema' ? 'new' : 1 });
        await settle();
        await next.events.close();
        const last = deployment.start({}, { storage });
        last.events.define('counted', changed);
        await settle(50);
        expect(last.events.subscriptions()).toHaveLength(1);
        expect((await last.events.inspect().events('counted')).entries).toHaveLength(1);
      }
    },
  );

  it('TERM-12 the ends of a change are remembered until they are stored, although those of the one before are', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const storage = keptStorage(clock);
    const run = deployment.start({}, { storage });
    const handle = run.events.define('counted', counted);
    await run.subscribe('counted', { ttlMs: null });
    const withRequired = (name: string): object => ({ ...counted, input: { type: 'object', required: [name] } });
    const update = (definition: object): void => (handle as { update(definition: object): void }).update(definition);
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    update(withRequired('level'));
    await settle();
    store.writing = Promise.resolve();
    await run.subscribe('counted', { arguments: { level: 1 }, ttlMs: null });
    store.failing.add('delete');
    update(withRequired('size'));
    await settle(50);
    store.failing.clear();
    stored();
    await settle(50);
    // That run is killed.
    expect(store.records.map(({ arguments: args }) => args)).toEqual([{ level: 1 }]);
    const next = deployment.start({}, { storage });
    next.events.define('counted', withRequired('size') as typeof counted);
    await settle(50);
    expect(next.recorder.envelopes('terminated')).toHaveLength(1);
    expect([next.events.subscriptions(), store.records]).toEqual([[], []]);
  });

  it('TERM-04 LIST-07 an additive one ends nothing, and events of the new form arrive', async () => {
    const server = webhookServer();
    const input = { type: 'object', properties: { level: { type: 'string' } } };
    const handle = server.events.define('counted', { ...counted, input });
    await server.subscribe('counted', { arguments: { level: 'x' } });
    const more = { ...input, properties: { ...input.properties, other: { type: 'string' } } };
    handle.update({ ...counted, input: more, payload: withOptional });
    await handle.emit({ n: 1, note: 'new' });
    await settle();
    expect(server.recorder.deliveries.map(({ body }) => body.data)).toEqual([{ n: 1, note: 'new' }]);
    expect(await server.subscribe('counted', { arguments: { level: 'x' } })).toHaveProperty('deliveryStatus');
  });

  it('TERM-01 ERR-05 webhook mode that is withdrawn ends them, not those of other modes', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    const stream = await server.stream('counted');
    handle.update({ ...counted, delivery: ['poll', 'push'] });
    await settle();
    const [told] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'webhook' } });
    expect(stream.ended).toBe(false);
    expect(server.events.subscriptions().map(({ mode }) => mode)).toEqual(['push']);
  });
});

describe('access', () => {
  it('AUTH-01 ERR-03 is asked with principal and arguments at each subscribe, refreshes included', async () => {
    const server = webhookServer();
    const asked: unknown[] = [];
    let allowed = true;
    server.events.define('counted', {
      ...counted,
      authorize: ({ principal, mode, authInfo, subscriptionId }, args) => {
        asked.push([principal, mode, authInfo?.token, subscriptionId, args]);
        return allowed;
      },
    });
    const { id } = await server.subscribe('counted', { arguments: { n: 1 } });
    const authInfo = { ...authFor('alice'), token: 'newer' };
    await server.subscribe('counted', { arguments: { n: 1 }, authInfo });
    expect(asked).toEqual([
      ['alice', 'webhook', 'token-of-alice', id, { n: 1 }],
      ['alice', 'webhook', 'newer', id, { n: 1 }],
    ]);
    allowed = false;
    expect((await server.trySubscribe('counted', { arguments: { n: 1 } })).error?.code).toBe(-32024);
  });

  it('AUTH-02 TERM-01 ENV-05 is asked again from time to time, and its loss ends the subscription', async () => {
    const server = webhookServer({}, { reauthorizeIntervalMs: 10_000 });
    const allowed = new Set(['alice', 'bob']);
    const contexts: EventContext[] = [];
    const handle = server.events.define('counted', {
      ...counted,
      authorize: (context) => {
        contexts.push(context);
        return allowed.has(context.principal ?? '');
      },
    });
    const { id } = await server.subscribe('counted');
    await server.subscribe('counted', { as: 'bob' });
    allowed.delete('alice');
    await server.clock.advance(9_999);
    expect(server.events.subscriptions()).toHaveLength(2);
    await server.clock.advance(1);
    await handle.emit({ n: 1 });
    await settle();
    const [told, ...more] = server.recorder.envelopes('terminated');
    expect(told?.headers['x-mcp-subscription-id']).toBe(id);
    expect(told?.body.error.code).toBe(-32024);
    expect(more).toEqual([]);
    expect(postedNumbers(server)).toEqual([1]);
    // A context is kept as long as the subscription: it holds nothing of a request.
    for (const context of contexts) expect(context).not.toHaveProperty('request');
  });

  it('AUTH-02 a subscription outlives the token it was made with, as long as its author agrees', async () => {
    const server = webhookServer({}, { reauthorizeIntervalMs: 10_000 });
    server.events.define('counted', { ...counted, authorize: () => true });
    const authInfo = { ...authFor('alice'), expiresAt: server.clock.now() / 1_000 + 15 };
    await server.subscribe('counted', { authInfo });
    await server.clock.advance(60_000);
    expect(server.events.subscriptions()).toHaveLength(1);
  });

  it('AUTH-04 LIST-02 anonymous callers do not see webhook, nor a type that has nothing else', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    server.events.define('hooked', { ...counted, delivery: ['webhook'] });
    const listed = async (as?: string): Promise<unknown[]> => {
      const { events } = await server.result('events/list', {}, { as });
      return events.map(({ name, delivery }: { name: string; delivery: string[] }) => [name, delivery]);
    };
    expect(await listed()).toEqual([['counted', ['poll', 'push']]]);
    expect(await listed('alice')).toEqual([
      ['counted', ['poll', 'push', 'webhook']],
      ['hooked', ['webhook']],
    ]);
  });
});

describe('hooks', () => {
  it('HOOK-01 HOOK-03 run once each with context, arguments and id: at the first subscribe, and at the end', async () => {
    const server = webhookServer();
    const log: unknown[] = [];
    const input = { type: 'object', properties: { level: { type: 'string', default: 'low' } } };
    const write = (what: string) => (context: EventContext, args: unknown) => {
      const { principal, mode, subscriptionId } = context;
      log.push([what, principal, mode, subscriptionId, args]);
    };
    server.events.define('counted', {
      ...counted,
      input,
      onSubscribe: write('subscribe'),
      onUnsubscribe: write('unsubscribe'),
    });
    const args = { level: 'high' };
    const { id } = await server.subscribe('counted', { arguments: args });
    for (let round = 0; round < 3; round++) await server.subscribe('counted', { arguments: args });
    expect(log).toEqual([['subscribe', 'alice', 'webhook', id, args]]);
    await server.unsubscribe('counted', { arguments: args });
    await server.unsubscribe('counted', { arguments: args });
    await server.clock.advance(86_400_000);
    expect(log.slice(1)).toEqual([['unsubscribe', 'alice', 'webhook', id, args]]);
  });

  it.each(['terminate', 'remove', 'update', 'lapse', 'close'] as const)(
    'HOOK-03 runs once at the end by %s',
    async (how) => {
      const server = webhookServer();
      const ended: string[] = [];
      const definition = { ...counted, onUnsubscribe: () => void ended.push(how) };
      const handle = server.events.define('counted', definition);
      await server.subscribe('counted');
      if (how === 'terminate') void server.events.terminate({}, forbidden());
      else if (how === 'remove') handle.remove();
      else if (how === 'update') handle.update({ ...definition, input: { type: 'object', required: ['level'] } });
      else if (how === 'lapse') await server.clock.advance(3_600_000);
      else await server.events.close();
      await settle();
      expect(ended).toEqual([how]);
      void server.events.terminate({}, forbidden());
      await server.events.close();
      expect(ended).toHaveLength(1);
    },
  );

  it('HOOK-01 HOOK-08 a refusal of the author reaches the client as it is, and leaves nothing', async () => {
    const server = webhookServer();
    const ended: string[] = [];
    let begun = 0;
    server.events.define('counted', {
      ...counted,
      authorize: ({ principal }) => principal !== 'eve',
      onSubscribe: () => {
        begun++;
        throw new EventsError('ResourceExhausted', 'No more cameras', { data: { limit: 'cameras', max: 2 } });
      },
      onUnsubscribe: () => void ended.push('unsubscribe'),
    });
    const { error } = await server.trySubscribe('counted');
    expect(error).toEqual({ code: -32025, message: 'No more cameras', data: { limit: 'cameras', max: 2 } });
    await server.trySubscribe('counted', { as: 'eve' });
    expect(begun).toBe(1);
    await server.clock.advance(86_400_000);
    expect(ended).toEqual([]);
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.errors).toEqual([]);
  });
});

describe('an end while a subscription is being made', () => {
  const open = {
    push: (server: WebhookTestServer) => server.stream('counted', {}, { as: 'alice' }).catch(() => {}),
    webhook: (server: WebhookTestServer) => server.trySubscribe('counted'),
    poll: (server: WebhookTestServer) => server.call('events/poll', { name: 'counted', cursor: null }, { as: 'alice' }),
  };

  it.each(['push', 'webhook', 'poll'] as const)('TERM-13 has its author asked again: %s', async (mode) => {
    const server = webhookServer();
    const answers: ((allowed: boolean) => void)[] = [];
    const authorize = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve));
    server.events.define('counted', { ...counted, authorize });
    for (const isAllowed of [false, true]) {
      answers.length = 0;
      void open[mode](server);
      await settle();
      expect(await server.events.terminate({ principal: 'alice' }, forbidden('revoked'))).toBe(0);
      await server.events.terminate({ principal: 'bob' }, forbidden('revoked'));
      answers[0]?.(true);
      await settle();
      expect([answers.length, server.events.subscriptions()]).toEqual([2, []]);
      answers[1]?.(isAllowed);
      await settle(20);
      expect([answers.length, server.events.subscriptions().length]).toEqual([2, isAllowed ? 1 : 0]);
    }
    await server.events.close();
  });

  it('TERM-13 is answered although its author ends it each time that it is asked', async () => {
    const server = webhookServer();
    let asked = 0;
    const authorize = (): boolean => {
      asked++;
      void server.events.terminate({ name: 'counted' }, forbidden('revoked'));
      return true;
    };
    server.events.define('counted', { ...counted, authorize });
    expect((await server.trySubscribe('counted')).error?.code).toBe(-32_603);
    expect([asked, server.events.subscriptions()]).toEqual([3, []]);
  });
});

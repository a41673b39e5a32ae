import { forbidden } from '@mcp-events/server';
import type { EventsError, EventTypeDefinition } from '@mcp-events/server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import type { Message } from './kit/frames.ts';
import { FakeClock, settle, until } from './kit/fakeClock.ts';
import { echo, SecureRecorder, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { TestSubscriptionStore } from './kit/storage.ts';
import { postedNumbers, TRUSTED, webhookServer } from './kit/webhookServer.ts';
import type { TestWebhookOptions, WebhookTestServer } from './kit/webhookServer.ts';

const ORIGIN = 'https://hooks.example';
const noExpiry = { ttl: { noExpiry: true } };

/** An endpoint that refuses every challenge, and has no document. */
function refusing(): SecureRecorder {
  const recorder = new SecureRecorder();
  recorder.answer = ({ body, method }) => (method === 'GET' ? 404 : body?.type === 'verification' ? 403 : undefined);
  return recorder;
}

/** A run on a store, with a strangers' endpoint. */
class Strangers {
  readonly store = new TestSubscriptionStore();
  readonly clock = new FakeClock();
  readonly deployment = new Deployment();

  run(options: TestWebhookOptions, recorder?: SecureRecorder): ReturnType<typeof secureServer> {
    const server = secureServer({ store: this.store, ...noExpiry, ...options }, { clock: this.clock }, recorder);
    server.events.define('counted', this.deployment.definition);
    return server;
  }

  async leave(options: TestWebhookOptions, recorder?: SecureRecorder): Promise<void> {
    const server = this.run(options, recorder);
    await server.subscribe('counted', { url: STRANGER, ttlMs: null });
    await server.events.close();
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await settle(30);
  }
}

describe('consent over a restart', () => {
  it.each<[string, TestWebhookOptions, TestWebhookOptions]>([
    ['an origin that is not allowed any more', { allowedOrigins: [ORIGIN] }, { allowedOrigins: [] }],
    ['one that may still be reached', { allowedOrigins: [ORIGIN] }, { reachableOrigins: [ORIGIN], allowedOrigins: [] }],
    ['a confirmation that nobody gives any more', { confirm: () => true }, {}],
  ])('VERIFY-15 VERIFY-01 does not outlive what it rested on: %s', async (_what, before, after) => {
    const world = new Strangers();
    await world.leave(before);
    expect(world.store.records).toHaveLength(1);
    const server = world.run(after, refusing());
    world.deployment.upstream.add(1);
    await until(() => server.recorder.challenges.length === 1);
    await world.advance(10_000);
    expect((await server.trySubscribe('counted', { url: STRANGER, ttlMs: null })).error?.code).toBe(-32027);
    const other = { url: STRANGER, ttlMs: null, arguments: { other: true } };
    expect((await server.trySubscribe('counted', other)).error?.code).toBe(-32027);
    expect(server.recorder.deliveries).toEqual([]);
    expect(server.recorder.envelopes('terminated')).toEqual([]);
  });

  it('VERIFY-15 VERIFY-11 a document does not count any more where the operator stopped to look at them', async () => {
    const world = new Strangers();
    const publishing = new SecureRecorder();
    publishing.answer = ({ method }) => (method === 'GET' ? { status: 200, body: '{"receivers":["/"]}' } : undefined);
    await world.leave({}, publishing);
    expect(world.store.records[0]?.consent).toBe('document');
    const server = world.run({ receiverDocuments: false }, refusing());
    await until(() => server.recorder.challenges.length === 1);
    world.deployment.upstream.add(1);
    await world.advance(10_000);
    expect(server.recorder.deliveries).toEqual([]);
  });

  it('VERIFY-15 TTL-10 an endpoint that consents when it is asked anew goes on where it was', async () => {
    const world = new Strangers();
    await world.leave({ allowedOrigins: [ORIGIN] });
    const recorder = refusing();
    const server = world.run({ allowedOrigins: [] }, recorder);
    world.deployment.upstream.add(1);
    await until(() => recorder.challenges.length === 1);
    recorder.answer = ({ body, method }) =>
      method === 'GET' ? 404 : body?.type === 'verification' ? echoOf(body) : 204;
    await world.advance(1_000);
    await until(() => server.recorder.events.length === 1);
    await world.advance(2_000);
    expect(world.store.records[0]).toMatchObject({ consent: 'challenge', failing: null });
    // From now on it rests on that.
    await server.events.close();
    const third = world.run({}, refusing());
    world.deployment.upstream.add(2);
    await world.advance(1_000);
    await until(() => third.recorder.events.length === 1);
    expect(third.recorder.challenges).toEqual([]);
  });

  it('VERIFY-15 a record that does not say what the consent rests on is no consent', async () => {
    const world = new Strangers();
    await world.leave({});
    const [record] = world.store.records;
    expect(record?.consent).toBe('challenge');
    world.store.put(record!.id, { ...record, consent: undefined });
    const server = world.run({}, refusing());
    world.deployment.upstream.add(1);
    await until(() => server.recorder.challenges.length === 1);
    await world.advance(10_000);
    expect(server.recorder.deliveries).toEqual([]);
  });

  it('VERIFY-15 TTL-13 one that refuses for too long is forgotten, unless its grant ends before', async () => {
    const world = new Strangers();
    await world.leave({ allowedOrigins: [ORIGIN] });
    const server = world.run({ dropFailingAfterMs: 60_000 }, refusing());
    await world.advance(59_000);
    expect(world.store.records).toHaveLength(1);
    await server.events.close();
    world.run({ dropFailingAfterMs: 60_000 }, refusing());
    await world.advance(10_000);
    expect(world.store.records).toEqual([]);
  });

  it.each([3_600_000, -3_600_000])(
    'DELIV-21 VERIFY-15 it counts the time that passes: clock set by %i ms',
    async (ms) => {
      const world = new Strangers();
      await world.leave({ allowedOrigins: [ORIGIN] });
      world.run({ dropFailingAfterMs: 60_000 }, refusing());
      await world.advance(10_000);
      expect(world.store.records[0]?.failing).not.toBeNull();
      world.deployment.clock.jump(ms);
      await world.advance(45_000);
      expect(world.store.records).toHaveLength(1);
      await world.advance(60_000);
      expect(world.store.records).toEqual([]);
    },
  );

  it('VERIFY-15 VERIFY-06 an endpoint that consented keeps that while its origin is allowed in between', async () => {
    const world = new Strangers();
    await world.leave({});
    await world.leave({ allowedOrigins: [ORIGIN] });
    const server = world.run({}, refusing());
    world.deployment.upstream.add(1);
    await world.advance(1_000);
    await until(() => server.recorder.events.length === 1);
    expect(server.recorder.challenges).toEqual([]);
  });

  function echoOf(body: { challenge: string }): { status: number; body: string } {
    return { status: 200, body: JSON.stringify({ challenge: body.challenge }) };
  }
});

describe('reachable origins', () => {
  it('SSRF-15 VERIFY-01 may be plain HTTP and at any address, and are asked for their consent', async () => {
    const server = secureServer({
      allowedOrigins: [],
      reachableOrigins: ['http://hooks.test'],
      egress: { resolve: () => ['10.0.0.1'] },
    });
    const handle = server.events.define('counted', counted);
    server.recorder.answer = (request) => (request.body?.type === 'verification' ? echo(request) : undefined);
    await server.subscribe('counted', { url: `${TRUSTED}/a` });
    expect(server.recorder.challenges).toHaveLength(1);
    await handle.emit({ n: 1 });
    await until(() => server.recorder.events.length === 1);
    server.recorder.answer = () => 403;
    expect((await server.trySubscribe('counted', { url: `${TRUSTED}/b` })).error?.code).toBe(-32027);
    // Nobody else is.
    expect((await server.trySubscribe('counted', { url: 'http://other.test/a' })).error?.code).toBe(-32602);
    expect((await server.trySubscribe('counted', { url: STRANGER })).error?.code).toBe(-32602);
  });

  it('SSRF-15 SSRF-06 allowUrl still decides about them', async () => {
    const server = webhookServer({ allowedOrigins: [], reachableOrigins: [TRUSTED], allowUrl: () => false });
    server.events.define('counted', counted);
    expect((await server.trySubscribe('counted')).error?.code).toBe(-32602);
  });

  it.each(['ftp://a', 'http://a/path', 5, null, 'not a url', 'http://u:p@a'])('SSRF-15 refuses %j as one', (origin) => {
    expect(() => webhookServer({ reachableOrigins: [origin as string] })).toThrow('webhooks.reachableOrigins');
  });
});

describe('an end while a subscription comes back', () => {
  /** A server whose stored subscription hangs in its hook, and has a gap to tell, as its log was in memory. */
  async function hanging(changed: Partial<EventTypeDefinition> = {}): Promise<{
    server: WebhookTestServer;
    deployment: Deployment;
    goOn: () => void;
  }> {
    const deployment = new Deployment();
    const first = deployment.start();
    const handle = first.events.define('emitted', counted);
    await first.subscribe('emitted', { ttlMs: null });
    await handle.emit({ n: 1 });
    await settle();
    await first.events.close();
    const server = deployment.start();
    let goOn = (): void => {};
    const hook = new Promise<void>((resolve) => (goOn = resolve));
    server.events.define('emitted', { ...counted, onSubscribe: () => hook, ...changed });
    await settle();
    expect(server.events.subscriptions()).toHaveLength(1);
    return { server, deployment, goOn };
  }

  it('DELIV-16 ENV-05 nothing is posted after the word of its end', async () => {
    const { server, deployment, goOn } = await hanging();
    expect(await server.events.terminate({ principal: 'alice' }, forbidden('revoked'))).toBe(1);
    await settle();
    goOn();
    await settle();
    await deployment.clock.advance(60_000);
    expect(server.recorder.deliveries.map(({ body }) => body.type)).toEqual(['terminated']);
    expect(deployment.store.records).toEqual([]);
  });

  it.each(['unsubscribe', 'close'])('DELIV-16 HOOK-03 nor anything after a silent one: %s', async (how) => {
    const ended: string[] = [];
    const { server, deployment, goOn } = await hanging({ onUnsubscribe: () => void ended.push('unsubscribe') });
    if (how === 'unsubscribe') expect((await server.unsubscribe('emitted')).error).toBeUndefined();
    else await server.events.close();
    goOn();
    await settle();
    await deployment.clock.advance(60_000);
    expect(server.recorder.deliveries).toEqual([]);
    expect(ended).toEqual(['unsubscribe']);
    expect(deployment.store.records).toHaveLength(how === 'close' ? 1 : 0);
  });
});

describe('terminate', () => {
  it('TERM-11 TERM-01 reaches subscriptions that are stored and not back yet, and tells their endpoints', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription();
    await deployment.leaveSubscription({ as: 'bob' });
    const server = deployment.start();
    await settle();
    expect(await server.events.terminate({ principal: 'alice' }, forbidden('revoked'))).toBe(1);
    expect(deployment.store.records.map(({ principal }) => principal)).toEqual(['bob']);
    await settle();
    const [told, ...more] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
    expect(more).toEqual([]);
    server.events.define('counted', deployment.definition);
    await settle();
    deployment.upstream.add(1);
    await deployment.clock.advance(5_000);
    expect(postedNumbers(server)).toEqual([1]);
    expect(server.events.subscriptions().map(({ principal }) => principal)).toEqual(['bob']);
  });

  it('TERM-02 the removal of a type ends those that are stored and not back yet, and tells their endpoints', async () => {
    for (const moment of ['read', 'known', 'back'] as const) {
      const deployment = new Deployment();
      await deployment.leaveSubscription();
      const server = deployment.start();
      if (moment === 'known') await settle();
      // Its author takes a while to say whether it may come back.
      const authorize = moment === 'known' ? { authorize: () => new Promise<boolean>(() => {}) } : {};
      const handle = server.events.define('counted', { ...deployment.definition, ...authorize });
      if (moment !== 'read') await settle();
      handle.remove();
      await settle();
      expect(deployment.store.records).toEqual([]);
      const [told, ...more] = server.recorder.envelopes('terminated');
      expect(told?.body.error).toMatchObject({ code: -32_023, data: { kind: 'event' } });
      expect(more).toEqual([]);
      await server.events.close();
    }
  });

  it('TERM-11 rejects, and nothing else does, where the store fails in the middle of reading while an end is stored', async () => {
    const deployment = new Deployment();
    const { store } = deployment;
    await deployment.leaveSubscriptions(2);
    const [record] = store.records;
    const half = {
      load: async () =>
        (function* () {
          yield record!;
          throw new Error('the store cannot be read any further');
        })() as unknown as ReturnType<typeof store.load>,
      save: (one: typeof record & object) => store.save(one),
      delete: (id: string) => store.delete(id),
    };
    const unhandled: unknown[] = [];
    const listen = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', listen);
    onTestFinished(() => void process.off('unhandledRejection', listen));
    const server = deployment.start({ store: half });
    server.events.define('counted', deployment.definition);
    await settle(30);
    expect(server.events.subscriptions()).toHaveLength(1);
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    const ending = server.events.terminate({}, forbidden());
    await new Promise((resolve) => setImmediate(resolve));
    stored();
    await expect(ending).rejects.toThrow('not available');
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  });

  it('TERM-11 reaches those that are still being read when it is called', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscriptions(3);
    const server = deployment.start();
    server.events.define('counted', deployment.definition);
    expect(await server.events.terminate({ name: 'counted' }, forbidden('revoked'))).toBe(3);
    expect(deployment.store.records).toEqual([]);
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.recorder.envelopes('terminated')).toHaveLength(3);
    expect(await server.subscribe('counted', { ttlMs: null })).not.toHaveProperty('deliveryStatus');
  });

  it('TERM-11 while the store cannot be read it says so, and what is read later has ended', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription();
    deployment.store.failing.add('load');
    const server = await deployment.run();
    await expect(server.events.terminate({}, forbidden())).rejects.toThrow('not available');
    deployment.store.failing.clear();
    await deployment.clock.advance(1_000);
    expect(server.events.subscriptions()).toEqual([]);
    expect(deployment.store.records).toEqual([]);
    expect(server.recorder.envelopes('terminated')).toHaveLength(1);
  });

  it('TERM-11 is answered when it is stored, and rejects when it cannot be', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted', { ttlMs: null });
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    let answered = false;
    const ending = server.events.terminate({}, forbidden()).finally(() => (answered = true));
    expect(server.events.subscriptions()).toEqual([]);
    await settle();
    expect(answered).toBe(false);
    stored();
    expect(await ending).toBe(1);
    expect(store.records).toEqual([]);

    await server.subscribe('counted', { ttlMs: null });
    store.failing.add('delete');
    await expect(server.events.terminate({}, forbidden())).rejects.toThrow('1 of 1');
    // Asked again it says whether that is done by now.
    await expect(server.events.terminate({}, forbidden())).rejects.toThrow('1 of 1');
    await expect(server.events.terminate({ principal: 'somebody else' }, forbidden())).resolves.toBe(0);
    // Whoever does not wait does no harm, and reads of it in the log.
    void server.events.terminate({}, forbidden());
    store.failing.clear();
    await clock.advance(30_000);
    expect(store.records).toEqual([]);
  });

  it('TERM-11 is answered when an end is stored that was asked for before, and by whomever', async () => {
    const deployment = new Deployment();
    const { store } = deployment;
    const server = await deployment.run();
    for (const endBefore of [() => server.events.terminate({}, forbidden()), () => server.unsubscribe('counted')]) {
      await server.subscribe('counted', { ttlMs: null });
      let stored = (): void => {};
      store.writing = new Promise((resolve) => (stored = resolve));
      const before = endBefore();
      await settle();
      let answered = false;
      const ending = server.events.terminate({}, forbidden()).finally(() => (answered = true));
      await settle();
      expect(answered).toBe(false);
      stored();
      await before;
      expect(await ending).toBe(0);
      expect(store.records).toEqual([]);
    }
    // Once it works, what failed is stored by who asks again.
    await server.subscribe('counted', { ttlMs: null });
    store.failing.add('delete');
    await expect(server.events.terminate({}, forbidden())).rejects.toThrow('1 of 1');
    store.failing.clear();
    expect(await server.events.terminate({}, forbidden())).toBe(0);
    expect(store.records).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no error', undefined],
    ['null', null],
    ['a text', 'revoked'],
    ['an error of another kind', new Error('revoked')],
    ['what looks like one', { code: -32024, message: 'revoked' }],
    ['a name that there is not', Object.assign(new Error('x'), { name: 'EventsError', errorName: 'Revoked' })],
  ])('TERM-11 refuses %s at the call, and ends nothing', async (_what, error) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted');
    expect(() => server.events.terminate({}, error as EventsError)).toThrow(/forbidden\('revoked'\)/);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(60_000);
    expect(server.recorder.requests).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['none', undefined],
    ['null', null],
    ['a text', 'alice'],
    ['a list', []],
    ['a member that there is not', { principle: 'alice' }],
    ['an id nobody has', { id: undefined }],
    ['a name nobody has', { name: undefined }],
    ['a principal nobody is', { principal: undefined }],
    ['a number', { id: 5 }],
    ['a name of null', { name: null }],
  ])('TERM-11 refuses a filter that would concern others than it was meant for: %s', async (_what, filter) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted');
    expect(() => server.events.terminate(filter as object, forbidden())).toThrow(TypeError);
    expect(server.events.subscriptions()).toHaveLength(1);
  });

  it('TERM-11 takes the error of another copy of the package', async () => {
    class EventsErrorOfAnotherCopy extends Error {
      override readonly name = 'EventsError';
      readonly errorName = 'NotFound';
      readonly data = { kind: 'event' };
    }
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted');
    await server.events.terminate({}, new EventsErrorOfAnotherCopy('gone') as unknown as EventsError);
    await settle();
    const [told] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toEqual({ code: -32023, message: 'gone', data: { kind: 'event' } });
  });
});

/** A run in which nothing can come back until it recovers. */
async function startDown(deployment: Deployment): Promise<{ server: WebhookTestServer; recover: () => void }> {
  let isDown = true;
  const server = deployment.start();
  const onSubscribe = (): void => {
    if (isDown) throw new Error('down');
  };
  server.events.define('counted', { ...deployment.definition, onSubscribe });
  await settle();
  return { server, recover: () => (isDown = false) };
}

describe('a client that comes back after a restart', () => {
  it('G5 SUB-17 does not wait for the hooks of others, neither as a new one nor as one that is stored', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscriptions(40);
    const server = deployment.start();
    const { clock } = deployment;
    const hangs = ({ principal }: { principal?: string | undefined }, args: Record<string, unknown>): unknown =>
      principal === 'alice' && args['n'] !== 39
        ? new Promise<void>((resolve) => clock.setTimeout(resolve, 5_000))
        : undefined;
    server.events.define('counted', { ...deployment.definition, onSubscribe: hangs as () => void });
    await settle();
    const bob = await server.subscribe('counted', { as: 'bob' });
    expect(bob).not.toHaveProperty('deliveryStatus');
    // The last of those that wait for their turn.
    expect(await server.subscribe('counted', { arguments: { n: 39 }, ttlMs: null })).toHaveProperty('deliveryStatus');
    expect((await server.unsubscribe('counted', { arguments: { n: 38 } })).error).toBeUndefined();
    await clock.advance(10_000);
    expect(server.events.subscriptions()).toHaveLength(40);
    expect(deployment.store.records).toHaveLength(40);
  });

  it('SUB-17 ERR-04 TTL-10 what is stored keeps its place under the limits', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscriptions(2);
    const server = deployment.start({}, { limits: { subscriptionsPerPrincipal: 2 } });
    let goOn = (): void => {};
    const hook = new Promise<void>((resolve) => (goOn = resolve));
    server.events.define('other', counted);
    expect((await server.trySubscribe('other')).error).toMatchObject({ data: { limit: 'subscriptionsPerPrincipal' } });
    server.events.define('counted', { ...deployment.definition, onSubscribe: () => hook });
    goOn();
    await settle();
    expect(server.events.subscriptions()).toHaveLength(2);
    // Its own place is not taken twice.
    expect(await server.subscribe('counted', { arguments: { n: 0 } })).toHaveProperty('deliveryStatus');
  });

  it.each([
    ['events/poll', 'subscriptionsPerPrincipal', 'alice'],
    ['events/stream', 'subscriptionsPerPrincipal', 'alice'],
    ['events/poll', 'subscriptions', 'bob'],
    ['events/stream', 'subscriptions', undefined],
  ])('SUB-17 ERR-04 nor is its place taken by another mode: %s, %s', async (method, limit, as) => {
    const deployment = new Deployment();
    await deployment.leaveSubscriptions(2);
    const server = deployment.start({}, { limits: { [limit]: 3 } });
    await settle();
    server.events.define('other', { ...counted, input: { type: 'object' } });
    const answers: (string | undefined)[] = [];
    for (const n of [1, 2]) {
      const response = await server.fetch(method, { name: 'other', arguments: { n } }, { as });
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
      answers.push(isStream ? undefined : ((await response.json()) as Message).error?.data?.limit);
    }
    expect(answers).toEqual([undefined, limit]);
    server.events.define('counted', deployment.definition);
    await settle();
    expect(server.events.subscriptions({ name: 'counted' })).toHaveLength(2);
  });

  it('SUB-17 OP-13 finds its subscription in whatever moment of the restart it comes', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscriptions(65);
    // The last ones come back after the others had a turn in between.
    const last = deployment.store.records.slice(-3).map((record) => record.arguments);
    for (let turns = 0; turns < 9; turns++) {
      const server = deployment.start();
      server.events.define('counted', deployment.definition);
      await settle(turns);
      const answers = last.map(async (args) => server.trySubscribe('counted', { arguments: args, ttlMs: null }));
      for (const { result } of await Promise.all(answers)) {
        expect(result, `after ${turns} turns`).toHaveProperty('deliveryStatus');
      }
      await server.close();
    }
  });

  it.each([null, 'c0.before'])(
    'SUB-17 OP-13 gets what it missed where its subscription could not come back at first, and it does not say where it is (gap after %s)',
    async (gapAfter) => {
      const deployment = new Deployment();
      const record = await deployment.leaveSubscription();
      deployment.store.put(record.id, { ...record, gapAfter });
      deployment.upstream.add(1);
      const { server, recover } = await startDown(deployment);
      expect(server.events.subscriptions()).toEqual([]);
      recover();
      const answer = await server.subscribe('counted', { ttlMs: null, maxAgeMs: 0 });
      expect(answer).toMatchObject({ cursor: 'c0.0', truncated: gapAfter !== null });
      await settle();
      expect(postedNumbers(server)).toEqual([1]);
      // Nor is what it missed too old: the age is for those who say where they are.
      expect(deployment.upstream.calls.map(({ context }) => context.notBefore)).not.toContainEqual(expect.anything());
    },
  );

  it('SUB-17 TTL-07 begins from now where its subscription has lapsed before it could come back', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ ttlMs: 60_000 });
    deployment.upstream.add(1);
    const { server, recover } = await startDown(deployment);
    deployment.clock.jump(120_000);
    recover();
    const answer = await server.subscribe('counted', { ttlMs: null });
    expect(answer).toMatchObject({ cursor: 'c0.1', truncated: false });
    await settle();
    expect(postedNumbers(server)).toEqual([]);
  });

  it('SUB-17 OP-13 goes on where it says that it is, and is not told of a gap before that', async () => {
    const deployment = new Deployment();
    const record = await deployment.leaveSubscription();
    deployment.store.put(record.id, { ...record, gapAfter: 'c0.before' });
    deployment.upstream.add(1, 2);
    const { server, recover } = await startDown(deployment);
    recover();
    const answer = await server.subscribe('counted', { ttlMs: null, cursor: 'c0.1' });
    expect(answer).toMatchObject({ cursor: 'c0.1', truncated: false });
    await settle();
    expect(postedNumbers(server)).toEqual([2]);
  });

  it('UNSUB-04 a refresh that an unsubscribe overtakes does not bring the subscription back', async () => {
    const store = new TestSubscriptionStore();
    const server = webhookServer({ store });
    server.events.define('counted', counted);
    await server.subscribe('counted');
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    const refreshed = server.trySubscribe('counted');
    await settle();
    const ended = server.unsubscribe('counted');
    await settle();
    stored();
    expect((await ended).error).toBeUndefined();
    expect((await refreshed).error).toMatchObject({ code: -32_603, message: 'The subscription has ended meanwhile' });
    expect(server.events.subscriptions()).toEqual([]);
    expect(store.records).toEqual([]);
    // Whoever asks after that has a subscription of its own.
    expect((await server.subscribe('counted')).deliveryStatus).toBeUndefined();
  });

  it('UNSUB-04 what was asked for before an unsubscribe makes nothing after it, however long its author thinks', async () => {
    const decisions: (() => void)[] = [];
    const server = webhookServer();
    server.events.define('counted', {
      ...counted,
      authorize: () => new Promise<boolean>((resolve) => decisions.push(() => resolve(true))),
    });
    const early = [server.trySubscribe('counted'), server.trySubscribe('counted')];
    await settle();
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32_023);
    const late = server.trySubscribe('counted');
    await settle();
    for (let answered = 0; answered < 5; answered++) {
      for (const decide of decisions.splice(0).toReversed()) decide();
      await settle();
    }
    for (const { error } of await Promise.all(early)) expect(error?.code).toBe(-32_603);
    expect((await late).result?.id).toMatch(/^sub_/);
    expect(server.events.subscriptions()).toHaveLength(1);
  });
});

describe('an endpoint whose consent does not hold any more', () => {
  it.each<[string, string | null | undefined]>([
    ['it does not say where it is', undefined],
    ['it comes with a cursor', 'own'],
  ])(
    'VERIFY-18 OP-13 is asked, and then gets what was outstanding when its client refreshes and %s',
    async (_what, cursor) => {
      let isAllowed = true;
      const server = secureServer({ allowedOrigins: () => isAllowed, receiverDocuments: false });
      const handle = server.events.define('counted', counted);
      const { cursor: start } = await server.subscribe('counted', { url: STRANGER });
      server.recorder.answer = () => 503;
      for (const n of [1, 2]) await handle.emit({ n });
      await until(() => server.recorder.events.length === 2);
      isAllowed = false;
      server.recorder.answer = (request) => (request.body?.type === 'verification' ? echo(request) : undefined);
      const calls = [1, 2, 3].map(() =>
        server.subscribe('counted', { url: STRANGER, cursor: cursor === 'own' ? start : undefined }),
      );
      expect((await Promise.all(calls))[0]).toMatchObject({ cursor: start, truncated: false });
      await until(() => server.recorder.events.length === 4);
      expect(postedNumbers(server).slice(2)).toEqual([1, 2]);
      expect(server.recorder.challenges).toHaveLength(1);
    },
  );
});

describe('hooks over a restart', () => {
  /** A run that is killed: what it stored is there, and nothing of it goes on. */
  async function killed(deployment: Deployment, ttlMs: number | null): Promise<void> {
    const server = await deployment.run({}, { clock: new FakeClock(deployment.clock.now()) });
    await server.subscribe('counted', { ttlMs });
    const records = deployment.store.records;
    await server.events.close();
    for (const record of records) deployment.store.put(record.id, record);
    deployment.hooks.length = 0;
  }

  it('HOOK-09 HOOK-03 a lapse while the server is away gets its onUnsubscribe, once', async () => {
    const deployment = new Deployment();
    await killed(deployment, 60_000);
    deployment.clock.jump(120_000);
    await deployment.run();
    expect(deployment.hooks).toEqual(['unsubscribe alice']);
    expect(deployment.store.records).toEqual([]);
    await deployment.run();
    expect(deployment.hooks).toEqual(['unsubscribe alice']);
  });

  it.each([
    ['terminate', null],
    ['terminate', 3_600_000],
    ['unsubscribe', null],
    ['unsubscribe', 3_600_000],
  ])('HOOK-09 so does an end before the type is offered: %s, granted for %s ms', async (how, ttlMs) => {
    const deployment = new Deployment();
    await killed(deployment, ttlMs);
    const server = deployment.start();
    await settle();
    if (how === 'terminate') await server.events.terminate({}, forbidden());
    else expect((await server.unsubscribe('counted')).error).toBeUndefined();
    await settle();
    // A crash here brings nothing back.
    const again = deployment.start();
    again.events.define('counted', deployment.definition);
    await settle();
    expect(deployment.hooks).toEqual(['unsubscribe alice']);
    expect(again.events.subscriptions()).toEqual([]);
    expect(deployment.store.records).toEqual([]);
  });

  it.each<[string, (server: WebhookTestServer, answer: (allowed: boolean) => void) => Promise<unknown> | void]>([
    ['loses access', (_server, answer) => answer(false)],
    ['is unsubscribed', (server) => server.unsubscribe('counted')],
    ['is terminated', (server) => server.events.terminate({}, forbidden())],
    ['lapses', ({ clock }) => clock.advance(3_600_000)],
    ['meets the end of the server', ({ events }) => events.close()],
  ])('HOOK-09 HOOK-03 so does one that comes back and %s before its hook has run anew', async (_what, end) => {
    const deployment = new Deployment();
    await killed(deployment, 3_600_000);
    const server = deployment.start({}, { limits: { hookMs: Infinity } });
    let answer = (_allowed: boolean): void => {};
    const authorize = (): Promise<boolean> => new Promise((resolve) => (answer = resolve));
    server.events.define('counted', { ...deployment.definition, authorize });
    await settle();
    await end(server, (allowed) => answer(allowed));
    answer(true);
    await settle();
    expect(deployment.hooks).toEqual(['unsubscribe alice']);
    // Nor is it owed to a later run.
    deployment.clock.jump(7_200_000);
    await deployment.run();
    expect(deployment.hooks).toEqual(['unsubscribe alice']);
    expect(deployment.store.records).toEqual([]);
  });

  it('HOOK-09 one that was called at the close is not owed', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ ttlMs: 3_600_000 });
    expect(deployment.store.records[0]?.owesUnsubscribe).toBeUndefined();
    deployment.clock.jump(7_200_000);
    await deployment.run();
    expect(deployment.hooks).toEqual([]);
  });

  it('HOOK-09 one that nobody could be called for is not kept longer than a week', async () => {
    for (const [days, records] of [
      [7, 1],
      [8, 0],
    ] as const) {
      const deployment = new Deployment();
      await killed(deployment, 60_000);
      deployment.clock.jump(60_000 + days * 86_400_000);
      const server = deployment.start();
      await settle();
      await server.events.close();
      expect(deployment.store.records).toHaveLength(records);
    }
  });
});

describe('what an operator reads', () => {
  it('TTL-10 a close is no end for those that come back', async () => {
    const records: object[] = [];
    const write = (record: object): void => void records.push(record);
    const logger = { debug: write, info: write, warn: write, error: write };
    const deployment = new Deployment();
    const server = await deployment.run({}, { logger });
    for (const n of [1, 2]) await server.subscribe('counted', { ttlMs: null, arguments: { n } });
    await server.unsubscribe('counted', { arguments: { n: 1 } });
    await server.events.close();
    expect(records.filter((record) => 'event' in record && record.event === 'subscription.ended')).toHaveLength(1);
  });

  it('TTL-10 SIG-02 a secret that cannot be read names its subscription', async () => {
    const deployment = new Deployment();
    const record = await deployment.leaveSubscription();
    deployment.store.put(record.id, { ...record, secret: `${record.secret.slice(0, -6)}AAAAAA` });
    const server = await deployment.run();
    const [problem] = server.errors;
    expect(String(problem?.error)).toContain(`the subscription ${record.id} of "alice" cannot be signed for`);
  });
});

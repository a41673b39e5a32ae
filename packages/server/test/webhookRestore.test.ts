import { forbidden } from '@mcp-events/server';
import type { EventTypeDefinition } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Deployment } from './kit/deployment.ts';
import { FakeClock, settle, until } from './kit/fakeClock.ts';
import { secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { keptStorage } from './kit/storage.ts';
import { isSignedWith, postedNumbers, secretOf, signaturesOf } from './kit/webhookServer.ts';

const DAY_MS = 86_400_000;

describe('a restart', () => {
  it('TTL-10 OP-13 SUB-06 HOOK-01 keeps subscriptions without expiry: what happened meanwhile is delivered', async () => {
    const deployment = new Deployment();
    const { upstream, clock, hooks } = deployment;
    const first = await deployment.run();
    const { id } = await first.subscribe('counted', { ttlMs: null, arguments: { a: 1 } });
    upstream.add(1);
    await clock.advance(1_000);
    await first.events.close();
    expect(postedNumbers(first)).toEqual([1]);
    upstream.add(2);
    await clock.advance(30 * DAY_MS);

    const second = await deployment.run();
    expect(postedNumbers(second)).toEqual([2]);
    expect(second.recorder.events[0]?.headers['x-mcp-subscription-id']).toBe(id);
    upstream.add(3);
    await clock.advance(1_000);
    expect(postedNumbers(second)).toEqual([2, 3]);
    expect(hooks).toEqual(['subscribe alice', 'unsubscribe alice', 'subscribe alice']);
    const refreshed = await second.subscribe('counted', { ttlMs: null, arguments: { a: 1 } });
    expect(refreshed).toMatchObject({ id, refreshBefore: null, deliveryStatus: { active: true } });
    await second.unsubscribe('counted', { arguments: { a: 1 } });
    expect(deployment.store.records).toEqual([]);
    expect(second.errors).toEqual([]);
  });

  it('TTL-10 ORDER-03 after a crash nothing is missing: what the store did not know of yet is sent again', async () => {
    const deployment = new Deployment();
    const { upstream, store } = deployment;
    // Its clock does not move any more: this run never gets to write its position, or to do anything else.
    const crashed = await deployment.run({}, { clock: new FakeClock() });
    await crashed.subscribe('counted', { ttlMs: null });
    upstream.add(1);
    await crashed.clock.advance(2_500);
    upstream.add(2);
    crashed.recorder.answer = () => 'hang';
    await crashed.clock.advance(999);
    const before = store.records[0]?.cursor;
    const second = await deployment.run();
    expect(before).toBe('c0.1');
    expect(postedNumbers(second)).toEqual([2]);
  });

  it('TTL-11 keeps finite grants for the time that was granted, and not longer', async () => {
    const deployment = new Deployment();
    const { upstream, clock, store } = deployment;
    await deployment.leaveSubscription({ ttlMs: DAY_MS });
    await clock.advance(DAY_MS - 600_000);
    const server = await deployment.run();
    upstream.add(1);
    await clock.advance(1_000);
    expect(postedNumbers(server)).toEqual([1]);
    await clock.advance(600_000 - 1_001);
    expect(server.events.subscriptions()).toHaveLength(1);
    await clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
    expect(store.records).toEqual([]);
  });

  it('TTL-07 TTL-11 what lapsed meanwhile is forgotten, also where its event type is not offered any more', async () => {
    const deployment = new Deployment();
    const { upstream, clock, store, hooks } = deployment;
    await deployment.leaveSubscription({ ttlMs: DAY_MS });
    upstream.add(1);
    await clock.advance(DAY_MS);
    deployment.start();
    await settle();
    expect(store.records).toEqual([]);
    const server = await deployment.run();
    await clock.advance(10_000);
    expect(server.recorder.requests).toEqual([]);
    expect(hooks).toEqual([]);
  });

  it('TTL-07 TTL-11 what lapses before its event type is offered does not come back', async () => {
    const deployment = new Deployment();
    const { clock, store, hooks } = deployment;
    await deployment.leaveSubscription({ ttlMs: DAY_MS });
    const server = deployment.start();
    await clock.advance(DAY_MS);
    expect(store.records).toHaveLength(1);
    server.events.define('counted', deployment.definition);
    await settle();
    expect(store.records).toEqual([]);
    expect(server.events.subscriptions()).toEqual([]);
    expect(hooks).toEqual([]);
  });

  it('VERIFY-07 delivers without asking the endpoint again, and takes its consent for other arguments, too', async () => {
    const deployment = new Deployment();
    const { store, clock, upstream } = deployment;
    const options = { store, ttl: { noExpiry: true } };
    const first = secureServer(options, { clock });
    first.events.define('counted', deployment.definition);
    await first.subscribe('counted', { url: STRANGER, ttlMs: null });
    await first.events.close();
    upstream.add(1);
    const second = secureServer(options, { clock });
    second.events.define('counted', deployment.definition);
    await until(() => second.recorder.events.length === 1);
    await second.subscribe('counted', { url: STRANGER, arguments: { n: 1 } });
    expect(second.recorder.challenges).toEqual([]);
    await second.subscribe('counted', { url: STRANGER, as: 'bob' });
    expect(second.recorder.challenges).toHaveLength(1);
  });

  it('SIG-05 SUB-10 keeps the secret, and the one before it for the rest of its time', async () => {
    const deployment = new Deployment();
    const { upstream, clock, store } = deployment;
    const first = await deployment.run();
    await first.subscribe('counted', { ttlMs: null, secret: secretOf(1) });
    await first.subscribe('counted', { ttlMs: null, secret: secretOf(2) });
    await first.events.close();
    await clock.advance(200_000);
    const second = await deployment.run();
    for (const n of [1, 2]) {
      upstream.add(n);
      await clock.advance(1_000);
      await clock.advance(99_000);
    }
    const [during, after] = second.recorder.events;
    expect([1, 2].map((fill) => isSignedWith(during!, secretOf(fill)))).toEqual([true, true]);
    expect(signaturesOf(after!.headers)).toHaveLength(1);
    expect(isSignedWith(after!, secretOf(2))).toBe(true);
    // What is not valid any more is not kept.
    expect(store.records[0]?.replacedSecret).toBeUndefined();
  });

  it('SUB-13 DELIV-13 STATUS-04 leaves delivery suspended until the client comes back, and still knows since when', async () => {
    const deployment = new Deployment();
    const { upstream, clock } = deployment;
    const first = await deployment.run({ suspension: { minAttempts: 1 } });
    await first.subscribe('counted', { ttlMs: null });
    first.recorder.answer = () => 500;
    upstream.add(1);
    await clock.advance(1_000);
    const failedSince = new Date(clock.now()).toISOString();
    expect(first.events.subscriptions()[0]?.suspended).toBe(true);
    await first.events.close();
    await clock.advance(5_000);
    const second = await deployment.run({ suspension: { minAttempts: 1 } });
    expect(second.recorder.requests).toEqual([]);
    expect(second.events.subscriptions()[0]?.suspended).toBe(true);
    const { deliveryStatus } = await second.subscribe('counted', { ttlMs: null });
    expect(deliveryStatus).toMatchObject({ lastError: 'http_5xx', failedSince });
    expect(postedNumbers(second)).toEqual([1]);
  });

  it('SUB-13 TTL-11 stores the end of a suspension before it is answered', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const suspension = { minAttempts: 1 };
    const first = await deployment.run({ suspension }, { clock: new FakeClock(clock.now()) });
    await first.subscribe('counted', { ttlMs: null });
    first.recorder.answer = () => 500;
    upstream.add(1);
    await first.clock.advance(2_000);
    expect(store.records[0]?.suspended).toBe(true);
    first.recorder.answer = () => 'hang';
    expect((await first.subscribe('counted', { ttlMs: null })).deliveryStatus.active).toBe(false);
    // Killed here: nothing that is known after the answer is stored any more.
    const { records } = store;
    await first.events.close();
    for (const record of records) store.put(record.id, record);
    const second = await deployment.run({ suspension });
    await settle();
    expect(postedNumbers(second)).toEqual([1]);
    expect(second.events.subscriptions()[0]?.suspended).toBe(false);
  });

  it('DELIV-13 TTL-13 ends a suspended subscription without expiry when its endpoint has failed for too long, restarts included', async () => {
    const deployment = new Deployment();
    const { upstream, clock } = deployment;
    const options = { suspension: { minAttempts: 1 }, dropFailingAfterMs: 60_000 };
    const first = await deployment.run(options);
    await first.subscribe('counted', { ttlMs: null });
    first.recorder.answer = () => 500;
    upstream.add(1);
    await clock.advance(1_000);
    await first.events.close();
    clock.jump(30_000);
    const second = await deployment.run(options);
    await clock.advance(29_000);
    expect(second.events.subscriptions()).toHaveLength(1);
    await clock.advance(1_000);
    expect(second.events.subscriptions()).toEqual([]);
  });

  it('DELIV-11 SUB-14 sends what is outstanding again, and nothing that was acknowledged after it', async () => {
    const deployment = new Deployment();
    const { clock, store } = deployment;
    const storage = keptStorage(clock);
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', counted);
    await first.subscribe('emitted', { ttlMs: null });
    first.recorder.answer = ({ body }) => (body.data?.n === 2 ? 'hang' : 204);
    for (const n of [1, 2, 3, 4]) await handle.emit({ n });
    await clock.advance(2_000);
    await first.events.close();
    expect(postedNumbers(first)).toEqual([1, 2, 3, 4]);
    const [one, , three, four] = first.recorder.events.map(({ body }) => body._meta['mcp-events/order'].position);
    expect(store.records[0]).toMatchObject({ cursor: one, settled: [three, four] });
    const second = deployment.start({}, { storage });
    await second.events.define('emitted', counted).emit({ n: 5 });
    await settle();
    expect(postedNumbers(second)).toEqual([2, 5]);
    const [again, next] = second.recorder.events.map(({ body }) => body._meta['mcp-events/order']);
    // 5 comes after 4, which the endpoint has.
    expect([again.previous, next.previous]).toEqual([null, four]);
    await clock.advance(2_000);
    expect(store.records[0]).toMatchObject({ cursor: next.position, settled: [] });
  });

  it('TTL-10 keeps its position in a durable log', async () => {
    const deployment = new Deployment();
    const { clock } = deployment;
    const storage = keptStorage(clock);
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', counted);
    await first.subscribe('emitted', { ttlMs: null });
    await handle.emit({ n: 1 });
    await settle();
    await first.events.close();
    const second = deployment.start({}, { storage });
    await second.events.define('emitted', counted).emit({ n: 2 });
    await settle();
    expect(postedNumbers(second)).toEqual([2]);
    expect(second.recorder.envelopes('gap')).toEqual([]);
  });

  it('TTL-10 SUB-14 stores where subscriptions stand that nothing is delivered to, now and then and at the end', async () => {
    const deployment = new Deployment();
    const { clock, store } = deployment;
    const storage = keptStorage(clock);
    const server = deployment.start({}, { storage });
    const handle = server.events.define('emitted', { ...counted, match: () => false });
    const { cursor: start } = await server.subscribe('emitted', { ttlMs: null });
    const emit = async (count: number): Promise<string | null> => {
      for (let n = 1; n < count; n++) await handle.emit({ n });
      return (await handle.emit({ n: count })).cursor;
    };
    await emit(1_000);
    await clock.advance(2_000);
    expect(store.records[0]?.cursor).toBe(start);
    const often = await emit(24);
    await clock.advance(2_000);
    expect(store.records[0]?.cursor).toBe(often);
    // No more often than once a minute, however busy the source is.
    await emit(1_024);
    await clock.advance(2_000);
    expect(store.records[0]?.cursor).toBe(often);
    const last = await emit(5);
    await server.events.close();
    expect(store.records[0]?.cursor).toBe(last);
  });

  it('ENV-03 OP-13 tells a gap where the log is lost', async () => {
    const deployment = new Deployment();
    const first = deployment.start();
    first.events.define('emitted', counted);
    await first.subscribe('emitted', { ttlMs: null });
    await first.events.close();
    const second = deployment.start();
    const handle = second.events.define('emitted', counted);
    await settle();
    const [gap] = second.recorder.envelopes('gap');
    const { cursor } = await second.poll('emitted', null);
    expect(gap?.body).toMatchObject({ type: 'gap', cursor });
    await handle.emit({ n: 1 });
    await settle();
    expect(postedNumbers(second)).toEqual([1]);
  });

  it('DELIV-11 OP-13 promises no position behind a gap that is to be told after a restart', async () => {
    const deployment = new Deployment();
    const { clock } = deployment;
    const storage = keptStorage(clock);
    const definition = { ...counted, retention: { maxCount: 2 } };
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', definition);
    const { cursor: start } = await first.subscribe('emitted', { ttlMs: null });
    first.recorder.answer = () => 'hang';
    for (let n = 1; n <= 5; n++) await handle.emit({ n });
    await first.events.close();

    const second = deployment.start({}, { storage });
    second.recorder.answer = ({ body }) => (body.type === 'gap' ? 500 : undefined);
    second.events.define('emitted', definition);
    await settle();
    expect(second.recorder.envelopes('gap')).toHaveLength(1);
    expect((await second.subscribe('emitted', { ttlMs: null })).cursor).toBe(start);
    expect(second.recorder.events.map(({ body }) => body.cursor)).toEqual([start, start]);
  });

  it('OP-13 SUB-13 tells what was lost while it was suspended and the server away', async () => {
    const deployment = new Deployment();
    const { clock } = deployment;
    const storage = keptStorage(clock);
    const definition = { ...counted, retention: { maxCount: 2 } };
    const options = { suspension: { minAttempts: 1 } };
    const first = deployment.start(options, { storage });
    const handle = first.events.define('emitted', definition);
    await first.subscribe('emitted', { ttlMs: null });
    first.recorder.answer = () => 500;
    for (let n = 1; n <= 5; n++) await handle.emit({ n });
    await clock.advance(2_000);
    await first.events.close();

    const second = deployment.start(options, { storage });
    second.events.define('emitted', definition);
    await settle();
    expect(second.recorder.deliveries).toEqual([]);
    await second.subscribe('emitted', { ttlMs: null });
    await settle();
    expect(second.recorder.envelopes('gap')).toHaveLength(1);
    expect(postedNumbers(second)).toEqual([4, 5]);
  });

  it('OP-13 DELIV-13 a suspended subscription keeps its position and its gap while it comes back', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const options = { suspension: { minAttempts: 1 } };
    const first = await deployment.run(options);
    first.recorder.answer = () => 500;
    const { cursor } = await first.subscribe('counted', { ttlMs: null });
    upstream.add(1);
    await clock.advance(2_000);
    await first.events.close();
    const [record] = store.records;
    expect(record).toMatchObject({ cursor, suspended: true });
    store.put(record!.id, { ...record, gapAfter: 'c0.before' });

    // Its source does not answer, so it is not back when it is stored.
    const second = deployment.start(options);
    second.events.define('counted', { ...deployment.definition, check: () => new Promise<never>(() => {}) });
    await clock.advance(2_000);
    expect(store.calls.at(-1)).toBe(`save ${record!.id}`);
    expect(store.records[0]).toMatchObject({ cursor, suspended: true, gapAfter: 'c0.before' });
  });

  it('ENV-03 OP-13 tells a gap that was on its way once more, at its place', async () => {
    const deployment = new Deployment();
    const storage = keptStorage(deployment.clock);
    const first = deployment.start({}, { storage });
    const handle = first.events.define('emitted', counted);
    await first.subscribe('emitted', { ttlMs: null });
    first.recorder.answer = () => 'hang';
    await handle.emit({ n: 1 });
    await handle.reportLoss();
    await deployment.clock.advance(2_000);
    await first.events.close();
    const second = deployment.start({}, { storage });
    const again = second.events.define('emitted', counted);
    await settle();
    await again.emit({ n: 2 });
    await settle();
    expect(first.recorder.envelopes('gap')).toHaveLength(1);
    expect(second.recorder.deliveries.map(({ body }) => body.type ?? body.data)).toEqual([{ n: 1 }, 'gap', { n: 2 }]);
    await second.events.close();
    const third = deployment.start({}, { storage });
    third.events.define('emitted', counted);
    await settle();
    expect(third.recorder.deliveries).toEqual([]);
  });

  it('TTL-10 brings a type without replay back, from now on', async () => {
    const deployment = new Deployment();
    const first = deployment.start();
    first.events.define('live', { ...counted, replay: false });
    expect(await first.subscribe('live', { ttlMs: null })).toMatchObject({ cursor: null });
    await first.events.close();
    const second = deployment.start();
    const handle = second.events.define('live', { ...counted, replay: false });
    await settle();
    await handle.emit({ n: 1 });
    await settle();
    expect(second.recorder.deliveries.map(({ body }) => body.data)).toEqual([{ n: 1 }]);
  });

  it('TTL-10 brings each type back when it is offered, and once', async () => {
    const deployment = new Deployment();
    const { upstream } = deployment;
    await deployment.leaveSubscription();
    upstream.add(1);
    const server = deployment.start();
    await settle();
    expect((await server.trySubscribe('counted')).error?.code).toBe(-32023);
    // In the same turn: the request waits until the subscription is back, and refreshes it.
    const handle = server.events.define('counted', deployment.definition);
    expect(await server.subscribe('counted', { cursor: null })).toHaveProperty('deliveryStatus');
    expect(postedNumbers(server)).toEqual([1]);
    handle.remove();
    server.events.define('counted', deployment.definition);
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('AUTH-01 has no credentials of the client: author functions decide by its principal', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ as: 'bob', arguments: { level: 'x' } });
    const server = deployment.start();
    const asked: unknown[] = [];
    server.events.define('counted', {
      ...deployment.definition,
      authorize: ({ authInfo, principal, mode }, args) => asked.push([authInfo, principal, mode, args]) > 0,
    });
    await settle();
    expect(asked).toEqual([[undefined, 'bob', 'webhook', { level: 'x' }]]);
    expect(JSON.stringify(deployment.store.records)).not.toContain('token-of');
  });

  it('TERM-04 LIST-07 keeps subscriptions whose arguments the schema of today would refuse, and fills in its defaults', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ arguments: { a: 1 } });
    const seen: unknown[] = [];
    const server = deployment.start();
    server.events.define('counted', {
      ...deployment.definition,
      input: { type: 'object', required: ['b'] },
      onSubscribe: (_context, args) => void seen.push(args),
    });
    await settle();
    expect(seen).toEqual([{ a: 1 }]);
    expect(server.events.subscriptions()).toHaveLength(1);
  });

  it('TTL-17 an input schema that does not answer holds nobody up, and is asked again', async () => {
    const deployment = new Deployment();
    const { clock } = deployment;
    await deployment.leaveSubscriptions(33);
    const server = deployment.start();
    const answered = new Set<unknown>([32]);
    server.events.define('counted', {
      ...deployment.definition,
      input: z.object({ n: z.number().refine((n) => answered.has(n) || new Promise<boolean>(() => {})) }),
    });
    await settle();
    await clock.advance(9_999);
    expect(server.events.subscriptions()).toEqual([]);
    await clock.advance(1);
    expect(server.events.subscriptions()).toMatchObject([{ arguments: { n: 32 } }]);
    for (let n = 0; n < 32; n++) answered.add(n);
    await clock.advance(2_000);
    expect(server.events.subscriptions()).toHaveLength(33);
    expect(server.errors.map(({ stage }) => stage)).toEqual(Array.from({ length: 32 }, () => 'restore'));
  });

  it('TTL-17 author code in an input schema that fails postpones a subscription, which has its own arguments then', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription({ arguments: { day: '2026-01-01' } });
    let isDown = true;
    const seen: unknown[] = [];
    const server = deployment.start();
    const toDay = (text: string): { year: number } => {
      if (isDown) throw new Error('not now');
      return { year: Number(text.slice(0, 4)) };
    };
    server.events.define('counted', {
      ...deployment.definition,
      input: z.object({ day: z.string().transform(toDay) }),
      onSubscribe: (_context, args) => void seen.push(args),
    });
    await settle();
    expect(seen).toEqual([]);
    isDown = false;
    await deployment.clock.advance(1_000);
    expect(seen).toEqual([{ day: { year: 2026 } }]);
    expect(server.errors).toHaveLength(1);
  });
});

describe('a subscription that cannot come back', () => {
  const gone: [string, number, Partial<EventTypeDefinition>][] = [
    ['has lost access', -32024, { authorize: () => false }],
    [
      'is refused by its author',
      -32024,
      {
        onSubscribe: () => {
          throw forbidden('no_camera');
        },
      },
    ],
    ['is not offered by webhook any more', -32026, { delivery: ['poll'] }],
  ];

  it.each(gone)('ENV-05 AUTH-02 TERM-01 because it %s is told so, and forgotten', async (_what, code, changed) => {
    const deployment = new Deployment();
    const { store, upstream, hooks, clock } = deployment;
    await deployment.leaveSubscription();
    upstream.add(1);
    const server = deployment.start();
    server.events.define('counted', { ...deployment.definition, ...changed });
    await settle();
    expect(server.recorder.deliveries.map(({ body }) => body)).toEqual([
      { type: 'terminated', error: expect.objectContaining({ code }) },
    ]);
    await clock.advance(10_000);
    expect(server.recorder.deliveries).toHaveLength(1);
    expect(store.records).toEqual([]);
    expect(hooks).toEqual([]);
  });

  it('TTL-10 AUTH-02 a failure to ask is no answer', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription();
    deployment.upstream.add(1);
    const server = deployment.start();
    server.events.define('counted', {
      ...deployment.definition,
      authorize: () => {
        throw new Error('the directory is down');
      },
    });
    await settle();
    expect(postedNumbers(server)).toEqual([1]);
  });

  it('TTL-10 TTL-11 because its hook or its source fails is tried again, and stays stored', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock, hooks } = deployment;
    await deployment.leaveSubscription();
    await deployment.leaveSubscription({ as: 'bob' });
    upstream.add(1);
    const server = deployment.start();
    let failures = 3;
    server.events.define('counted', {
      ...deployment.definition,
      onSubscribe: (context) => {
        if (context.principal === 'alice' && failures-- > 0) throw new Error('not reachable');
        hooks.push(`subscribe ${context.principal}`);
      },
    });
    await settle();
    expect(server.events.subscriptions().map(({ principal }) => principal)).toEqual(['bob']);
    expect(store.records).toHaveLength(2);
    await clock.advance(1_000);
    await clock.advance(2_000);
    expect(server.events.subscriptions()).toHaveLength(1);
    await clock.advance(4_000);
    expect(server.events.subscriptions()).toHaveLength(2);
    expect(postedNumbers(server)).toEqual([1, 1]);
    expect(hooks).toEqual(['subscribe bob', 'subscribe alice']);
    expect(server.recorder.envelopes('terminated')).toEqual([]);
  });

  it('TTL-10 because its source cannot say where it stands is reported with what the source failed of', async () => {
    const deployment = new Deployment();
    const record = await deployment.leaveSubscription();
    deployment.store.put(record.id, { ...record, cursor: null });
    const server = deployment.start();
    const cause = new Error('the upstream is away');
    server.events.define('counted', {
      ...deployment.definition,
      check: () => {
        throw cause;
      },
    });
    await settle();
    expect(server.errors).toEqual([
      { stage: 'check', error: cause },
      { stage: 'restore', error: expect.objectContaining({ errorName: 'InternalError', cause }) },
    ]);
  });

  it('SUB-12 UNSUB-01 may be subscribed anew or ended meanwhile, and does not come back then', async () => {
    for (const end of ['subscribe', 'unsubscribe', 'both']) {
      const deployment = new Deployment();
      const { store, clock } = deployment;
      await deployment.leaveSubscription();
      let failing = true;
      const server = deployment.start();
      server.events.define('counted', {
        ...deployment.definition,
        onSubscribe: () => {
          if (failing) throw new Error('not reachable');
        },
      });
      await settle();
      failing = false;
      if (end !== 'unsubscribe') expect(await server.subscribe('counted')).not.toHaveProperty('deliveryStatus');
      if (end !== 'subscribe') expect((await server.unsubscribe('counted')).error).toBeUndefined();
      await clock.advance(60_000);
      expect(server.events.subscriptions()).toHaveLength(end === 'subscribe' ? 1 : 0);
      expect(store.records).toHaveLength(end === 'subscribe' ? 1 : 0);
    }
  });

  it('SUB-05 SUB-12 is one subscription with that of a client who comes back at the same time', async () => {
    for (const first of ['client', 'server']) {
      const deployment = new Deployment();
      const { upstream, clock } = deployment;
      await deployment.leaveSubscription();
      upstream.add(1);
      const pending: Record<string, () => void> = {};
      const wait = (what: string): Promise<void> => new Promise((resolve) => (pending[what] = resolve));
      let failed = false;
      const server = deployment.start();
      server.events.define('counted', {
        ...deployment.definition,
        input: z.looseObject({}).refine(async () => {
          // The second time that the server tries; its client was here before.
          if (pending['permission'] !== undefined && first === 'client') await wait('arguments');
          return true;
        }),
        authorize: async ({ authInfo }) => {
          if (authInfo !== undefined) await wait('permission');
          return true;
        },
        onSubscribe: () => {
          if (!failed) {
            failed = true;
            throw new Error('the upstream is down');
          }
          return first === 'server' ? wait('hook') : undefined;
        },
      });
      await settle();
      // Both are under way: neither knew of the other when it began.
      const answer = server.trySubscribe('counted', { cursor: 'c0.0' });
      await settle();
      await clock.advance(1_000);
      pending['permission']?.();
      await settle();
      pending['arguments']?.();
      pending['hook']?.();
      const { result } = await answer;
      expect(result).toMatchObject({ cursor: expect.stringMatching(/^c0\./), truncated: false });
      expect('deliveryStatus' in result).toBe(first === 'server');
      await clock.advance(10_000);
      expect(server.events.subscriptions()).toHaveLength(1);
      expect(postedNumbers(server)).toEqual([1]);
    }
  });

  it('ERR-04 TTL-10 because there is no room is reported, and comes back when there is some', async () => {
    const deployment = new Deployment();
    for (const n of [1, 2]) await deployment.leaveSubscription({ arguments: { n } });
    const server = await deployment.run({}, { limits: { subscriptionsPerPrincipal: 1 } });
    expect(server.errors.map(({ stage }) => stage)).toEqual(['restore']);
    const [live] = server.events.subscriptions();
    await server.unsubscribe('counted', { arguments: live!.arguments });
    await deployment.clock.advance(1_000);
    expect(server.events.subscriptions()).toHaveLength(1);
    expect(deployment.store.records).toHaveLength(1);
  });

  it('SSRF-06 because its URL is not allowed any more is not delivered to', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription();
    deployment.upstream.add(1);
    const server = await deployment.run({ allowedOrigins: [] });
    await deployment.clock.advance(60_000);
    expect(server.recorder.dialled).toEqual([]);
    expect(server.events.subscriptions()).toEqual([]);
    expect(deployment.store.records).toHaveLength(1);
  });

  it('SUB-12 TTL-11 because it lapsed while it waited leaves alone the new subscription that has its place', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    await deployment.leaveSubscriptions(32);
    const old = await deployment.leaveSubscription({ arguments: { n: 'x' }, ttlMs: 3_600_000 });
    store.put(old.id, { ...old, refreshBeforeMs: clock.now() + 3_000 });
    const server = deployment.start();
    let fails = true;
    let goOn = (): void => {};
    let allow = (): void => {};
    const hook = new Promise<void>((resolve) => (goOn = resolve));
    const allowed = new Promise<boolean>((resolve) => (allow = () => resolve(true)));
    server.events.define('counted', {
      ...deployment.definition,
      authorize: ({ authInfo }) => (authInfo === undefined ? true : allowed),
      onSubscribe: ({ authInfo }) => {
        if (fails) throw new Error('not now');
        return authInfo === undefined ? hook : undefined;
      },
    });
    await settle();
    fails = false;
    const answer = server.trySubscribe('counted', { arguments: { n: 'x' }, ttlMs: 3_600_000 });
    await settle();
    // All that come back at the same time hang in their hooks now.
    await clock.advance(1_000);
    allow();
    expect((await answer).result).toMatchObject({ id: old.id });
    await clock.advance(3_000);
    goOn();
    await settle();
    expect(server.events.subscriptions().some(({ id }) => id === old.id)).toBe(true);
    expect(store.records.some(({ id }) => id === old.id)).toBe(true);
  });

  it('SUB-06 because the name of the server changed is reported: its client could not reach it', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription();
    const server = await deployment.run({}, { namespace: 'renamed' });
    expect(server.events.subscriptions()).toEqual([]);
    expect(String(server.errors[0]?.error)).toContain('namespace');
  });
});

describe('a restart that is interrupted', () => {
  it('HOOK-03 TTL-10 by a close begins nothing any more, and forgets nothing', async () => {
    const deployment = new Deployment();
    const { store, hooks } = deployment;
    await deployment.leaveSubscriptions(40);
    const server = deployment.start();
    const begun: (() => void)[] = [];
    server.events.define('counted', {
      ...deployment.definition,
      onSubscribe: () => {
        hooks.push('subscribe');
        return new Promise<void>((resolve) => begun.push(resolve));
      },
    });
    await settle();
    await server.events.close();
    for (const resolve of begun) resolve();
    await settle();
    expect(hooks.filter((hook) => hook === 'subscribe')).toHaveLength(32);
    expect(hooks.filter((hook) => hook !== 'subscribe')).toHaveLength(32);
    expect(store.records).toHaveLength(40);
    expect(server.clock.pendingTimers).toBe(0);
    const last = await deployment.run();
    expect(last.events.subscriptions()).toHaveLength(40);
  });

  it('TTL-10 by a close while arguments are read brings nothing back', async () => {
    const deployment = new Deployment();
    await deployment.leaveSubscription();
    let read = (): void => {};
    const input = z.looseObject({}).refine(() => new Promise((resolve) => (read = () => resolve(true))));
    const server = deployment.start();
    server.events.define('counted', { ...deployment.definition, input });
    await settle();
    await server.events.close();
    read();
    await settle();
    expect(deployment.hooks).toEqual([]);
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(0);
    expect(deployment.store.records).toHaveLength(1);
  });

  it('TERM-02 by the removal of the type ends what is back, and what was still to come', async () => {
    const deployment = new Deployment();
    const { store } = deployment;
    await deployment.leaveSubscriptions(40);
    const server = deployment.start();
    const handle = server.events.define('counted', {
      ...deployment.definition,
      onSubscribe: () => new Promise<void>(() => {}),
    });
    await settle();
    handle.remove();
    await settle();
    expect(server.recorder.envelopes('terminated')).toHaveLength(40);
    expect(store.records).toEqual([]);
    server.events.define('counted', deployment.definition);
    await deployment.clock.advance(10_000);
    expect(server.events.subscriptions()).toEqual([]);
  });
});

it('EMIT-21 until the gap after a restored backup is taken, the answer to a refresh tells it as well', async () => {
  const deployment = new Deployment();
  const storage = keptStorage(deployment.clock);
  const original = deployment.start({}, { storage });
  const emitted = original.events.define('counted', counted);
  const { cursor } = await original.subscribe('counted', { ttlMs: null });
  await emitted.emit({ n: 1 });
  await settle();
  await original.events.close();
  // Of a copy that was made then, while the original went on and its client began anew further back.
  const { openLog } = storage;
  storage.openLog = (name, retention) => {
    const log = openLog(name, retention);
    const { epoch, head } = log;
    return new Proxy(log, {
      get: (target, member) => {
        if (member === 'epoch') return 'restored';
        if (member === 'ancestors') return [{ epoch, head }];
        const value: unknown = Reflect.get(target, member, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  };
  const restored = deployment.start({}, { storage });
  restored.recorder.network = 'refusing';
  restored.events.define('counted', counted);
  await settle(20);
  const refreshed = await restored.subscribe('counted', { ttlMs: null, cursor });
  expect(refreshed).toMatchObject({ truncated: true, deliveryStatus: {} });
  expect(refreshed.cursor).not.toBe(cursor);
});

it('TTL-10 a callback that is shared by many comes back for all of them', async () => {
  const deployment = new Deployment();
  const { upstream, clock } = deployment;
  const first = await deployment.run();
  for (let n = 0; n < 100; n++) await first.subscribe('counted', { ttlMs: null, arguments: { n } });
  await first.events.close();
  upstream.add(1);
  const second = await deployment.run();
  await clock.advance(0);
  expect(new Set(second.recorder.events.map(({ headers }) => headers['x-mcp-subscription-id'])).size).toBe(100);
  expect(second.events.subscriptions()).toHaveLength(100);
});

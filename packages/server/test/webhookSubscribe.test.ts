import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';
import { isSignedWith, postedNumbers, secretOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';

/** A turn that ends when it is told to. */
class HeldClock extends FakeClock {
  #held: (() => void)[] | undefined = [];

  override setImmediate(callback: () => void): void {
    if (this.#held === undefined) super.setImmediate(callback);
    else this.#held.push(callback);
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const callback of held) callback();
  }
}

describe('events/subscribe', () => {
  it('SUB-09 TTL-01 DELIV-01 DELIV-02 SIG-03 OP-31 answers with a grant and posts signed events', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const result = await server.subscribe('counted');
    expect(result).toEqual({
      resultType: 'complete',
      id: expect.stringMatching(/^sub_[\w-]{32}$/),
      refreshBefore: '2026-01-01T01:00:00.000Z',
      cursor: expect.any(String),
      truncated: false,
    });
    const { cursor, eventId } = await handle.emit({ n: 1 });
    await settle();
    const [delivery, ...others] = server.recorder.requests;
    expect(others).toEqual([]);
    expect(delivery).toMatchObject({
      method: 'POST',
      path: '/a',
      headers: {
        'content-type': 'application/json',
        'x-mcp-subscription-id': result.id,
        'webhook-timestamp': '1767225600',
      },
      body: { eventId, name: 'counted', timestamp: '2026-01-01T00:00:00.000Z', data: { n: 1 }, cursor },
    });
    expect(isSignedWith(delivery!, secretOf())).toBe(true);
    expect(server.errors).toEqual([]);
  });

  it('SUB-01 AUTH-04 SUB-06 is Forbidden for anonymous callers, whatever else is wrong, and stores nothing', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    for (const options of [{}, { url: 'not a url' }, { secret: 'none' }, { mode: 'push' }]) {
      for (const method of ['trySubscribe', 'unsubscribe'] as const) {
        expect((await server[method]('counted', { as: undefined, ...options })).error?.code).toBe(-32024);
      }
    }
    expect((await server.trySubscribe('nothing', { as: undefined })).error?.code).toBe(-32024);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('SUB-02 OP-05 each part of the key makes another subscription, and the URL counts letter by letter', async () => {
    const server = webhookServer();
    for (const name of ['counted', 'other']) server.events.define(name, counted);
    const ids = [
      await server.subscribe('counted'),
      await server.subscribe('other'),
      await server.subscribe('counted', { as: 'bob' }),
      await server.subscribe('counted', { arguments: { n: 1 } }),
      await server.subscribe('counted', { arguments: { n: null } }),
      ...(await Promise.all(
        ['/b', '/A', '/a/', '/a?', '/%61', ':80/a'].map((path) => server.subscribe('counted', { url: TRUSTED + path })),
      )),
    ].map(({ id }) => id);
    expect(new Set(ids).size).toBe(11);
    expect(server.events.subscriptions()).toHaveLength(11);
  });

  it('SUB-03 SUB-04 OP-04 compares arguments as canonical JSON, and none as an empty object', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const { id } = await server.subscribe('counted', { arguments: { a: 1, b: { c: 2, d: 3 } } });
    expect((await server.subscribe('counted', { arguments: { b: { d: 3, c: 2 }, a: 1.0 } })).id).toBe(id);
    const none = await server.subscribe('counted');
    expect((await server.subscribe('counted', { arguments: {} })).id).toBe(none.id);
    expect(server.events.subscriptions().map((subscription) => subscription.id)).toEqual([id, none.id]);
  });

  it('SUB-05 HOOK-03 SUB-11 a known key is refreshed in place: no second delivery, no hook, nothing sent again', async () => {
    const server = webhookServer();
    const hooks: string[] = [];
    const handle = server.events.define('counted', {
      ...counted,
      onSubscribe: () => void hooks.push('subscribe'),
      onUnsubscribe: () => void hooks.push('unsubscribe'),
    });
    const { id, cursor } = await server.subscribe('counted');
    await handle.emit({ n: 1 });
    await settle();
    for (const old of [cursor, null, 'rubbish']) {
      const refreshed = await server.subscribe('counted', { cursor: old });
      expect(refreshed).toMatchObject({ id, truncated: false, deliveryStatus: { active: true } });
    }
    await handle.emit({ n: 2 });
    await settle();
    expect(postedNumbers(server)).toEqual([1, 2]);
    expect(hooks).toEqual(['subscribe']);
  });

  it('SUB-11 OP-12 a refresh with a cursor ahead of the position changes nothing', async () => {
    const server = webhookServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    await server.subscribe('counted');
    await server.subscribe('counted', { cursor: 'c0.5' });
    upstream.add(1, 2);
    await server.clock.advance(1_000);
    expect(postedNumbers(server)).toEqual([1, 2]);
  });

  it('SUB-06 SUB-08 derives the id from the key and the name of the server, so that it outlives the process', async () => {
    const ids: string[] = [];
    for (const namespace of ['one', 'one', 'two']) {
      const server = webhookServer({}, { namespace });
      server.events.define('counted', counted);
      ids.push((await server.subscribe('counted', { arguments: { n: 1 } })).id);
    }
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(ids[2]).toMatch(/^[\x21-\x7e]{22,}$/);
  });

  it('SUB-06 takes no id from a client', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const { id } = await server.subscribe('counted');
    const params = { name: 'counted', delivery: { url: `${TRUSTED}/b`, secret: secretOf() } };
    const other = await server.result('events/subscribe', { ...params, id }, { as: 'alice' });
    expect(other.id).not.toBe(id);
    for (const only of [{ id }, { id, name: 'counted' }]) {
      expect((await server.call('events/unsubscribe', only, { as: 'alice' })).error?.code).toBe(-32602);
    }
    expect(server.events.subscriptions()).toHaveLength(2);
  });

  it('SUB-07 principals with equal parameters have ids, secrets and lifetimes of their own', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const alice = await server.subscribe('counted', { secret: secretOf(1), ttlMs: 60_000 });
    const bob = await server.subscribe('counted', { secret: secretOf(2), ttlMs: 3_600_000, as: 'bob' });
    await handle.emit({ n: 1 });
    await settle();
    for (const delivery of server.recorder.events) {
      const isAlice = delivery.headers['x-mcp-subscription-id'] === alice.id;
      expect(isSignedWith(delivery, secretOf(isAlice ? 1 : 2))).toBe(true);
      expect(isSignedWith(delivery, secretOf(isAlice ? 2 : 1))).toBe(false);
    }
    await server.unsubscribe('counted');
    await handle.emit({ n: 2 });
    await server.clock.advance(60_000);
    const ids = server.recorder.events.map(({ headers }) => headers['x-mcp-subscription-id']);
    expect(ids).toEqual([alice.id, bob.id, bob.id]);
  });

  it('SUB-12 TTL-07 a lapsed subscription begins anew at the cursor of the client', async () => {
    const server = webhookServer();
    const upstream = new Upstream();
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    const { id, cursor } = await server.subscribe('counted', { ttlMs: 60_000 });
    await server.clock.advance(60_000);
    upstream.add(1, 2, 3);
    await server.clock.advance(60_000);
    expect(server.recorder.events).toEqual([]);
    const again = await server.subscribe('counted', { cursor });
    expect(again).toMatchObject({ id, truncated: false });
    expect(again).not.toHaveProperty('deliveryStatus');
    expect(postedNumbers(server)).toEqual([1, 2, 3]);
  });

  it('SUB-14 the cursor of a refresh never passes an event that is not acknowledged', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = ({ body }) => (body.data?.n === 2 ? 'hang' : undefined);
    const cursors = [];
    for (const n of [1, 2, 3]) cursors.push((await handle.emit({ n })).cursor);
    await settle();
    expect((await server.subscribe('counted')).cursor).toBe(cursors[0]);
    server.recorder.release();
    await settle();
    expect((await server.subscribe('counted')).cursor).toBe(cursors[2]);
  });

  it('SUB-15 ERR-05 refuses other modes, and types that are not delivered by webhook', async () => {
    const server = webhookServer();
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    server.events.define('counted', counted);
    for (const [name, mode] of [
      ['polled', undefined],
      ['polled', 'webhook'],
      ['counted', 'push'],
      ['counted', ''],
    ] as const) {
      const { error } = await server.trySubscribe(name, { mode });
      const data = { feature: 'deliveryMode', value: mode ?? 'webhook' };
      expect(error).toMatchObject({ code: -32026, data });
    }
    expect((await server.trySubscribe('counted', { mode: 'webhook' })).result.id).toMatch(/^sub_/);
  });

  it('SUB-09 OP-28 events do not overtake the answer, which tells the receiver their id', async () => {
    const server = webhookServer({}, { clock: new HeldClock() });
    const upstream = new Upstream();
    upstream.add(1);
    server.events.define('counted', { ...counted, check: upstream.check });
    await server.trySubscribe('counted', { cursor: 'c0.0' });
    await settle();
    expect(server.recorder.requests).toEqual([]);
    (server.clock as HeldClock).release();
    await settle();
    expect(postedNumbers(server)).toEqual([1]);
  });

  it('SUB-16 there is no method that lists subscriptions, or any other', async () => {
    const server = webhookServer();
    for (const method of ['events/subscriptions', 'events/subscriptions/list', 'events/get', 'events/']) {
      expect((await server.call(method, {}, { as: 'alice' })).error?.code).toBe(-32601);
    }
  });
});

describe('concurrent subscribes of one key', () => {
  it('OP-29 SUB-05 HOOK-03 make one subscription, and each is answered', async () => {
    const server = webhookServer();
    let begun = 0;
    let go = (): void => {};
    const handle = server.events.define('counted', {
      ...counted,
      onSubscribe: () => {
        begun++;
        return new Promise<void>((resolve) => (go = resolve));
      },
    });
    const calls = Array.from({ length: 5 }, (_, index) => server.trySubscribe('counted', { secret: secretOf(index) }));
    await settle();
    go();
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ result }) => result.id)).size).toBe(1);
    expect(answers.filter(({ result }) => result.deliveryStatus === undefined)).toHaveLength(1);
    expect(begun).toBe(1);
    await handle.emit({ n: 1 });
    await settle();
    expect(server.recorder.events).toHaveLength(1);
  });

  it('OP-29 one that fails dooms none of the others: the next in line sets it up', async () => {
    const server = webhookServer();
    const answers: ((allowed: boolean) => void)[] = [];
    const ended: string[] = [];
    server.events.define('counted', {
      ...counted,
      onSubscribe: async () => {
        if (!(await new Promise<boolean>((resolve) => answers.push(resolve)))) throw new Error('no camera is free');
      },
      onUnsubscribe: ({ subscriptionId }) => void ended.push(subscriptionId),
    });
    const calls = Array.from({ length: 4 }, () => server.trySubscribe('counted'));
    for (const allowed of [false, false, true]) {
      await settle();
      expect(answers).toHaveLength(1);
      answers.shift()?.(allowed);
    }
    const codes = (await Promise.all(calls)).map(({ error }) => error?.code);
    expect(codes).toEqual([-32603, -32603, undefined, undefined]);
    expect(server.events.subscriptions()).toHaveLength(1);
    expect(ended).toEqual([]);
  });
});

describe('events/unsubscribe', () => {
  it('UNSUB-01 HOOK-03 DELIV-16 ends at once what principal, url, name and arguments say', async () => {
    const server = webhookServer();
    const ended: unknown[] = [];
    const handle = server.events.define('counted', {
      ...counted,
      onUnsubscribe: ({ subscriptionId }) => void ended.push(subscriptionId),
    });
    const { id } = await server.subscribe('counted', { arguments: { a: 1, b: 2 } });
    for (const options of [{ as: 'bob' }, { url: `${TRUSTED}/b` }, { arguments: { a: 1 } }]) {
      const { error } = await server.unsubscribe('counted', { arguments: { b: 2, a: 1 }, ...options });
      expect(error).toMatchObject({ code: -32023, data: { kind: 'subscription' } });
    }
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await settle();
    const { result } = await server.unsubscribe('counted', { arguments: { b: 2, a: 1 } });
    expect(Object.keys(result).filter((member) => member !== '_meta')).toEqual(['resultType']);
    await handle.emit({ n: 2 });
    await server.clock.advance(3_600_000);
    expect(server.recorder.deliveries).toHaveLength(1);
    expect(ended).toEqual([id]);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('UNSUB-02 answers NotFound when there is nothing, or nothing any more', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted');
    expect((await server.unsubscribe('counted')).error).toBeUndefined();
    for (const name of ['counted', 'nothing']) {
      expect((await server.unsubscribe(name)).error).toMatchObject({ code: -32023, data: { kind: 'subscription' } });
    }
  });

  it('UNSUB-03 OP-06 does not look at the schema, and takes the mode when it is webhook', async () => {
    const server = webhookServer();
    const input = { type: 'object', properties: { level: { type: 'string' } } };
    const handle = server.events.define('counted', { ...counted, input, authorize: () => true });
    await server.subscribe('counted', { arguments: { level: 'x' } });
    handle.update({
      ...counted,
      input: { ...input, properties: { ...input.properties, more: {} } },
      authorize: () => false,
    });
    const pushed = await server.unsubscribe('counted', { arguments: { level: 'x' }, mode: 'push' });
    expect(pushed.error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value: 'push' } });
    const invalid = await server.unsubscribe('counted', { arguments: { level: 5 } });
    expect(invalid.error?.code).toBe(-32023);
    const { result } = await server.unsubscribe('counted', { arguments: { level: 'x' }, mode: 'webhook' });
    expect(result.resultType).toBe('complete');
  });
});

describe('errors', () => {
  it.each([
    ['name', { name: 5 }],
    ['name', { name: undefined }],
    ['arguments', { arguments: [] }],
    ['arguments', { arguments: null }],
    ['delivery', { delivery: undefined }],
    ['delivery', { delivery: 'https://hooks.example' }],
    ['delivery.url', { delivery: { secret: secretOf() } }],
    ['delivery.url', { delivery: { url: 5, secret: secretOf() } }],
    ['delivery.mode', { delivery: { url: `${TRUSTED}/a`, secret: secretOf(), mode: null } }],
    ['cursor', { cursor: 5 }],
    ['maxAgeMs', { maxAgeMs: -1 }],
    ['maxAgeMs', { maxAgeMs: 1.5 }],
    ['maxAgeMs', { maxAgeMs: '5' }],
    ['ttlMs', { ttlMs: '5' }],
    ['ttlMs', { ttlMs: {} }],
    ['ttlMs', { ttlMs: true }],
  ])('ERR-01 OP-17 names the member that is wrong: %s in %j', async (member, wrong) => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const params = { name: 'counted', delivery: { url: `${TRUSTED}/a`, secret: secretOf() }, ...wrong };
    const { error } = await server.call('events/subscribe', params, { as: 'alice' });
    expect(error?.code).toBe(-32602);
    expect(error?.message).toContain(`${member}: `);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('ERR-01 ERR-02 ERR-03 arguments, names and principals', async () => {
    const server = webhookServer();
    const input = { type: 'object', properties: { level: { enum: ['high'] } }, required: ['level'] };
    server.events.define('levelled', { ...counted, input });
    server.events.define('closed', { ...counted, authorize: () => false });
    for (const args of [undefined, {}, { level: 'huge' }]) {
      const { error } = await server.trySubscribe('levelled', { arguments: args });
      expect(error?.code).toBe(-32602);
      expect(error?.message).not.toContain('huge');
    }
    expect((await server.trySubscribe('nothing')).error).toMatchObject({ code: -32023, data: { kind: 'event' } });
    expect((await server.trySubscribe('closed')).error?.code).toBe(-32024);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('ERR-04 HOOK-08 a limit that is reached provisions nothing, and an end makes room', async () => {
    const server = webhookServer({}, { limits: { subscriptionsPerPrincipal: 2 } });
    let begun = 0;
    server.events.define('counted', { ...counted, onSubscribe: () => void begun++ });
    await server.subscribe('counted');
    await server.subscribe('counted', { arguments: { n: 1 } });
    const third = { arguments: { n: 2 } };
    const { error } = await server.trySubscribe('counted', third);
    expect(error).toMatchObject({ code: -32025, data: { limit: 'subscriptionsPerPrincipal', max: 2 } });
    expect(begun).toBe(2);
    // Who is in may refresh.
    await server.subscribe('counted');
    await server.unsubscribe('counted');
    await server.subscribe('counted', third);
    expect(begun).toBe(3);
  });

  it('ERR-03 an error of an author function stays inside', async () => {
    const server = webhookServer();
    for (const hook of ['authorize', 'onSubscribe']) {
      server.events.define(hook, {
        ...counted,
        [hook]: () => {
          throw new Error('password=hunter2');
        },
      });
      const answer = await server.trySubscribe(hook);
      expect(answer.error?.code).toBe(-32603);
      expect(JSON.stringify(answer)).not.toContain('hunter2');
    }
    expect(server.errors.map(({ stage }) => stage)).toEqual(['authorize', 'onSubscribe']);
    expect(server.events.subscriptions()).toEqual([]);
  });
});

describe('cursors', () => {
  it('CUR-02 CUR-03 without a cursor delivery starts now', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await handle.emit({ n: 1 });
    await server.subscribe('counted', { cursor: null, url: `${TRUSTED}/null` });
    await server.subscribe('counted', { url: `${TRUSTED}/absent` });
    await handle.emit({ n: 2 });
    await settle();
    expect(postedNumbers(server)).toEqual([2, 2]);
  });

  it('CUR-08 CUR-09 EMIT-01 replays from the later of the cursor and the age, and says when that is the age', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, retention: { maxAgeMs: 3_600_000 } });
    const { cursor } = await server.poll('counted', null);
    for (const [n, waitMs] of [
      [1, 300_000],
      [2, 240_000],
      [3, 60_000],
    ] as const) {
      await handle.emit({ n });
      await server.clock.advance(waitMs);
    }
    const young = await server.subscribe('counted', { cursor, maxAgeMs: 360_000 });
    expect(young.truncated).toBe(true);
    expect(postedNumbers(server)).toEqual([2, 3]);
    const all = await server.subscribe('counted', { cursor, maxAgeMs: 3_000_000, url: `${TRUSTED}/all` });
    expect(all.truncated).toBe(false);
    expect(postedNumbers(server)).toEqual([2, 3, 1, 2, 3]);
  });

  it('CUR-10 the age means nothing without a cursor, and nothing without replay', async () => {
    const server = webhookServer();
    const kept = server.events.define('kept', counted);
    const live = server.events.define('live', { ...counted, replay: false });
    await kept.emit({ n: 1 });
    await live.emit({ n: 1 });
    expect((await server.subscribe('kept', { cursor: null, maxAgeMs: 1_000 })).truncated).toBe(false);
    const result = await server.subscribe('live', { cursor: 'of another type', maxAgeMs: 1_000 });
    expect(result).toMatchObject({ cursor: null, truncated: false });
    await live.emit({ n: 2 });
    await settle();
    expect(postedNumbers(server)).toEqual([2]);
    expect(server.recorder.events[0]?.body.cursor).toBeNull();
  });

  it.each(['rubbish', '', 'epoch.5', 'c0.1'])('CUR-11 CUR-12 an unusable cursor starts afresh: %j', async (cursor) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const result = await server.subscribe('counted', { cursor });
    expect(result).toMatchObject({ truncated: true, cursor: expect.any(String) });
    expect(result.cursor).not.toBe(cursor);
    await handle.emit({ n: 1 });
    await settle();
    expect(postedNumbers(server)).toEqual([1]);
  });

  it('CUR-11 CUR-12 past the retention delivery starts with the oldest event that is kept', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, retention: { maxCount: 2 } });
    const { cursor } = await server.poll('counted', null);
    for (const n of [1, 2, 3]) await handle.emit({ n });
    expect((await server.subscribe('counted', { cursor })).truncated).toBe(true);
    expect(postedNumbers(server)).toEqual([2, 3]);
  });

  it('CUR-07 the cursor of a refresh moves with what was for others', async () => {
    const server = webhookServer();
    const input = { type: 'object', properties: { n: { type: 'integer' } } };
    const handle = server.events.define('counted', { ...counted, input, filter: { n: 'n' } });
    await server.subscribe('counted', { arguments: { n: 1 } });
    const { cursor } = await handle.emit({ n: 2 });
    expect((await server.subscribe('counted', { arguments: { n: 1 } })).cursor).toBe(cursor);
    expect(server.recorder.requests).toEqual([]);
  });

  it('a source that cannot be read refuses a client without a position, and starts where one says', async () => {
    const server = webhookServer();
    const upstream = new Upstream();
    upstream.add(1, 2);
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
    upstream.failures.push(new Error('down'), new Error('down'));
    expect((await server.trySubscribe('counted')).error?.code).toBe(-32603);
    expect(server.events.subscriptions()).toEqual([]);
    expect(await server.subscribe('counted', { cursor: 'c0.1' })).toMatchObject({ cursor: 'c0.1', truncated: false });
    await server.clock.advance(1_000);
    expect(postedNumbers(server)).toEqual([2]);
  });
});

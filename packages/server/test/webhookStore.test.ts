import { createWebhookSecret, deriveSubscriptionId, forbidden } from '@mcp-events/protocol';
import type { StoredSubscription } from '@mcp-events/server';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { MockInstance } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { settle } from './kit/fakeClock.ts';
import { SecretSealer } from '../src/delivery/webhook/signing/secretSealer.ts';
import { isSignedWith, keyOf, postedNumbers, secretOf, TRUSTED } from './kit/webhookServer.ts';

afterEach(() => vi.restoreAllMocks());

/** As a server of the tests encrypts it. */
function sealed(id: string, secret: string): string {
  return new SecretSealer([keyOf(1)]).seal(id, secret);
}

/** Stores so many subscriptions that differ in their arguments. */
async function fillStore(deployment: Deployment, count: number): Promise<void> {
  const record = await deployment.leaveSubscription({ arguments: { n: 0 } });
  const { name, principal, url } = record;
  for (let n = 1; n < count; n++) {
    const args = { n };
    const id = deriveSubscriptionId({ namespace: 'mcp-events', principal, name, arguments: args, url });
    deployment.store.put(id, { ...record, id, arguments: args, secret: sealed(id, createWebhookSecret()) });
  }
}

/** Calls `reached` the first time that all but the last records were taken. */
function onLoading({ store }: Deployment, count: number, reached: () => void): MockInstance {
  const { records } = store;
  function* read(): Generator<StoredSubscription> {
    yield* records.slice(0, count);
    reached();
    yield* records.slice(count);
  }
  return vi.spyOn(store, 'load').mockImplementationOnce(async () => read() as unknown as StoredSubscription[]);
}

describe('the store', () => {
  it('TTL-10 that cannot be read is tried again; until then nobody is told that there is nothing', async () => {
    const deployment = new Deployment();
    const { store, clock, upstream } = deployment;
    await deployment.leaveSubscription();
    upstream.add(1);
    store.failing.add('load');
    const server = await deployment.run();
    for (const answer of [await server.trySubscribe('counted'), await server.unsubscribe('counted')]) {
      expect(answer.error?.code).toBe(-32603);
    }
    expect((await server.poll('counted', null)).truncated).toBe(false);
    await clock.advance(1_000);
    store.failing.clear();
    await clock.advance(2_000);
    expect(server.errors.map(({ stage }) => stage)).toEqual(['storage', 'storage']);
    expect(postedNumbers(server)).toEqual([1]);
    expect((await server.subscribe('counted')).deliveryStatus.active).toBe(true);
  });

  it('TTL-10 with many records gives back the first ones before all are read', async () => {
    const deployment = new Deployment();
    await fillStore(deployment, 600);
    let liveAtTheEnd = 0;
    onLoading(deployment, 590, () => (liveAtTheEnd = server.events.subscriptions().length));
    const server = deployment.start();
    server.events.define('counted', deployment.definition);
    await settle(20);
    expect(liveAtTheEnd).toBeGreaterThan(0);
    expect(server.events.subscriptions()).toHaveLength(600);
  });

  it('TTL-10 that fails in the middle gives back each subscription once', async () => {
    const deployment = new Deployment();
    const { store, clock, hooks } = deployment;
    await fillStore(deployment, 600);
    const load = onLoading(deployment, 590, () => {
      throw new Error('the store cannot load more');
    });
    const server = await deployment.run();
    await settle(20);
    expect(server.events.subscriptions().length).toBeGreaterThan(0);
    expect((await server.trySubscribe('counted')).error?.code).toBe(-32603);
    await clock.advance(2_000);
    expect(load).toHaveBeenCalledTimes(2);
    expect(server.events.subscriptions()).toHaveLength(600);
    expect(hooks).toHaveLength(600);
    expect(store.records).toHaveLength(600);
  });

  it('TERM-01 TTL-10 that fails in the middle does not give back what has ended when it is read again', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    await fillStore(deployment, 300);
    onLoading(deployment, 290, () => {
      throw new Error('the store cannot load more');
    });
    const server = await deployment.run();
    await settle(20);
    store.failing.add('delete');
    const live = server.events.subscriptions().map(({ id }) => id);
    const ending = server.events.terminate({}, forbidden());
    await expect(ending).rejects.toThrow('not available');
    store.failing.clear();
    await clock.advance(2_000);
    const back = new Set(server.events.subscriptions().map(({ id }) => id));
    expect(live.length).toBeGreaterThan(0);
    // Nor what was read only after that.
    expect(back.size).toBe(0);
    await clock.advance(60_000);
    expect(store.records).toEqual([]);
  });

  it('TTL-10 with damaged records gives back the others, reports which they are, and leaves them alone', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const record = await deployment.leaveSubscription();
    const weak = await deployment.leaveSubscription({ arguments: { n: 1 } });
    const { secret: _secret, ...withoutSecret } = record;
    const damaged: [string, unknown][] = [
      ['null', null],
      ['text', 'sub_1'],
      ['list', []],
      ['empty', {}],
      ['no secret', withoutSecret],
      [weak.id, { ...weak, secret: sealed(weak.id, 'whsec_AAAA') }],
      ['of another', { ...record, id: 'of another', secret: weak.secret }],
      ['arguments', { ...record, arguments: [] }],
      ['dialect', { ...record, dialect: 'future' }],
      ['time', { ...record, refreshBeforeMs: 'soon' }],
      ['cursor', { ...record, cursor: 5 }],
      ['principal', { ...record, id: 'principal', principal: 'eve' }],
      ['url', { ...record, id: 'url', url: `${TRUSTED}/eve` }],
    ];
    for (const [id, value] of damaged) store.put(id, value);
    upstream.add(1);
    const server = await deployment.run();
    expect(postedNumbers(server)).toEqual([1]);
    expect(server.events.subscriptions()).toHaveLength(1);
    const reports = server.errors.map(({ error }) => String(error));
    expect(reports).toHaveLength(damaged.length);
    expect(reports.join()).toContain(record.id);
    expect(reports.join()).not.toContain('whsec_');
    await clock.advance(60_000);
    expect(store.records).toHaveLength(1 + damaged.length);
  });

  it('TTL-11 that cannot save refuses a new subscription, and leaves nothing behind', async () => {
    const deployment = new Deployment();
    const { store, hooks } = deployment;
    const server = await deployment.run();
    store.failing.add('save');
    const answer = await server.trySubscribe('counted', { ttlMs: null });
    expect(answer.error?.code).toBe(-32603);
    expect(JSON.stringify(answer)).not.toContain('store');
    expect(hooks).toEqual(['subscribe alice', 'unsubscribe alice']);
    expect(server.events.subscriptions()).toEqual([]);
    store.failing.clear();
    await server.subscribe('counted', { ttlMs: null });
    expect(store.records).toHaveLength(1);
  });

  it('TTL-11 that cannot save promises nothing to a refresh, which ends nothing', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted', { ttlMs: null });
    store.failing.add('save');
    expect((await server.trySubscribe('counted', { ttlMs: null })).error?.code).toBe(-32603);
    upstream.add(1);
    await clock.advance(1_000);
    expect(postedNumbers(server)).toEqual([1]);
  });

  it('SUB-19 TTL-11 that cannot save a refresh leaves secret, grant and order as they were answered, here and in the store', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run({ ttl: { minMs: 60_000, noExpiry: true } });
    await server.subscribe('counted', { secret: secretOf(1), ttlMs: 3_600_000 });
    const [granted] = store.records;
    const keys = async (n: number): Promise<number[]> => {
      upstream.add(n);
      await clock.advance(1_000);
      const delivery = server.recorder.events.at(-1)!;
      return [1, 2, 3].filter((fill) => isSignedWith(delivery, secretOf(fill)));
    };
    const _meta = { 'mcp-events/ordered': true };
    // The failed write may have arrived all the same.
    const save = vi.spyOn(store, 'save').mockImplementation(async (record) => {
      store.put(record.id, record);
      throw new Error('the store cannot say');
    });
    const refused = await Promise.all([
      server.trySubscribe('counted', { secret: secretOf(2), ttlMs: null, _meta }),
      server.trySubscribe('counted', { secret: secretOf(3), ttlMs: 60_000 }),
    ]);
    expect(refused.map(({ error }) => error?.code)).toEqual([-32603, -32603]);
    save.mockRestore();
    expect(await keys(1)).toEqual([1]);
    await clock.advance(60_000);
    expect(await keys(2)).toEqual([1]);
    const { cursor: _cursor, ...stored } = store.records[0]!;
    const { cursor: _before, ...before } = granted!;
    expect(stored).toEqual(before);
    // The grant ends when it was answered to, not a minute later, or never.
    await clock.advance(granted!.refreshBeforeMs! - clock.now() - 1);
    expect(server.events.subscriptions()).toHaveLength(1);
    await clock.advance(1);
    expect(server.events.subscriptions()).toHaveLength(0);
  });

  it('SUB-19 that cannot save the second of two refreshes leaves what the first one was answered', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run({ rotationGraceMs: 1_000 });
    await server.subscribe('counted', { secret: secretOf(1) });
    let saves = 0;
    const save = vi.spyOn(store, 'save').mockImplementation(async (record) => {
      if (++saves === 2) throw new Error('the store cannot save');
      store.put(record.id, record);
    });
    const answers = await Promise.all([
      server.trySubscribe('counted', { secret: secretOf(2) }),
      server.trySubscribe('counted', { secret: secretOf(3) }),
    ]);
    expect(answers.map(({ error }) => error?.code)).toEqual([undefined, -32603]);
    await clock.advance(2_000);
    save.mockRestore();
    await server.events.close();
    const next = await deployment.run();
    upstream.add(1);
    await clock.advance(2_000);
    const delivery = next.recorder.events.at(-1)!;
    expect([1, 2, 3].filter((fill) => isSignedWith(delivery, secretOf(fill)))).toEqual([2]);
  });

  it('STATUS-02 OP-11 that cannot save a refresh leaves what it would have told for the next one', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run({ suspension: { minAttempts: 1 }, retry: { attempts: 1 } });
    // A peer of the older dialect, which learns from a refresh what was given up.
    await server.subscribe('counted', { declare: false });
    server.recorder.answer = () => 500;
    upstream.add(1);
    await clock.advance(1_000);
    store.failing.add('save');
    expect((await server.trySubscribe('counted')).error?.code).toBe(-32603);
    store.failing.clear();
    expect(await server.subscribe('counted')).toMatchObject({ truncated: true, deliveryStatus: { active: false } });
    expect(await server.subscribe('counted')).toMatchObject({ truncated: false, deliveryStatus: { active: true } });
    await clock.advance(1_000);
    expect(store.records[0]?.gapAfter).toBeNull();
  });

  it('UNSUB-01 that cannot delete is tried again, but not at the cost of a new subscription', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const server = await deployment.run();
    for (const n of [1, 2]) await server.subscribe('counted', { arguments: { n } });
    store.failing.add('delete');
    // After a crash they would be there again.
    for (const n of [1, 2, 2]) {
      expect((await server.unsubscribe('counted', { arguments: { n } })).error?.code).toBe(-32603);
    }
    expect(server.errors).toHaveLength(3);
    expect(store.records).toHaveLength(2);
    await server.subscribe('counted', { arguments: { n: 2 } });
    store.failing.clear();
    await clock.advance(60_000);
    expect(store.records.map(({ arguments: args }) => args)).toEqual([{ n: 2 }]);
  });

  it('SUB-12 TTL-11 that has many deletions to catch up on does not delete a subscription that began meanwhile', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const server = await deployment.run();
    const count = 129;
    await Promise.all(Array.from({ length: count }, (_, n) => server.trySubscribe('counted', { arguments: { n } })));
    store.failing.add('delete');
    void server.events.terminate({}, forbidden());
    await settle();
    expect(store.records).toHaveLength(count);
    store.failing.clear();
    const end = { done: (): void => {} };
    store.writing = new Promise((resolve) => (end.done = resolve));
    await clock.advance(30_000);
    // One more than is written at the same time.
    const { n } = store.records.find(
      ({ id }) => store.calls.filter((call) => call === `delete ${id}`).length === 1,
    )!.arguments;
    store.writing = Promise.resolve();
    await server.subscribe('counted', { arguments: { n } });
    end.done();
    await clock.advance(60_000);
    expect(store.records.map(({ arguments: args }) => args)).toEqual([{ n }]);
  });

  it('UNSUB-01 that tries again to delete is waited for by whoever asks again', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted');
    store.failing.add('delete');
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32603);
    const end = { done: (): void => {} };
    store.writing = new Promise((resolve) => (end.done = resolve));
    await clock.advance(30_000);
    const answer = server.unsubscribe('counted');
    await settle();
    end.done();
    expect((await answer).error?.code).toBe(-32603);
  });

  it('UNSUB-01 TTL-10 keeps what ends in a shutdown, which is no answer to an unsubscribe', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted', { ttlMs: null });
    server.recorder.answer = () => 'hang';
    upstream.add(1);
    await clock.advance(1_000);
    const closed = server.events.close({ deadlineMs: 30_000 });
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32603);
    server.recorder.release();
    await closed;
    expect(store.records).toHaveLength(1);
  });

  it('UNSUB-01 that fails to delete while the server closes is no answer to an unsubscribe either', async () => {
    const deployment = new Deployment();
    const { store } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted', { ttlMs: null });
    const end = { done: (): void => {} };
    store.writing = new Promise((resolve) => (end.done = resolve));
    store.failing.add('delete');
    const answer = server.unsubscribe('counted');
    await settle();
    const closed = server.events.close();
    await settle();
    end.done();
    expect((await answer).error?.code).toBe(-32603);
    await closed;
    expect(store.records).toHaveLength(1);
  });

  it('UNSUB-01 that could not delete does so when it is asked again', async () => {
    const deployment = new Deployment();
    const { store } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted');
    store.failing.add('delete');
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32603);
    store.failing.clear();
    expect((await server.unsubscribe('counted')).result.resultType).toBe('complete');
    expect(store.records).toEqual([]);
    expect((await server.unsubscribe('counted')).error?.code).toBe(-32023);
  });

  it('SUB-12 that fails to delete late does not harm a subscription that began meanwhile', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted');
    let done = (): void => {};
    store.writing = new Promise((resolve) => (done = resolve));
    store.failing.add('delete');
    const ended = server.unsubscribe('counted');
    await settle();
    const begun = server.trySubscribe('counted');
    await settle();
    done();
    expect((await ended).error).toBeUndefined();
    expect((await begun).result.id).toMatch(/^sub_/);
    store.failing.clear();
    await clock.advance(60_000);
    expect(store.records).toHaveLength(1);
  });

  it('UNSUB-01 has forgotten a subscription when its end is answered', async () => {
    const deployment = new Deployment();
    const { store } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted');
    let deleted = (): void => {};
    store.writing = new Promise((resolve) => (deleted = resolve));
    let answered = false;
    const answer = server.unsubscribe('counted').finally(() => (answered = true));
    await settle();
    expect([answered, store.records.length]).toEqual([false, 1]);
    deleted();
    expect((await answer).result.resultType).toBe('complete');
    expect(store.records).toEqual([]);
  });

  it('OP-13 gets positions once in a while, the last ones at a close, and again when it failed', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run();
    const { id } = await server.subscribe('counted', { ttlMs: null });
    const saves = (): number => store.calls.filter((call) => call === `save ${id}`).length;
    for (let n = 1; n <= 20; n++) upstream.add(n);
    await clock.advance(1_000);
    expect(postedNumbers(server)).toHaveLength(20);
    await clock.advance(1_000);
    expect(saves()).toBe(2);
    expect(store.records[0]?.cursor).toBe('c0.20');
    store.failing.add('save');
    upstream.add(21);
    await clock.advance(2_000);
    expect(server.errors).toHaveLength(1);
    store.failing.clear();
    await clock.advance(30_000);
    expect(store.records[0]?.cursor).toBe('c0.21');
    upstream.add(22);
    await clock.advance(1_000);
    await server.events.close();
    expect(store.records[0]?.cursor).toBe('c0.22');
  });

  it('OP-13 that has failed gets positions as often as before once it is back', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run();
    await server.subscribe('counted', { ttlMs: null });
    store.failing.add('save');
    upstream.add(1);
    await clock.advance(3_000);
    store.failing.clear();
    await clock.advance(30_000);
    expect(store.records[0]?.cursor).toBe('c0.1');
    for (const n of [2, 3]) {
      upstream.add(n);
      await clock.advance(2_000);
      expect(store.records[0]?.cursor).toBe(`c0.${n}`);
    }
  });

  it('OP-13 that is slower than positions move gets the last of them, one at a time', async () => {
    const deployment = new Deployment();
    const { store, upstream, clock } = deployment;
    const server = await deployment.run();
    const { id } = await server.subscribe('counted', { ttlMs: null });
    const saves = (): number => store.calls.filter((call) => call === `save ${id}`).length;
    let stored = (): void => {};
    store.writing = new Promise((resolve) => (stored = resolve));
    for (let n = 1; n <= 10; n++) {
      upstream.add(n);
      await clock.advance(2_000);
    }
    expect(saves()).toBe(2);
    stored();
    await clock.advance(2_000);
    expect(saves()).toBe(3);
    expect(store.records[0]?.cursor).toBe('c0.10');
  });
});

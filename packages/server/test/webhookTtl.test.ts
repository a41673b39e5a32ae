import { Events } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted, numbersOf } from './kit/servers.ts';
import { TestSubscriptionStore } from './kit/storage.ts';
import { webhookServer } from './kit/webhookServer.ts';
import type { TestWebhookOptions, WebhookTestServer } from './kit/webhookServer.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

type Ttl = number | null | undefined;

/** Timers of platforms end at 2^31 ms. */
class LimitedClock extends FakeClock {
  override setTimeout(callback: () => void, delayMs: number): ReturnType<FakeClock['setTimeout']> {
    return super.setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1));
  }
}

function lendingServer(webhooks: TestWebhookOptions = {}): WebhookTestServer {
  // Access is checked rarely here: otherwise simulating months would be mostly that.
  const server = webhookServer(webhooks, { clock: new LimitedClock(), reauthorizeIntervalMs: 2 ** 31 - 1 });
  server.events.define('counted', { ...counted, retention: { maxAgeMs: 30 * DAY_MS } });
  return server;
}

/** The time that is granted for this suggestion; `null` for no expiry. */
async function granted(server: WebhookTestServer, ttlMs: Ttl): Promise<number | null> {
  const { refreshBefore } = await server.subscribe('counted', { ttlMs });
  return refreshBefore === null ? null : Date.parse(refreshBefore) - server.clock.now();
}

describe('grants', () => {
  const ttl = { minMs: 60_000, defaultMs: 600_000, maxMs: HOUR_MS };

  it.each<[string, Ttl, number]>([
    ['TTL-01 absent', undefined, 600_000],
    ['TTL-03 within the bounds', 120_000, 120_000],
    ['TTL-03 as sent, with a fraction of a millisecond', 120_000.9, 120_000],
    ['TTL-04 TTL-05 too short', 1, 60_000],
    ['TTL-05 zero', 0, 60_000],
    ['TTL-05 negative', -5, 60_000],
    ['TTL-05 too long', 1e15, HOUR_MS],
    ['TTL-05 too long for a double of milliseconds', 1e300, HOUR_MS],
    ['TTL-02 null, where no expiry is not granted', null, HOUR_MS],
  ])('TTL-02 %s: a finite grant', async (_what, ttlMs, expected) => {
    expect(await granted(lendingServer({ ttl }), ttlMs)).toBe(expected);
  });

  it('TTL-05 a number beyond all numbers is one, too', async () => {
    const server = lendingServer({ ttl });
    const params = { name: 'counted', delivery: { url: 'http://hooks.test/a', secret: `whsec_${'A'.repeat(32)}` } };
    const body = JSON.stringify({ ...params, ttlMs: 0 }).replace('"ttlMs":0', '"ttlMs":1e999');
    const { refreshBefore } = await server.result('events/subscribe', JSON.parse(body), { as: 'alice' });
    expect(Date.parse(refreshBefore) - server.clock.now()).toBeLessThanOrEqual(HOUR_MS);
  });

  it.each<[Ttl, number | null]>([
    [undefined, HOUR_MS],
    [1, 60_000],
    [1e15, DAY_MS],
    [null, null],
  ])('TTL-02 TTL-11 with a store, %s is granted %s', async (ttlMs, expected) => {
    const server = lendingServer({ store: new TestSubscriptionStore(), ttl: { noExpiry: true } });
    expect(await granted(server, ttlMs)).toBe(expected);
  });

  it('TTL-06 TTL-02 each refresh grants anew', async () => {
    const server = lendingServer({ store: new TestSubscriptionStore(), ttl: { noExpiry: true } });
    for (const ttlMs of [HOUR_MS, 600_000, null, 600_000, null, undefined]) {
      expect(await granted(server, ttlMs)).toBe(ttlMs === undefined ? HOUR_MS : ttlMs);
      await server.clock.advance(300_000);
    }
    await server.clock.advance(HOUR_MS - 300_000 - 1);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it.each<[string, TestWebhookOptions]>([
    ['TTL-12 no expiry without a store', { ttl: { noExpiry: true } }],
    ['TTL-11 more than an hour without a store', { ttl: { maxMs: HOUR_MS + 1 } }],
    ['bounds in the wrong order', { ttl: { minMs: 100, maxMs: 50 } }],
    ['no number', { ttl: { defaultMs: Number.NaN } }],
    ['more than dates can tell', { ttl: { maxMs: 1e16 }, store: new TestSubscriptionStore() }],
    ['a dropping time that is none', { dropFailingAfterMs: Number.NaN }],
  ])('refuses %s', (_what, webhooks) => {
    expect(() => new Events({ webhooks })).toThrow(TypeError);
  });
});

describe('the end of a grant', () => {
  it('TTL-07 HOOK-03 DELIV-16 OP-24 ends the subscription without a word: no attempts, no timers, one hook', async () => {
    const server = webhookServer();
    const ended: unknown[] = [];
    const handle = server.events.define('counted', {
      ...counted,
      onUnsubscribe: ({ subscriptionId }) => void ended.push(subscriptionId),
    });
    const timers = server.clock.pendingTimers;
    server.recorder.answer = () => 500;
    const { id } = await server.subscribe('counted', { ttlMs: 60_000 });
    await handle.emit({ n: 1 });
    await server.clock.advance(59_999);
    const attempts = server.recorder.deliveries.length;
    expect(ended).toEqual([]);
    await server.clock.advance(1);
    expect(ended).toEqual([id]);
    await handle.emit({ n: 2 });
    await server.clock.advance(DAY_MS);
    expect(server.recorder.deliveries).toHaveLength(attempts);
    expect(ended).toEqual([id]);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('TTL-07 TTL-06 is moved by each refresh', async () => {
    const server = lendingServer();
    for (let round = 0; round < 5; round++) {
      await server.subscribe('counted', { ttlMs: 60_000 });
      await server.clock.advance(59_999);
    }
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('TTL-07 holds for grants longer than a timer can wait', async () => {
    const server = lendingServer({ store: new TestSubscriptionStore(), ttl: { maxMs: 100 * DAY_MS } });
    await server.subscribe('counted', { ttlMs: 100 * DAY_MS });
    await server.clock.advance(100 * DAY_MS - 1);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
  });
});

describe('no expiry', () => {
  const failing: TestWebhookOptions = {
    ttl: { noExpiry: true },
    suspension: { minAttempts: 2 },
    retry: { attempts: 2 },
    dropFailingAfterMs: 2 * HOUR_MS,
  };

  it('TTL-13 ENV-05 TERM-06 is dropped after long failure, and that is told', async () => {
    const store = new TestSubscriptionStore();
    const server = lendingServer({ ...failing, store });
    const { cursor } = await server.subscribe('counted', { ttlMs: null });
    server.recorder.answer = () => 500;
    const start = server.clock.now();
    const handle = server.events.define('other', counted);
    await server.subscribe('other', { ttlMs: null });
    for (const n of [1, 2]) await handle.emit({ n });
    await settle();
    expect(server.events.subscriptions().map(({ suspended }) => suspended)).toEqual([false, true]);
    await server.clock.advance(2 * HOUR_MS - 1 - (server.clock.now() - start));
    expect(server.events.subscriptions()).toHaveLength(2);
    server.recorder.answer = () => undefined;
    await server.clock.advance(1);
    const [told, ...more] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toMatchObject({ code: -32027, data: { reason: 'http_5xx' } });
    expect(more).toEqual([]);
    expect(server.events.subscriptions().map(({ name }) => name)).toEqual(['counted']);
    expect(store.records.map(({ name }) => name)).toEqual(['counted']);
    expect(await server.subscribe('other', { cursor })).not.toHaveProperty('deliveryStatus');
  });

  it('TTL-13 SUB-19 is dropped also where its client came back before, and that could not be stored', async () => {
    const store = new TestSubscriptionStore();
    const server = lendingServer({ ...failing, store });
    const handle = server.events.define('other', counted);
    await server.subscribe('other', { ttlMs: null });
    server.recorder.answer = () => 500;
    for (const n of [1, 2]) await handle.emit({ n });
    await server.clock.advance(HOUR_MS);
    store.failing.add('save');
    expect((await server.trySubscribe('other', { ttlMs: null })).error).toBeDefined();
    store.failing.clear();
    expect(server.events.subscriptions()).toMatchObject([{ suspended: true }]);
    await server.clock.advance(HOUR_MS);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('TTL-13 a client that comes back before keeps it', async () => {
    const server = lendingServer({ ...failing, store: new TestSubscriptionStore() });
    const handle = server.events.define('other', counted);
    await server.subscribe('other', { ttlMs: null });
    server.recorder.answer = () => 500;
    for (const n of [1, 2]) await handle.emit({ n });
    await server.clock.advance(HOUR_MS);
    server.recorder.answer = () => undefined;
    await server.subscribe('other', { ttlMs: null });
    await server.clock.advance(30 * DAY_MS);
    expect(server.events.subscriptions()).toHaveLength(1);
    expect(numbersOf(server.recorder.events.slice(-2).map(({ body }) => body))).toEqual([1, 2]);
  });
});

describe('an endpoint that fails though few events come', () => {
  it('TTL-16 TTL-13 ends a subscription without expiry, with one word to it, and no other', async () => {
    const server = lendingServer({
      store: new TestSubscriptionStore(),
      ttl: { noExpiry: true },
      dropFailingAfterMs: DAY_MS,
    });
    const handle = server.events.define('rare', counted);
    await server.subscribe('rare', { ttlMs: null, arguments: { n: 'failing' } });
    await server.subscribe('rare', { ttlMs: HOUR_MS * 23, arguments: { n: 'lent' }, as: 'bob' });
    await server.subscribe('rare', { ttlMs: null, arguments: { n: 'recovers' }, url: 'http://hooks.test/recovers' });
    server.recorder.answer = ({ path }) => (path === '/recovers' ? undefined : 500);
    for (let hour = 0; hour < 24; hour++) {
      if (hour === 12) server.recorder.answer = () => 500;
      await handle.emit({ n: hour });
      await server.clock.advance(HOUR_MS);
    }
    expect(server.events.subscriptions().map(({ arguments: { n } }) => n)).toEqual(['failing', 'recovers']);
    await handle.emit({ n: 24 });
    await settle();
    expect(server.events.subscriptions().map(({ arguments: { n } }) => n)).toEqual(['recovers']);
    const [told] = server.recorder.envelopes('terminated');
    expect(told?.body.error).toMatchObject({ code: -32027, data: { reason: 'http_5xx' } });
  });

  it('TTL-16 DIALECT-13 envelopes that are refused are no failure of its events', async () => {
    const server = lendingServer({
      store: new TestSubscriptionStore(),
      ttl: { noExpiry: true },
      dropFailingAfterMs: 60_000,
    });
    const handle = server.events.define('rare', counted);
    await server.subscribe('rare', { ttlMs: null });
    server.recorder.answer = ({ body }) => (body.type === undefined ? undefined : 500);
    for (let n = 0; n < 4; n++) {
      await handle.reportLoss();
      await server.clock.advance(HOUR_MS);
    }
    expect(server.events.subscriptions()).toHaveLength(1);
  });
});

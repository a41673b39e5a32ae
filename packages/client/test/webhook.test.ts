import { Methods, ORDER_META_KEY } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { EventsClient, type Gap, memoryStore } from '../src/index.ts';
import { WebhookReceiver } from '../src/receiver/index.ts';
import { pending } from './support/rawServer.ts';
import { signedPost } from './support/signedPost.ts';
import { FakeClock } from './support/fakeClock.ts';
import { BASE_URL, granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle } from './support/world.ts';

const secretPattern = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/;

describe('a webhook subscription', () => {
  it('CLIENT-02 CLIENT-05 OP-06 prefers webhooks and hands their events out like those of other modes', async () => {
    const { receiver, subscribes, unsubscribes, events, server } = await webhookWorld({
      hooks: { ttlMs: 5 * HOUR_MS },
    });
    const subscription = await events.subscribe('incident.opened', { severity: 'P1' }, { maxAgeMs: 60_000 });
    const reader = new Reader(subscription);
    await settle();
    const { params } = subscribes()[0]!;
    expect(params).toMatchObject({
      name: 'incident.opened',
      arguments: { severity: 'P1' },
      delivery: { mode: 'webhook' },
      cursor: null,
      maxAgeMs: 60_000,
      ttlMs: 5 * HOUR_MS,
    });
    expect(params['delivery'].url).toMatch(/^https:\/\/agent\.example\/hooks\/[0-9a-f-]{36}$/);
    expect(subscription.status).toEqual({ state: 'active', delivery: 'webhook' });
    expect(receiver.last.id).toBe('sub_1');
    const order = { position: 'c1', previous: null };
    const _meta = { trace: 'x', [ORDER_META_KEY]: order };
    expect(await receiver.last.event('e1', 'c1', order, { _meta })).toBe('accepted');
    expect(await receiver.last.event('e2', 'c1', { position: 'c2', previous: 'c1' })).toBe('accepted');
    await settle();
    const head = { name: 'incident.opened', timestamp: '2026-07-28T12:00:00Z', delivery: 'webhook' };
    expect(reader.events).toEqual([
      { ...head, eventId: 'e1', data: { id: 'e1' }, cursor: 'c1', _meta: { trace: 'x' } },
      { ...head, eventId: 'e2', data: { id: 'e2' }, cursor: 'c2' },
    ]);
    expect(server.streams()).toEqual([]);
    expect(unsubscribes()).toEqual([]);
    await events.close();
  });

  it('CLIENT-10 registers the secret before it subscribes', async () => {
    const { receiver, subscribes, events, server, clock } = await webhookWorld();
    const atSubscribe: unknown[] = [];
    server.on(Methods.subscribe, ({ params }) => {
      const { url, secret } = params['delivery'];
      atSubscribe.push(receiver.at(url)?.secrets.includes(secret));
      return granted(clock, HOUR_MS);
    });
    await events.subscribe('incident.opened');
    await settle();
    expect(subscribes()).toHaveLength(1);
    expect(atSubscribe).toEqual([true]);
    await events.close();
  });

  it('CLIENT-10 a challenge that comes before the answer verifies, and events do from then on', async () => {
    const clock = new FakeClock();
    const receiver = new WebhookReceiver({ clock });
    const { events, server } = await webhookWorld({ clock, hooks: { receiver } });
    const echoes: unknown[] = [];
    let post = (_webhookId: string, _body: object): Promise<Response> => expect.fail();
    server.on(Methods.subscribe, ({ id, params }) => {
      const { url, secret } = params['delivery'];
      post = (webhookId, body) =>
        receiver.handle(signedPost({ url, secret, webhookId, subscriptionId: 'sub_1', body }, clock));
      void post('msg_verification_1', { type: 'verification', challenge: 'c' }).then(async (answer) => {
        echoes.push(await answer.json());
        server.answer(id, granted(clock, HOUR_MS));
      });
      return pending;
    });
    const subscription = await events.subscribe('incident.opened');
    const reader = new Reader(subscription);
    await settle();
    expect(echoes).toEqual([{ challenge: 'c' }]);
    expect(subscription.status.state).toBe('active');
    const occurrence = { name: 'incident.opened', timestamp: '2026-07-28T12:00:00Z', data: {} };
    for (const n of [1, 1, 2]) {
      expect((await post(`msg_${n}`, { ...occurrence, eventId: `e${n}`, cursor: `c${n}` })).status).toBe(204);
    }
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2']);
    await events.close();
    expect((await post('msg_3', { ...occurrence, eventId: 'e3' })).ok).toBe(false);
  });

  it('SIG-11 makes a secret for each subscription and each start, unless a provider is given', async () => {
    const store = memoryStore();
    const secrets: string[] = [];
    for (let start = 0; start < 2; start += 1) {
      const { subscribes, events } = await webhookWorld({ store });
      if (start === 0) for (const n of [1, 2]) await events.subscribe('incident.opened', { n });
      else await events.resume();
      await settle();
      secrets.push(...subscribes().map(({ params }) => params['delivery'].secret));
      await events.close();
    }
    expect(secrets).toHaveLength(4);
    expect(new Set(secrets).size).toBe(4);
    for (const secret of secrets) expect(secret).toMatch(secretPattern);

    const own = `whsec_${btoa('x'.repeat(24))}`;
    const { subscribes, events } = await webhookWorld({ hooks: { createSecret: () => own } });
    await events.subscribe('incident.opened');
    await settle();
    expect(subscribes()[0]!.params['delivery'].secret).toBe(own);
    await events.close();
  });

  it('OP-28 gives each subscription a path of its own, which the store keeps and the secret never enters', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store, hooks: { url: `${BASE_URL}/?tenant=1` } });
    for (const n of [1, 2]) await first.events.subscribe('incident.opened', { n });
    await settle();
    const urls = first.subscribes().map(({ params }) => params['delivery'].url);
    expect(new Set(urls).size).toBe(2);
    for (const url of urls) expect(url).toMatch(/^https:\/\/agent\.example\/hooks\/[0-9a-f-]{36}\?tenant=1$/);
    expect(JSON.stringify(await store.list())).not.toContain('whsec_');
    await first.events.close();

    const second = await webhookWorld({ store, hooks: { url: `${BASE_URL}/?tenant=1` } });
    await second.events.resume();
    await settle();
    expect(second.subscribes().map(({ params }) => params['delivery'].url)).toEqual(urls);
    await second.events.close();
  });

  it('refuses a base URL that cannot be one, at once', () => {
    const receiver = { register: () => expect.fail() };
    for (const url of ['', 'hooks', '/hooks', 'ftp://h/x', 'https://u:p@h/x', 'https://h/x#y', 'https://h/x#']) {
      expect(() => new EventsClient(() => expect.fail(), { webhook: { receiver, url } })).toThrow(TypeError);
    }
  });

  it('takes posts that overtake the answer to the subscribe request, behind its cursor and its gap', async () => {
    const told: unknown[] = [];
    const { receiver, subscribes, events, server, clock } = await webhookWorld();
    server.on(Methods.subscribe, () => pending);
    const reading = events.subscribe('incident.opened', {}, { from: 'stale', onGap: (gap) => void told.push(gap) });
    void reading.then(async (subscription) => {
      for await (const { eventId } of subscription) told.push(eventId);
    });
    await settle();
    const answers = [receiver.last.event('e1', 'c1'), receiver.last.event('e2', 'c2')];
    await settle();
    expect(told).toEqual([]);
    server.answer(subscribes()[0]!.id, granted(clock, HOUR_MS, { truncated: true }));
    expect(await Promise.all(answers)).toEqual(['accepted', 'accepted']);
    await settle();
    expect(told).toEqual([{ reason: 'truncated', cursor: 'c0' }, 'e1', 'e2']);
    await events.close();
  });

  it('ignores an event of another type', async () => {
    const { receiver, events, warnings } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    expect(await receiver.last.event('x', 'c1', undefined, { name: 'other' })).toBe('accepted');
    await receiver.last.event('e1', 'c1');
    await settle();
    expect(reader.ids).toEqual(['e1']);
    expect(warnings.join()).toContain('other');
    await events.close();
  });

  it('CUR-04 CUR-05 STATUS-01 DIALECT-14 accepts a result with nothing but what it must have, and events without cursor', async () => {
    const store = memoryStore();
    const { receiver, subscribes, events, server, clock } = await webhookWorld({ store });
    server.withResultType = false;
    server.on(Methods.subscribe, () => ({ id: 'i', refreshBefore: new Date(clock.now() + HOUR_MS).toISOString() }));
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    await receiver.last.event('e1');
    await clock.advance(HOUR_MS);
    await receiver.last.event('e2');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2']);
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, null]);
    expect(await store.list()).toMatchObject([{ cursor: null, seen: [], webhook: { seen: [] } }]);
    await events.close();
  });

  it('CUR-14 ignores truncated for a type without cursors', async () => {
    let gaps = 0;
    const { events, server, clock } = await webhookWorld();
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { truncated: true, cursor: null }));
    await events.subscribe('incident.opened', {}, { onGap: () => void (gaps += 1) });
    await settle();
    expect(gaps).toBe(0);
    await events.close();
  });

  it('CUR-13 tells a gap once when the subscribe result is truncated, stores its cursor and goes on', async () => {
    const gaps: Gap[] = [];
    const store = memoryStore();
    const { receiver, subscribes, events, server, clock } = await webhookWorld({ store });
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { truncated: true, cursor: 'fresh' }));
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { from: 'stale', onGap: (gap) => void gaps.push(gap) },
    );
    await settle();
    expect(gaps).toEqual([{ reason: 'truncated', cursor: 'fresh' }]);
    expect(await store.list()).toMatchObject([{ cursor: 'fresh' }]);
    expect(subscribes()).toHaveLength(1);
    const reader = new Reader(subscription);
    await receiver.last.event('e1', 'c1');
    await settle();
    expect(reader.ids).toEqual(['e1']);
    await events.close();
  });

  it('ENV-04 CUR-13 on a gap stores the cursor, tells it at its place and does not subscribe again', async () => {
    const order: unknown[] = [];
    const store = memoryStore();
    const { receiver, subscribes, events } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.opened', {}, { onGap: (gap) => void order.push(gap) });
    void (async () => {
      for await (const { eventId } of subscription) order.push(eventId);
    })();
    await settle();
    await receiver.last.event('e1', 'c1');
    expect(await receiver.last.gap('fresh')).toBe('accepted');
    await settle();
    expect(order).toEqual(['e1', { reason: 'truncated', cursor: 'fresh' }]);
    expect(await store.list()).toMatchObject([{ cursor: 'fresh' }]);
    await receiver.last.event('e2', 'c2');
    await settle();
    expect(order.at(-1)).toBe('e2');
    expect(subscribes()).toHaveLength(1);
    expect(receiver.callbacks).toHaveLength(1);
    await events.close();
  });

  it('many subscriptions wait for one connection without a warning of a leak', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const { events, subscribes } = await webhookWorld();
    for (let n = 0; n < 12; n += 1) await events.subscribe('incident.opened', { n });
    await settle();
    expect(subscribes()).toHaveLength(12);
    await new Promise((resolve) => setImmediate(resolve));
    await events.close();
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });
});

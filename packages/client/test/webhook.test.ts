import { Methods, ORDER_META_KEY } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { EventsClient, type Gap, memoryStore } from '../src/index.ts';
import { batch, pending, RpcFailure } from './support/rawServer.ts';
import { BASE_URL, granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle } from './support/world.ts';

const secretPattern = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/;

describe('a webhook subscription', () => {
  it('CLIENT-02 CLIENT-05 OP-06 prefers webhooks and hands their events out like those of other modes', async () => {
    const { receiver, subscribes, unsubscribes, events, server } = await webhookWorld({
      hooks: { ttlMs: 5 * HOUR_MS },
    });
    const subscription = await events.subscribe('incident.created', { severity: 'P1' }, { maxAgeMs: 60_000 });
    const reader = new Reader(subscription);
    await settle();
    const { params } = subscribes()[0]!;
    expect(params).toMatchObject({
      name: 'incident.created',
      arguments: { severity: 'P1' },
      delivery: { mode: 'webhook' },
      cursor: null,
      maxAgeMs: 60_000,
      ttlMs: 5 * HOUR_MS,
    });
    expect(params['delivery'].url).toMatch(/^https:\/\/agent\.example\/hooks\/[0-9a-f-]{36}$/);
    expect(subscription.status).toEqual({ state: 'active', delivery: 'webhook' });
    expect(receiver.last.id).toBe('sub_1');
    const order = { position: 'p1', previous: null };
    const _meta = { trace: 'x', [ORDER_META_KEY]: order };
    expect(await receiver.last.event('e1', 'c1', order, { _meta })).toBe('accepted');
    expect(await receiver.last.event('e2', 'c1', { position: 'p2', previous: 'p1' })).toBe('accepted');
    await settle();
    const head = { name: 'incident.created', timestamp: '2026-07-28T12:00:00Z', delivery: 'webhook' };
    expect(reader.events).toEqual([
      { ...head, eventId: 'e1', data: { id: 'e1' }, cursor: 'c1', _meta: { trace: 'x' } },
      { ...head, eventId: 'e2', data: { id: 'e2' }, cursor: 'c1' },
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
    await events.subscribe('incident.created');
    await settle();
    expect(subscribes()).toHaveLength(1);
    expect(atSubscribe).toEqual([true]);
    await events.close();
  });

  it('SIG-11 makes a secret for each subscription and each start, unless a provider is given', async () => {
    const store = memoryStore();
    const secrets: string[] = [];
    for (let start = 0; start < 2; start += 1) {
      const { subscribes, events } = await webhookWorld({ store });
      if (start === 0) for (const n of [1, 2]) await events.subscribe('incident.created', { n });
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
    await events.subscribe('incident.created');
    await settle();
    expect(subscribes()[0]!.params['delivery'].secret).toBe(own);
    await events.close();
  });

  it('OP-28 gives each subscription a path of its own, which the store keeps and the secret never enters', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store, hooks: { url: `${BASE_URL}/?tenant=1` } });
    for (const n of [1, 2]) await first.events.subscribe('incident.created', { n });
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
    const reading = events.subscribe('incident.created', {}, { from: 'stale', onGap: (gap) => void told.push(gap) });
    void reading.then(async (subscription) => {
      for await (const { eventId } of subscription) told.push(eventId);
    });
    await settle();
    const answers = [receiver.last.event('e1', 'c1'), receiver.last.event('e2', 'c2')];
    await settle();
    expect(told).toEqual([]);
    server.answer(subscribes()[0]!.id, granted(clock, HOUR_MS, { truncated: true }) as Record<string, unknown>);
    expect(await Promise.all(answers)).toEqual(['accepted', 'accepted']);
    await settle();
    expect(told).toEqual([{ reason: 'truncated', cursor: 'c0' }, 'e1', 'e2']);
    await events.close();
  });

  it('ignores an event of another type', async () => {
    const { receiver, events, warnings } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.created'));
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
    const reader = new Reader(await events.subscribe('incident.created'));
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
    await events.subscribe('incident.created', {}, { onGap: () => void (gaps += 1) });
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
      'incident.created',
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
    const subscription = await events.subscribe('incident.created', {}, { onGap: (gap) => void order.push(gap) });
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
});

describe('the end of a webhook subscription', () => {
  it('CLIENT-07 cancel ends it at the server, forgets it and takes no more posts', async () => {
    const store = memoryStore();
    const { receiver, subscribes, unsubscribes, events, clock } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.created', { a: 1 });
    await settle();
    await subscription.cancel();
    expect(unsubscribes().map(({ params }) => params)).toMatchObject([
      { name: 'incident.created', arguments: { a: 1 }, delivery: { url: subscribes()[0]!.params['delivery'].url } },
    ]);
    expect(unsubscribes()[0]!.params['delivery']).not.toHaveProperty('mode');
    expect(await receiver.last.event('e1', 'c1')).toBe('unknown');
    expect(await store.list()).toEqual([]);
    await clock.advance(10 * HOUR_MS);
    expect(subscribes()).toHaveLength(1);
    expect(clock.pending).toBe(0);
    await events.close();
  });

  it('CLIENT-08 OP-23 takes NotFound for the end, in either dialect', async () => {
    for (const code of [-32023, -32011]) {
      const { events, server, warnings } = await webhookWorld();
      server.on(Methods.unsubscribe, () => {
        throw new RpcFailure(code);
      });
      const subscription = await events.subscribe('incident.created');
      await settle();
      await subscription.cancel();
      expect(warnings).toEqual([]);
      await events.close();
    }
  });

  it('stop and close end it at the server too and keep the position; a server that does not answer holds up nobody', async () => {
    const store = memoryStore();
    const { receiver, unsubscribes, events, server, clock, warnings } = await webhookWorld({ store });
    const stopped = await events.subscribe('incident.created', { n: 1 });
    await events.subscribe('incident.created', { n: 2 });
    await settle();
    stopped.stop();
    await settle();
    expect(unsubscribes()).toHaveLength(1);
    server.on(Methods.unsubscribe, () => pending);
    let closed = false;
    void events.close().then(() => (closed = true));
    await clock.advance(2_999);
    expect(unsubscribes()).toHaveLength(2);
    expect(closed).toBe(false);
    await clock.advance(1);
    expect(closed).toBe(true);
    expect(warnings).toHaveLength(1);
    expect(receiver.callbacks.map(({ open }) => open)).toEqual([false, false]);
    expect(await store.list()).toMatchObject([{ cursor: 'c0' }, { cursor: 'c0' }]);
    expect(clock.pending).toBe(0);
  });

  it('ends it at the server also if stopped before the answer came, and lets the next one wait for that', async () => {
    const { subscribes, unsubscribes, events, server } = await webhookWorld();
    server.on(Methods.subscribe, () => pending);
    const first = await events.subscribe('incident.created');
    await settle();
    server.on(Methods.unsubscribe, () => pending);
    first.stop();
    const again = events.subscribe('incident.created');
    await settle();
    expect(unsubscribes()).toHaveLength(1);
    expect(subscribes()).toHaveLength(1);
    server.on(Methods.unsubscribe, () => ({}));
    server.answer(unsubscribes()[0]!.id, {});
    await again;
    await settle();
    expect(subscribes()).toHaveLength(2);
    await events.close();
  });

  it('CLIENT-01 ends what an earlier process left before it subscribes from the kept cursor', async () => {
    const store = memoryStore();
    const crashed = await webhookWorld({ store });
    const reader = new Reader(await crashed.events.subscribe('incident.created'));
    await settle();
    await crashed.receiver.last.event('e1', 'c1');
    await settle();
    expect(reader.ids).toEqual(['e1']);

    const { server, subscribes, unsubscribes, events, receiver } = await webhookWorld({ store });
    const [resumed] = await events.resume();
    const resumedReader = new Reader(resumed!);
    await settle();
    const { url } = subscribes()[0]!.params['delivery'];
    expect(url).toBe(crashed.subscribes()[0]!.params['delivery'].url);
    expect(unsubscribes().map(({ params }) => params['delivery'].url)).toEqual([url]);
    const methods = server.received.map(({ method }) => method);
    expect(methods.indexOf(Methods.unsubscribe)).toBeLessThan(methods.indexOf(Methods.subscribe));
    expect(subscribes()[0]!.params['cursor']).toBe('c1');
    await receiver.last.event('e1', 'c1');
    await receiver.last.event('e2', 'c2');
    await settle();
    expect(resumedReader.ids).toEqual(['e2']);
    await events.close();
    await crashed.events.close();
  });

  it('takes another URL if the server refuses to end what an earlier process left', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store });
    await first.events.subscribe('incident.created');
    await settle();
    await first.events.close();
    const { server, subscribes, unsubscribes, events, warnings } = await webhookWorld({ store });
    server.on(Methods.unsubscribe, () => {
      throw new RpcFailure(-32602);
    });
    await events.resume();
    await settle();
    const { url } = subscribes()[0]!.params['delivery'];
    expect(url).not.toBe(unsubscribes()[0]!.params['delivery'].url);
    expect(warnings).toHaveLength(1);
    await events.close();
  });

  it('does not subscribe before it knows that an earlier subscription is gone', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store });
    await first.events.subscribe('incident.created', {}, { delivery: 'webhook' });
    await settle();
    await first.events.close();
    const { server, subscribes, unsubscribes, events, clock } = await webhookWorld({ store });
    server.on(Methods.unsubscribe, () => pending);
    await events.resume();
    await settle();
    await server.die();
    await clock.advance(1_000);
    expect(unsubscribes()).toHaveLength(2);
    expect(subscribes()).toEqual([]);
    server.answer(unsubscribes()[1]!.id, {});
    await settle();
    expect(subscribes()).toHaveLength(1);
    server.on(Methods.unsubscribe, () => ({}));
    await events.close();
  });

  for (const code of [-32024, -32012]) {
    it(`TERM-07 TERM-08 Forbidden (${code}) ends it without retry, after what was received before`, async () => {
      const told: Error[] = [];
      const store = memoryStore();
      const { receiver, subscribes, unsubscribes, events, server, clock } = await webhookWorld({ store });
      const subscription = await events.subscribe(
        'incident.created',
        {},
        { onTerminated: (error) => told.push(error) },
      );
      await settle();
      const { last } = receiver;
      await last.event('e1', 'c1');
      expect(await last.terminated(code, { reason: 'revoked' })).toBe('accepted');
      await clock.advance(10 * HOUR_MS);
      expect(told).toMatchObject([{ errorName: 'Forbidden', data: { reason: 'revoked' } }]);
      expect(events.subscriptions).toEqual([]);
      const reader = new Reader(subscription);
      await settle();
      expect(reader.ids).toEqual(['e1']);
      expect(reader.error).toBe(told[0]);
      expect(await last.event('late', 'c2')).toBe('unknown');
      expect(subscribes()).toHaveLength(1);
      expect(unsubscribes()).toEqual([]);
      expect(server.streams()).toEqual([]);
      expect(await store.list()).toMatchObject([{ ended: true }]);
      await events.close();
    });
  }

  it('TERM-08 NotFound lists again and subscribes anew from the kept cursor', async () => {
    const { receiver, subscribes, events, server, clock } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.created'));
    await settle();
    await receiver.last.event('e1', 'c1');
    await receiver.last.terminated(-32023, { kind: 'event' });
    await clock.advance(1_000);
    expect(server.requests(Methods.list)).toHaveLength(2);
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, 'c1']);
    await receiver.last.event('e2', 'c2');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2']);
    await events.close();
  });
});

describe('order and bounds', () => {
  const chain = (n: number): { position: string; previous: string | null } => ({
    position: `p${n}`,
    previous: n === 1 ? null : `p${n - 1}`,
  });

  it('ORDER-02 ORDER-04 puts arrivals in order and drops repetitions', async () => {
    const { receiver, events } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.created'));
    await settle();
    for (const n of [3, 1, 3, 5, 2, 2, 4, 1]) await receiver.last.event(`e${n}`, 'c0', chain(n));
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
    await events.close();
  });

  it('tells a gap when one does not come in time, and hands it out late if it comes after all', async () => {
    const order: unknown[] = [];
    const { receiver, events, clock } = await webhookWorld();
    const subscription = await events.subscribe(
      'incident.created',
      {},
      { onGap: ({ reason }) => void order.push(reason) },
    );
    void (async () => {
      for await (const { eventId } of subscription) order.push(eventId);
    })();
    await settle();
    for (const n of [1, 3, 4]) await receiver.last.event(`e${n}`, 'c1', chain(n));
    await clock.advance(59_999);
    expect(order).toEqual(['e1']);
    await clock.advance(1);
    expect(order).toEqual(['e1', 'overdue', 'e3', 'e4']);
    await receiver.last.event('e2', 'c1', chain(2));
    await settle();
    expect(order.at(-1)).toBe('e2');
    await events.close();
  });

  it('does not move the position past what waits, by a refresh or by a server that began anew', async () => {
    const store = memoryStore();
    const { receiver, events, server, clock } = await webhookWorld({ store });
    const reader = new Reader(await events.subscribe('incident.created'));
    await settle();
    await receiver.last.event('e1', 'c1', chain(1));
    await clock.advance(HOUR_MS * 0.8 - 1_000);
    await receiver.last.event('e3', 'c1', chain(3));
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: 'c9' }));
    await clock.advance(1_000);
    await receiver.last.event('e9', 'c9', { position: 'q9', previous: null });
    await settle();
    expect(reader.ids).toEqual(['e1', 'e9']);
    expect(await store.list()).toMatchObject([{ cursor: 'c1' }]);
    await receiver.last.event('e2', 'c1', chain(2));
    await receiver.last.event('e10', 'c10', { position: 'q10', previous: 'q9' });
    await settle();
    expect(reader.ids).toEqual(['e1', 'e9', 'e2', 'e3', 'e10']);
    expect(await store.list()).toMatchObject([{ cursor: 'c10' }]);
    await events.close();
  });

  it('CLIENT-06 sends the cursor received last with each refresh, and stores that of the answer in its place', async () => {
    const store = memoryStore();
    const { receiver, subscribes, events, server, clock } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.created');
    await settle();
    await receiver.last.event('e1', 'c1');
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: 'c7' }));
    await clock.advance(HOUR_MS);
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, 'c1']);
    // Not before the event in front of it was handled.
    expect(await store.list()).toMatchObject([{ cursor: 'c0' }]);
    new Reader(subscription);
    await settle();
    expect(await store.list()).toMatchObject([{ cursor: 'c7' }]);
    await events.close();
  });

  it('keeps a bounded number of events, pauses by ending the subscription, and resumes from the cursor', async () => {
    const { receiver, subscribes, unsubscribes, events } = await webhookWorld({ maxBufferedEvents: 4 });
    const subscription = await events.subscribe('incident.created');
    await settle();
    const answers: string[] = [];
    for (let n = 1; n <= 6; n += 1) answers.push(await receiver.last.event(`e${n}`, `c${n}`, chain(n)));
    await settle();
    expect(answers).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'retry', 'retry']);
    expect(subscription.status.state).toBe('paused');
    expect(unsubscribes()).toHaveLength(1);
    const taken: string[] = [];
    for (let n = 1; n <= 2; n += 1) taken.push((await subscription.next()).value!.eventId);
    await settle();
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, 'c4']);
    // Known to be ended, so not ended again.
    expect(unsubscribes()).toHaveLength(1);
    for (let n = 5; n <= 6; n += 1) await receiver.last.event(`e${n}`, `c${n}`);
    for (let n = 3; n <= 6; n += 1) taken.push((await subscription.next()).value!.eventId);
    expect(taken).toEqual(['e1', 'e2', 'e3', 'e4', 'e5', 'e6']);
    await events.close();
  });

  it('refuses what would wait beyond the bounds, and never the one it waits for', async () => {
    const { receiver, events } = await webhookWorld({ maxBufferedEvents: 4 });
    const subscription = await events.subscribe('incident.created');
    await settle();
    const answers: string[] = [];
    for (const n of [1, 3, 4, 5, 6, 7, 2]) answers.push(await receiver.last.event(`e${n}`, 'c0', chain(n)));
    expect(answers).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'retry', 'retry', 'accepted']);
    const taken: string[] = [];
    for (let n = 1; n <= 5; n += 1) taken.push((await subscription.next()).value!.eventId);
    expect(taken).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
    expect(subscription.status.state).toBe('active');
    await events.close();
  });

  it('without replay refuses, tells that something may be missing, and keeps the subscription', async () => {
    const order: string[] = [];
    const { receiver, unsubscribes, events, server, clock } = await webhookWorld({ maxBufferedEvents: 2 });
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: null }));
    const subscription = await events.subscribe(
      'incident.created',
      {},
      { onGap: ({ reason }) => void order.push(reason) },
    );
    await settle();
    const answers: string[] = [];
    for (let n = 1; n <= 4; n += 1) answers.push(await receiver.last.event(`e${n}`, null));
    expect(answers).toEqual(['accepted', 'accepted', 'retry', 'retry']);
    for (let n = 1; n <= 2; n += 1) order.push((await subscription.next()).value!.eventId);
    expect(await receiver.last.event('e3', null)).toBe('accepted');
    order.push((await subscription.next()).value!.eventId);
    expect(order).toEqual(['e1', 'e2', 'overflow', 'e3']);
    expect(unsubscribes()).toEqual([]);
    await events.close();
  });

  it('CLIENT-01 ORDER-04 keeps the ids acknowledged beyond a watermark, so that a restart hands none out twice', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store });
    const reader = new Reader(await first.events.subscribe('incident.created'));
    await settle();
    // Unordered, the first one still missing.
    for (const n of [3, 2, 5]) await first.receiver.last.event(`e${n}`, 'c0');
    await settle();
    await first.events.close();
    expect(reader.ids).toEqual(['e3', 'e2', 'e5']);
    expect(await store.list()).toMatchObject([{ cursor: 'c0', webhook: { seen: ['e3', 'e2', 'e5'] } }]);

    const second = await webhookWorld({ store });
    const [resumed] = await second.events.resume(() => ({ delivery: 'push' }));
    const pushed = new Reader(resumed!);
    await settle();
    const stream = second.server.stream();
    expect(stream.request.params['cursor']).toBe('c0');
    stream.active('c0');
    stream.event('e1', 'c1');
    await settle();
    await second.events.close();

    const third = await webhookWorld({ store });
    third.server.on(Methods.poll, () => batch(['e2', 'e3', 'e4', 'e5', 'e6'], 'c6'));
    const [polling] = await third.events.resume(() => ({ delivery: 'poll' }));
    const polled = new Reader(polling!);
    await settle();
    expect(third.server.requests(Methods.poll)[0]!.params['cursor']).toBe('c1');
    expect([...reader.ids, ...pushed.ids, ...polled.ids]).toEqual(['e3', 'e2', 'e5', 'e1', 'e4', 'e6']);
    await third.events.close();
  });
});

import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../src/index.ts';
import { FakeClock } from './support/fakeClock.ts';
import { batch, pending, type RawRequest } from './support/rawServer.ts';
import { granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle } from './support/world.ts';

describe('order and bounds of webhooks', () => {
  const chain = (n: number): { position: string; previous: string | null } => ({
    position: `c${n}`,
    previous: n === 1 ? null : `c${n - 1}`,
  });

  it('ORDER-02 ORDER-04 puts arrivals in order and drops repetitions', async () => {
    const { receiver, events } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    for (const n of [3, 1, 3, 5, 2, 2, 4, 1]) await receiver.last.event(`e${n}`, 'c0', chain(n));
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
    await events.close();
  });

  it('ORDER-02 waits a minute for a missing one, however the clock is set meanwhile', async () => {
    for (const offsetMs of [-HOUR_MS, HOUR_MS]) {
      const clock = new FakeClock();
      const { receiver, events } = await webhookWorld({ clock });
      const order: unknown[] = [];
      const subscription = await events.subscribe(
        'incident.opened',
        {},
        { onGap: ({ reason }) => void order.push(reason) },
      );
      await settle();
      for (const n of [1, 3]) await receiver.last.event(`e${n}`, 'c1', chain(n));
      clock.jump(offsetMs);
      const reader = new Reader(subscription);
      await clock.advance(30_000);
      await receiver.last.event('e6', 'c1', chain(6));
      await clock.advance(29_999);
      expect(order).toEqual([]);
      await clock.advance(1);
      expect(order).toEqual(['overdue']);
      expect(reader.ids).toEqual(['e1', 'e3']);
      await clock.advance(29_999);
      expect(reader.ids).toEqual(['e1', 'e3']);
      await clock.advance(1);
      expect(reader.ids).toEqual(['e1', 'e3', 'e6']);
      await events.close();
    }
  });

  it('ENV-04 CUR-13 tells a gap of the server before what waited for the missing ones, and goes on from it behind that', async () => {
    const order: unknown[] = [];
    const store = memoryStore();
    const { receiver, events } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.opened', {}, { onGap: (gap) => void order.push(gap) });
    await settle();
    for (const n of [1, 3, 4]) await receiver.last.event(`e${n}`, 'c1', chain(n));
    await receiver.last.gap('c9');
    for (let n = 0; n < 3; n++) {
      const next = await subscription.next();
      order.push([next.value?.eventId, (await store.list())[0]?.cursor]);
    }
    const gap = { reason: 'truncated', cursor: null };
    expect(order).toEqual([['e1', 'c0'], gap, ['e3', 'c1'], ['e4', 'c1']]);
    new Reader(subscription);
    await settle();
    expect(await store.list()).toMatchObject([{ cursor: 'c9' }]);
    await events.close();
  });

  it('tells a gap when one does not come in time, and hands it out late if it comes after all', async () => {
    const order: unknown[] = [];
    const { receiver, events, clock } = await webhookWorld();
    const subscription = await events.subscribe(
      'incident.opened',
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
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    await receiver.last.event('e1', 'c1', chain(1));
    await clock.advance(HOUR_MS * 0.8 - 1_000);
    await receiver.last.event('e3', 'c1', chain(3));
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: 'c9' }));
    await clock.advance(1_000);
    await receiver.last.event('e9', 'c9', { position: 'c9', previous: null });
    await settle();
    // ORDER-08: what waits comes before it, or in it, and only the next ones tell.
    expect(reader.ids).toEqual(['e1']);
    expect(await store.list()).toMatchObject([{ cursor: 'c1' }]);
    await receiver.last.event('e2', 'c1', chain(2));
    await receiver.last.event('e10', 'c10', { position: 'c10', previous: 'c9' });
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3', 'e9', 'e10']);
    expect(await store.list()).toMatchObject([{ cursor: 'c10' }]);
    await events.close();
  });

  it('ORDER-08 subscribes anew from the position when a chain began and what waited before it does not come', async () => {
    const told: unknown[] = [];
    const { receiver, events, clock, subscribes, unsubscribes } = await webhookWorld();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { onGap: ({ reason }) => void told.push(reason) },
    );
    const reader = new Reader(subscription);
    await settle();
    for (const n of [1, 3]) await receiver.last.event(`e${n}`, 'c1', chain(n));
    for (const n of [5, 6])
      await receiver.last.event(`e${n}`, 'c1', { ...chain(n), ...(n === 5 && { previous: null }) });
    await clock.advance(59_999);
    expect(reader.ids).toEqual(['e1']);
    await clock.advance(1);
    expect(unsubscribes()).toHaveLength(1);
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, 'c1']);
    // Everything behind the position comes again, in one chain.
    for (const n of [3, 4, 5, 6]) {
      await receiver.last.event(`e${n}`, `c${n}`, { ...chain(n), ...(n === 3 && { previous: null }) });
    }
    await settle();
    expect(reader.ids).toEqual(['e1', 'e3', 'e4', 'e5', 'e6']);
    expect(told).toEqual([]);
    await events.close();
  });

  it('ORDER-08 tells a gap instead where there is no position to subscribe anew from', async () => {
    const told: unknown[] = [];
    const { receiver, events, clock, server, subscribes } = await webhookWorld();
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: null }));
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { onGap: ({ reason }) => void told.push(reason) },
    );
    const reader = new Reader(subscription);
    await settle();
    for (const n of [1, 3]) await receiver.last.event(`e${n}`, null, chain(n));
    await receiver.last.event('e5', null, { ...chain(5), previous: null });
    await clock.advance(60_000);
    expect(reader.ids).toEqual(['e1', 'e3', 'e5']);
    expect(told).toEqual(['overdue']);
    expect(subscribes()).toHaveLength(1);
    await events.close();
  });

  it('ORDER-08 chains that begin while others wait take no more room than what waits', async () => {
    const { receiver, events } = await webhookWorld({ maxBufferedBytes: 1_000_000 });
    new Reader(await events.subscribe('incident.opened'));
    await settle();
    const data = { data: { text: 'x'.repeat(100_000) } };
    for (const n of [1, 3]) await receiver.last.event(`e${n}`, 'c1', chain(n), data);
    const answers: string[] = [];
    for (let n = 5; n < 30; n += 1) {
      answers.push(await receiver.last.event(`e${n}`, 'c1', { position: `c${n}`, previous: null }, data));
    }
    expect(answers.filter((answer) => answer === 'accepted').length).toBeLessThan(10);
    expect(answers.at(-1)).toBe('retry');
    await events.close();
  });

  it('CLIENT-06 sends the cursor received last with each refresh, and stores that of the answer in its place', async () => {
    const store = memoryStore();
    const { receiver, subscribes, events, server, clock } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.opened');
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
    const subscription = await events.subscribe('incident.opened');
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

  it('refuses what would wait beyond a bound, but never the one that is waited for', async () => {
    const { receiver, events } = await webhookWorld({ maxBufferedBytes: 2_000_000 });
    const subscription = await events.subscribe('incident.opened');
    await settle();
    const post = (n: number): Promise<string> =>
      receiver.last.event(`e${n}`, 'c0', chain(n), { data: { text: 'x'.repeat(100_000) } });
    await post(1);
    let last = 4;
    while ((await post(last)) === 'accepted') last += 1;
    expect(last).toBe(13);
    // Awaited by name; for the second time; in its turn.
    for (const n of [3, last, 2]) expect(await post(n)).toBe('accepted');
    for (let n = 1; n <= last; n += 1) expect((await subscription.next()).value!.eventId).toBe(`e${n}`);
    expect(await post(last + 2)).toBe('accepted');
    expect(subscription.status.state).toBe('active');
    await events.close();
  });

  it('pauses for a slow application also when the posts overtake each other', async () => {
    const { receiver, unsubscribes, events } = await webhookWorld({ maxBufferedEvents: 4 });
    const subscription = await events.subscribe('incident.opened');
    await settle();
    const answers: string[] = [];
    for (const n of [1, 2, 3, 5, 6, 4, 7, 9]) answers.push(await receiver.last.event(`e${n}`, `c${n}`, chain(n)));
    await settle();
    // What was taken out of order may go beyond the bound when its turn comes.
    expect(answers).toEqual([...Array.from({ length: 6 }, () => 'accepted'), 'retry', 'retry']);
    expect(subscription.status.state).toBe('paused');
    expect(unsubscribes()).toHaveLength(1);
    const taken: string[] = [];
    for (let n = 1; n <= 4; n += 1) taken.push((await subscription.next()).value!.eventId);
    await settle();
    await receiver.last.event('e7', 'c7');
    for (let n = 5; n <= 7; n += 1) taken.push((await subscription.next()).value!.eventId);
    expect(taken).toEqual(['e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7']);
    await events.close();
  });

  it('without replay refuses, tells that something may be missing, and keeps the subscription', async () => {
    const order: string[] = [];
    const { receiver, unsubscribes, events, server, clock } = await webhookWorld({ maxBufferedEvents: 2 });
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: null }));
    const subscription = await events.subscribe(
      'incident.opened',
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
    const reader = new Reader(await first.events.subscribe('incident.opened'));
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

  it('G5 holds only so many posts that come before the answer to the subscribe request', async () => {
    const { receiver, events, server, clock } = await webhookWorld({ maxBufferedEvents: 3 });
    let request: RawRequest | undefined;
    server.on(Methods.subscribe, (received) => {
      request = received;
      return pending;
    });
    const subscribing = events.subscribe('incident.opened');
    await settle();
    const posts = [1, 2, 3, 4].map((n) => receiver.last.event(`e${n}`, 'c0', chain(n)));
    expect(await posts[3]).toBe('retry');
    server.answer(request!.id, granted(clock, HOUR_MS));
    const reader = new Reader(await subscribing);
    expect(await Promise.all(posts)).toEqual(['accepted', 'accepted', 'accepted', 'retry']);
    await settle();
    expect(await receiver.last.event('e4', 'c0', chain(4))).toBe('accepted');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3', 'e4']);
    await events.close();
  });

  it.each([
    [200, 2],
    [199, 1],
  ])('G5 holds only so many bytes of them: of %i, %i posts of a hundred each', async (maxBufferedBytes, most) => {
    const { receiver, events, server, clock } = await webhookWorld({ maxBufferedBytes });
    let request: RawRequest | undefined;
    server.on(Methods.subscribe, (received) => {
      request = received;
      return pending;
    });
    const subscribing = events.subscribe('incident.opened');
    await settle();
    const answers: unknown[] = ['waits', 'waits', 'waits'];
    const posts = [1, 2, 3].map(async (n) => {
      answers[n - 1] = await receiver.last.event(`e${n}`, 'c0', chain(n));
    });
    await settle();
    expect(answers).toEqual([1, 2, 3].map((n) => (n <= most ? 'waits' : 'retry')));
    server.answer(request!.id, granted(clock, HOUR_MS));
    await Promise.all(posts);
    expect(answers[0]).toBe('accepted');
    await subscribing;
    await events.close();
  });
});

import { type EventOrder, Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { OwnPosition } from '../src/delivery/webhook/ownPosition.ts';
import { memoryStore } from '../src/index.ts';
import type { FakeCallback } from './support/fakeReceiver.ts';
import { granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle } from './support/world.ts';

const place = (n: number, previous: number | null = n - 1): EventOrder => ({
  position: `c${n}`,
  previous: previous === null || previous === 0 ? null : `c${previous}`,
});
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const ids = (from: number, to: number): string[] => range(from, to).map((n) => `e${n}`);

/** Posts events of one chain, all with the same watermark. */
async function posts(callback: FakeCallback, from: number, to: number, watermark: string): Promise<void> {
  for (const n of range(from, to)) {
    expect(
      await callback.event(`e${n}`, watermark, place(n, n === from && watermark === `c${n - 1}` ? null : n - 1)),
    ).toBe('accepted');
    await settle();
  }
}

describe('the position of a webhook subscription that tells the order', () => {
  it('CLIENT-01 CLIENT-06 ORDER-04 is that of the last event handled, however far the watermark lags: a restart repeats and loses nothing', async () => {
    const store = memoryStore();
    const first = await webhookWorld({ store });
    const reader = new Reader(await first.events.subscribe('incident.opened', {}, { from: 'c0' }));
    await settle();
    // The server never learns that the first one was acknowledged.
    await posts(first.receiver.last, 1, 1_300, 'c0');
    await first.clock.advance(HOUR_MS);
    expect(first.subscribes().map(({ params }) => params['cursor'])).toEqual(['c0', 'c1300']);
    await posts(first.receiver.last, 1_301, 1_500, 'c0');
    await first.events.close();
    expect(await store.list()).toMatchObject([{ cursor: 'c1500', seen: [], webhook: { seen: [] } }]);

    const second = await webhookWorld({ store });
    second.server.on(Methods.subscribe, ({ params }) => granted(second.clock, HOUR_MS, { cursor: params['cursor'] }));
    const [resumed] = await second.events.resume();
    const rest = new Reader(resumed!);
    await settle();
    const { cursor } = second.subscribes()[0]!.params;
    await posts(second.receiver.last, Number(cursor.slice(1)) + 1, 1_600, cursor);
    await second.events.close();
    expect([...reader.ids, ...rest.ids]).toEqual(ids(1, 1_600));
  });

  it('CLIENT-06 is handed out with each event, in the order of release', async () => {
    const { receiver, events } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    // While others wait, the start of a chain may lie beyond them.
    for (const n of [3, 1, 2, 6, 4, 5, 7]) await receiver.last.event(`e${n}`, 'c0', place(n));
    await settle();
    expect(reader.events.map(({ cursor }) => cursor)).toEqual(['c0', 'c0', 'c3', 'c4', 'c5', 'c6', 'c7']);
    await events.close();
  });

  it('CUR-05 is none where the body has no cursor, whatever the place in the order', async () => {
    const store = memoryStore();
    const { receiver, events, server, clock } = await webhookWorld({ store });
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: null }));
    const subscription = await events.subscribe('incident.opened');
    const reader = new Reader(subscription);
    await settle();
    for (const n of [1, 2]) await receiver.last.event(`e${n}`, null, place(n));
    await settle();
    expect(reader.events.map(({ cursor }) => cursor)).toEqual([null, null]);
    expect(await store.list()).toMatchObject([{ cursor: null, webhook: { seen: [] } }]);
    await events.close();
  });

  it('ORDER-04 stays before an event that is overdue, until the watermark shows that it is settled', async () => {
    const store = memoryStore();
    const { receiver, events, clock } = await webhookWorld({ store });
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    for (const n of [1, 3, 4]) await receiver.last.event(`e${n}`, 'c0', place(n));
    await clock.advance(60_000);
    expect(reader.events.map(({ cursor }) => cursor)).toEqual(['c1', 'c1', 'c1']);
    await receiver.last.event('e5', 'c1', place(5));
    await settle();
    // Redelivered out of the order, by hand.
    await receiver.last.event('e0', 'c1');
    await settle();
    expect(reader.events.at(-1)).toMatchObject({ eventId: 'e0', cursor: 'c1' });
    expect(await store.list()).toMatchObject([{ cursor: 'c1', webhook: { seen: ['e3', 'e4', 'e5', 'e0'] } }]);
    await receiver.last.event('e2', 'c1', place(2));
    await receiver.last.event('e6', 'c4', place(6));
    await receiver.last.event('e7', 'c4', place(7));
    await settle();
    expect(reader.ids).toEqual(['e1', 'e3', 'e4', 'e5', 'e0', 'e2', 'e6', 'e7']);
    expect(reader.events.map(({ cursor }) => cursor).slice(-3)).toEqual(['c1', 'c6', 'c7']);
    await events.close();
  });

  it('ORDER-04 does not go back with a repetition', async () => {
    const store = memoryStore();
    const { receiver, events } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.opened');
    const reader = new Reader(subscription);
    await settle();
    await posts(receiver.last, 1, 3, 'c0');
    // The server was replaced, and begins at its watermark.
    await receiver.last.event('e1', 'c1', place(1));
    await receiver.last.event('e2', 'c1', place(2));
    await settle();
    expect(subscription.cursor).toBe('c3');
    await receiver.last.event('e4', 'c1', place(4));
    await settle();
    expect(reader.ids).toEqual(ids(1, 4));
    expect(subscription.cursor).toBe('c4');
    await events.close();
  });

  it('CUR-07 follows the watermark of a refresh only after an interval without posts', async () => {
    const store = memoryStore();
    const { receiver, events, server, clock } = await webhookWorld({ store });
    const subscription = await events.subscribe('incident.opened');
    new Reader(subscription);
    await settle();
    await receiver.last.event('e1', 'c0', place(1));
    await receiver.last.event('e2', 'c0', place(2));
    await receiver.last.gap('c2');
    await settle();
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: 'c0' }));
    await clock.advance(HOUR_MS * 0.8);
    expect(subscription.cursor).toBe('c2');
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: 'quiet' }));
    await clock.advance(HOUR_MS * 0.8);
    expect(subscription.cursor).toBe('quiet');
    await events.close();
  });

  it('ENV-04 ORDER-04 a gap that lies behind it, or a watermark in a quiet time that does, brings nothing back', async () => {
    for (const gap of [true, false]) {
      const store = memoryStore();
      const first = await webhookWorld({ store });
      const reader = new Reader(await first.events.subscribe('incident.opened'));
      await settle();
      await posts(first.receiver.last, 1, 5, 'c0');
      if (gap) await first.receiver.last.gap('c2');
      else {
        await first.clock.advance(2 * HOUR_MS);
        first.server.on(Methods.subscribe, () => granted(first.clock, HOUR_MS, { cursor: 'c2' }));
        await first.clock.advance(HOUR_MS);
      }
      await settle();
      await first.events.close();

      const second = await webhookWorld({ store });
      second.server.on(Methods.subscribe, ({ params }) => granted(second.clock, HOUR_MS, { cursor: params['cursor'] }));
      const [resumed] = await second.events.resume();
      const rest = new Reader(resumed!);
      await settle();
      expect(second.subscribes()[0]!.params['cursor']).toBe('c2');
      await posts(second.receiver.last, 3, 7, 'c2');
      await second.events.close();
      expect([...reader.ids, ...rest.ids]).toEqual(ids(1, 7));
      expect(await store.list()).toMatchObject([{ cursor: 'c7', seen: [] }]);
    }
  });
});

describe('the place of an event as a position', () => {
  it('ORDER-04 is none behind one that was passed over, while others wait that the server counts as delivered', () => {
    const own = new OwnPosition();
    expect(own.released(place(1), 'c0', false)).toBe(true);
    // The second one is overdue, and the third handed out behind the gap.
    expect(own.released(place(3), 'c0', false)).toBe(false);
    // What waits lies before the watermark, and is with nobody but this process.
    expect(own.released(place(4), 'c3', true)).toBe(false);
    expect(own.released(place(5), 'c3', false)).toBe(true);
    expect(own.released(place(6), 'c0', true)).toBe(true);
  });
});

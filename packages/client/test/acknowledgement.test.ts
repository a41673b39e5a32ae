import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { type CursorStore, type Gap, memoryStore, type Subscription } from '../src/index.ts';
import { pending, RawServer } from './support/rawServer.ts';
import { settle, world } from './support/world.ts';

/** A store on a disk that is full for a while. */
function fullAtTimes(): CursorStore & { full: boolean } {
  const memory = memoryStore();
  const store = {
    ...memory,
    full: false,
    save: async (key: string, record: never) => {
      if (store.full) throw new Error('no space left on device');
      await memory.save(key, record);
    },
  };
  return store;
}

async function cursorIn(store: CursorStore): Promise<string | null | undefined> {
  return (await store.list())[0]?.cursor;
}

/** A subscription with three events that wait, and the first of them in hand. */
async function inHand(store: CursorStore = memoryStore()) {
  const w = await world({ store });
  const subscription = await w.events.subscribe('incident.opened', {}, { from: 'c0' });
  await settle();
  for (const n of [1, 2, 3]) w.server.stream().event(`e${n}`, `c${n}`);
  await settle();
  expect((await subscription.next()).value!.eventId).toBe('e1');
  return { ...w, store, subscription };
}

describe('an orderly stop', () => {
  for (const [how, stop] of [
    ['close()', (w) => w.events.close()],
    ['stop()', (w) => w.subscription.stop()],
  ] as [string, (w: Awaited<ReturnType<typeof inHand>>) => unknown][]) {
    it(`CLIENT-13 keeps what the loop body finishes after ${how}: asking for the next event acknowledges it`, async () => {
      const w = await inHand();
      await stop(w);
      expect(await cursorIn(w.store)).toBe('c0');
      expect(await w.subscription.next()).toEqual({ done: true, value: undefined });
      expect(await cursorIn(w.store)).toBe('c1');
      await w.events.close();
    });
  }

  it('CLIENT-13 repeats nothing that was finished, at every rolling restart', async () => {
    const store = memoryStore();
    const server = new RawServer();
    const handled: string[] = [];
    const run = async (last: number): Promise<void> => {
      const { events } = await world({ server, store });
      const subscription = await events.subscribe('incident.opened', {}, handled.length === 0 ? { from: 'c0' } : {});
      await settle();
      const from = Number((server.stream().request.params['cursor'] as string).slice(1));
      for (let n = from + 1; n <= 6; n += 1) server.stream().event(`e${n}`, `c${n}`);
      let closing: Promise<void> | undefined;
      for await (const { eventId } of subscription) {
        handled.push(eventId);
        if (handled.length === last) closing = events.close();
        await settle();
      }
      await closing;
    };
    await run(2);
    await run(5);
    expect(handled).toEqual(['e1', 'e2', 'e3', 'e4', 'e5']);
  });

  it('CLIENT-13 neither break nor a thrown error acknowledges the event in hand; acknowledge() does', async () => {
    const seen: string[] = [];
    const w = await inHand();
    await w.subscription.return();
    await settle();
    expect(await cursorIn(w.store)).toBe('c0');
    const again = await w.events.subscribe('incident.opened');
    await settle();
    w.server.stream().event('e1', 'c1');
    w.server.stream().event('e2', 'c2');
    await settle();
    for await (const { eventId } of again) {
      seen.push(eventId);
      await again.acknowledge();
      break;
    }
    expect(seen).toEqual(['e1']);
    expect(await cursorIn(w.store)).toBe('c1');
    await w.events.close();
  });

  it('CLIENT-13 acknowledge() can be called after the stop, twice, and with nothing in hand', async () => {
    const w = await inHand();
    await w.subscription.acknowledge();
    await w.subscription.acknowledge();
    expect(await cursorIn(w.store)).toBe('c1');
    await w.subscription.next();
    w.subscription.stop();
    await w.subscription.acknowledge();
    expect(await cursorIn(w.store)).toBe('c2');
    await w.events.close();
  });

  it('CLIENT-13 acknowledge() acknowledges what is in hand when it is called, and never an event that is handed out later', async () => {
    const w = await inHand();
    await w.subscription.next();
    await w.subscription.next();
    const waiting = w.subscription.next();
    await settle();
    expect(await cursorIn(w.store)).toBe('c3');
    // With nothing in hand it waits for no event.
    await w.subscription.acknowledge();
    const acknowledged = w.subscription.acknowledge();
    w.server.stream().event('e4', 'c4');
    expect((await waiting).value!.eventId).toBe('e4');
    await acknowledged;
    expect(await cursorIn(w.store)).toBe('c3');
    // Asked for in one breath: the first one is in hand, the second one is not.
    const next = w.subscription.next();
    const again = w.subscription.acknowledge();
    w.server.stream().event('e5', 'c5');
    expect((await next).value!.eventId).toBe('e5');
    await again;
    expect(await cursorIn(w.store)).toBe('c4');
    await w.events.close();
  });

  it('CLIENT-13 a late acknowledgement does not move the position of a later subscription, nor bring a cancelled one back', async () => {
    const w = await inHand();
    w.subscription.stop();
    const later = await w.events.subscribe('incident.opened', {}, { from: 'c9' });
    await w.subscription.next();
    expect(await cursorIn(w.store)).toBe('c9');
    await later.cancel();
    await w.subscription.acknowledge();
    expect(await w.store.list()).toEqual([]);
    await w.events.close();

    const cancelled = await inHand();
    await cancelled.subscription.cancel();
    await cancelled.subscription.next();
    expect(await cancelled.store.list()).toEqual([]);
    await cancelled.events.close();
  });

  it('CLIENT-13 stores what was acknowledged and not stored yet, such as refused events', async () => {
    const store = memoryStore();
    const { server, events } = await world({ store });
    const subscription = await events.subscribe('incident.opened', {}, { from: 'c0', filter: () => false });
    await settle();
    const waiting = subscription.next();
    let release = (): void => {};
    const save = store.save.bind(store);
    store.save = async (key, record) => {
      await new Promise<void>((resolve) => (release = resolve));
      await save(key, record);
    };
    server.stream().event('e1', 'c1');
    await settle();
    server.stream().event('e2', 'c2');
    subscription.stop();
    release();
    await settle();
    release();
    await waiting;
    expect(await cursorIn(store)).toBe('c1');
    store.save = save;
    await events.close();
  });
});

describe('a store that fails', () => {
  it('CLIENT-13 CLIENT-14 next() after a stop can be repeated until what was acknowledged is stored', async () => {
    const store = fullAtTimes();
    const w = await inHand(store);
    w.subscription.stop();
    store.full = true;
    for (let n = 0; n < 2; n += 1) await expect(w.subscription.next()).rejects.toThrow('no space');
    store.full = false;
    expect(await w.subscription.next()).toEqual({ done: true, value: undefined });
    expect(await cursorIn(store)).toBe('c1');
    await w.events.close();
  });

  it('CLIENT-14 G2 leaves a gap that arrives while nobody reads to be told later', async () => {
    const store = fullAtTimes();
    const { server, events } = await world({ store });
    const gaps: Gap[] = [];
    const errors: Error[] = [];
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { from: 'c1', onGap: (gap) => void gaps.push(gap), onError: (error) => errors.push(error) },
    );
    await settle();
    store.full = true;
    server.stream().heartbeat('c2');
    await settle();
    server.stream().active('c20', true);
    await settle();
    expect([gaps, errors.length > 0]).toEqual([[], true]);
    store.full = false;
    server.stream().event('e21', 'c21');
    expect((await subscription.next()).value!.eventId).toBe('e21');
    expect(gaps).toMatchObject([{ reason: 'truncated', cursor: 'c20' }]);
    await events.close();
  });

  it('CLIENT-14 G2 next() that failed can be repeated as often as it fails, and tells the gap then, once', async () => {
    const store = fullAtTimes();
    const gaps: Gap[] = [];
    const { server, events } = await world({ store });
    const options = { from: 'c1', onGap: (gap: Gap) => void gaps.push(gap) };
    const subscription: Subscription = await events.subscribe('incident.opened', {}, options);
    await settle();
    server.stream().event('e2', 'c2');
    await subscription.next();
    server.stream().active('c20', true);
    server.stream().event('e21', 'c21');
    await settle();
    store.full = true;
    for (let n = 0; n < 3; n += 1) await expect(subscription.next()).rejects.toThrow('no space');
    store.full = false;
    expect((await subscription.next()).value!.eventId).toBe('e21');
    expect(gaps).toMatchObject([{ cursor: 'c20' }]);
    await events.close();
  });

  it('CLIENT-14 a gap that arrives while another one is told is not merged into it', async () => {
    const gaps: (string | null)[] = [];
    let release = (): void => {};
    const { server, events } = await world();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      {
        from: 'c1',
        onGap: ({ cursor }) => {
          gaps.push(cursor);
          return new Promise<void>((resolve) => (release = resolve));
        },
      },
    );
    await settle();
    server.stream().active('c10', true);
    await settle();
    server.stream().active('c20', true);
    release();
    await settle();
    release();
    await settle();
    expect(gaps).toEqual(['c10', 'c20']);
    expect(subscription.cursor).toBe('c20');
    await events.close();
  });
});

it('CLIENT-11 a stop in any microtask leaves no stream open and does not hold up close()', async () => {
  for (let ticks = 0; ticks < 60; ticks += 1) {
    const { server, events, clock } = await world();
    server.on(Methods.stream, () => pending);
    let connecting = 0;
    const onStatus = ({ state }: { state: string }): void => {
      if (state !== 'connecting' || (connecting += 1) !== 2) return;
      let step = Promise.resolve();
      for (let n = 0; n < ticks; n += 1) step = step.then(() => {});
      void step.then(() => events.subscriptions[0]?.stop());
    };
    await events.subscribe('incident.opened', {}, { from: 'c0', onStatus });
    await settle();
    server.stream().active('c0');
    server.stream().end();
    await clock.advance(1_000);
    let isClosed = false;
    void events.close().then(() => (isClosed = true));
    await settle();
    const open = server.streams().filter(({ request }) => !server.cancelled.includes(request.id)).length - 1;
    expect([ticks, isClosed, Math.max(open, 0)]).toEqual([ticks, true, 0]);
  }
});

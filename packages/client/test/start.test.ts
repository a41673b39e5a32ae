import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { type CursorStore, type Gap, memoryStore, type SubscribeOptions, type Subscription } from '../src/index.ts';
import { batch, eventType, pending, type RawServer, RpcFailure } from './support/rawServer.ts';
import { granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle, type World, world } from './support/world.ts';

const PUSH_ONLY = [eventType('incident.opened', ['push'])];

describe('from where subscribe() resolves, nothing is missed', () => {
  for (const [mode, method, accepted] of [
    ['poll', Methods.poll, () => batch([], 'c7')],
    ['webhook', Methods.subscribe, ({ clock }) => granted(clock, HOUR_MS, { cursor: 'c7' })],
  ] as [string, string, (w: Awaited<ReturnType<typeof webhookWorld>>) => Record<string, unknown>][]) {
    it(`CLIENT-11 waits for a server that takes its time, and stores the position first (${mode})`, async () => {
      const store = memoryStore();
      const w = await webhookWorld({ store });
      w.server.types = [eventType('incident.opened', [mode])];
      w.server.on(method, () => pending);
      let subscription: Subscription | undefined;
      const subscribing = w.events.subscribe('incident.opened').then((made) => (subscription = made));
      await settle();
      await w.clock.advance(9_000);
      expect(subscription).toBeUndefined();
      w.server.answer(w.server.requests(method)[0]!.id, accepted(w));
      await subscribing;
      expect(await store.list()).toMatchObject([{ cursor: 'c7' }]);
      await w.events.close();
    });
  }

  it('CLIENT-11 waits for a server that takes its time, and stores the position first (push)', async () => {
    const store = memoryStore();
    const { server, events, clock } = await world({ store });
    server.on(Methods.stream, () => pending);
    let isDone = false;
    const subscribing = events.subscribe('incident.opened').finally(() => (isDone = true));
    await clock.advance(9_000);
    expect(isDone).toBe(false);
    server.stream().active('c7');
    await subscribing;
    expect(await store.list()).toMatchObject([{ cursor: 'c7' }]);
    await events.close();
  });

  it('CLIENT-11 goes on to poll when streams do not get through, without a gap, and resolves then', async () => {
    const gaps: Gap[] = [];
    const { server, events, clock } = await world();
    server.on(Methods.stream, () => pending);
    server.on(Methods.poll, () => batch([], 'c0'));
    let isDone = false;
    const subscribing = events
      .subscribe('incident.opened', {}, { onGap: (gap) => void gaps.push(gap) })
      .finally(() => (isDone = true));
    await clock.advance(10_000);
    expect(isDone).toBe(false);
    await clock.advance(1);
    expect((await subscribing).status).toMatchObject({ state: 'active', delivery: 'poll' });
    expect(gaps).toEqual([]);
    await events.close();
  });

  it('CLIENT-11 gives a stream without alternative two heartbeat intervals', async () => {
    const { server, events, clock } = await world();
    server.types = PUSH_ONLY;
    server.on(Methods.stream, () => pending);
    const errors: Error[] = [];
    const subscribing = events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) });
    await clock.advance(60_000);
    expect(errors).toEqual([]);
    await clock.advance(1);
    expect(errors).toMatchObject([{ code: 'STREAM_SILENT' }]);
    await subscribing;
    await events.close();
  });

  it('CLIENT-11 resolves after a failed attempt, and what was missed until it begins is told as a gap', async () => {
    const gaps: Gap[] = [];
    const { server, events, clock } = await world();
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32603);
    });
    const onGap = (gap: Gap): void => void gaps.push(gap);
    const subscription = await events.subscribe('incident.opened', {}, { onGap });
    expect(subscription.status.state).toBe('waiting');
    server.on(Methods.stream, () => pending);
    await clock.advance(1_000);
    expect(gaps).toEqual([]);
    server.stream().active('c3');
    await settle();
    expect(gaps).toEqual([{ reason: 'interrupted', cursor: 'c3' }]);
    await events.close();
  });

  it('CLIENT-11 does not wait where there is a position to go on from', async () => {
    const { server, events } = await world();
    server.on(Methods.stream, () => pending);
    await events.subscribe('incident.opened', {}, { from: 'c1' });
    await events.close();
  });

  it('CLIENT-11 rejects when the position cannot be stored, and delivers nothing', async () => {
    const memory = memoryStore();
    const store = {
      ...memory,
      save: async (key: string, record: never) => {
        if ((record as { cursor: string | null }).cursor !== null) throw new Error('disk full');
        await memory.save(key, record);
      },
    };
    const { server, events } = await world({ store });
    server.on(Methods.stream, () => pending);
    const subscribing = events.subscribe('incident.opened');
    await settle();
    server.stream().active('c1');
    await expect(subscribing).rejects.toThrow('disk full');
    expect(events.subscriptions).toEqual([]);
    await events.close();
  });

  it('CLIENT-11 ends with its signal, and with the client', async () => {
    const { server, events } = await world();
    server.on(Methods.stream, () => pending);
    const stop = new AbortController();
    const stopped = events.subscribe('incident.opened', {}, { signal: stop.signal });
    const closed = events.subscribe('incident.opened', { n: 1 });
    closed.catch(() => {});
    await settle();
    stop.abort();
    expect((await stopped).status.state).toBe('stopped');
    await events.close();
    await expect(closed).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('delivery that begins again without a position', () => {
  it('CLIENT-12 is told as a gap at its place, after each stream that ended', async () => {
    const steps: string[] = [];
    const { server, events, clock } = await world();
    server.types = PUSH_ONLY;
    const subscription = await events.subscribe('incident.opened', {}, { onGap: (gap) => void steps.push(gap.reason) });
    const reader = new Reader(subscription);
    server.stream().event('e1', null);
    await settle();
    steps.push(...reader.ids.splice(0));
    server.stream().end();
    await clock.advance(1_000);
    server.stream().event('e2', null);
    await settle();
    expect([...steps, ...reader.ids]).toEqual(['e1', 'interrupted', 'e2']);
    await events.close();
  });

  it('CLIENT-12 G2 is told when a working stream is left to try a better mode', async () => {
    const gaps: string[] = [];
    const w = await webhookWorld();
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32027, { reason: 'timeout' });
    });
    const options = { onGap: ({ reason }: Gap) => void gaps.push(reason) };
    const reader = new Reader(await w.events.subscribe('incident.opened', {}, options));
    expect(gaps).toEqual([]);
    w.server.on(Methods.subscribe, () => pending);
    // Five minutes from when the stream got through, which is its first heartbeat.
    for (let n = 0; n < 16; n += 1) {
      await w.clock.advance(20_000);
      w.server.stream().heartbeat(null);
    }
    await w.clock.advance(1_000);
    expect(w.subscribes()).toHaveLength(2);
    w.server.fail(w.subscribes()[1]!.id, { code: -32027, message: 'no', data: { reason: 'timeout' } });
    await settle();
    w.server.stream().event('e2', null);
    await settle();
    expect(gaps).toEqual(['interrupted']);
    expect(reader.ids).toEqual(['e2']);
    // Each trial costs events, so the next one is later.
    for (let n = 0; n < 29; n += 1) {
      await w.clock.advance(20_000);
      w.server.stream().heartbeat(null);
    }
    expect(w.subscribes()).toHaveLength(2);
    await w.clock.advance(41_000);
    expect(w.subscribes()).toHaveLength(3);
    await w.events.close();
  });

  it('CLIENT-12 an event that comes before the stream was accepted does not hide the gap, nor is it passed by', async () => {
    const gaps: Gap[] = [];
    const store = memoryStore();
    const { server, events, clock } = await world({ store });
    server.types = PUSH_ONLY;
    const subscription = await events.subscribe('incident.opened', {}, { onGap: (gap) => void gaps.push(gap) });
    server.on(Methods.stream, () => pending);
    server.stream().end();
    await clock.advance(1_000);
    server.stream().event('e9', 'c9');
    await settle();
    expect(gaps).toEqual([{ reason: 'interrupted', cursor: null }]);
    expect(subscription.cursor).toBe(null);
    expect((await subscription.next()).value!.eventId).toBe('e9');
    await events.close();
  });
});

describe('a later process without a position', () => {
  /** What a process of the application is told, on a store that earlier ones left. */
  async function told(
    store: CursorStore,
    behave: (server: RawServer) => void,
    options: SubscribeOptions = {},
  ): Promise<{ gaps: Gap[]; world: World; subscribing: Promise<Subscription> }> {
    const gaps: Gap[] = [];
    const w = await world({ store });
    w.server.types = PUSH_ONLY;
    behave(w.server);
    const subscribing = w.events.subscribe('incident.opened', {}, { onGap: (gap) => void gaps.push(gap), ...options });
    subscribing.catch(() => {});
    await settle();
    return { gaps, world: w, subscribing };
  }
  const unavailable = (server: RawServer): void =>
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32603);
    });

  it('CLIENT-24 is told what was missed since subscribe() resolved while nothing could begin', async () => {
    const store = memoryStore();
    const first = await told(store, unavailable);
    await first.subscribing;
    expect(await store.list()).toMatchObject([{ cursor: null, promised: true }]);
    const next = await told(store, (server) => server.on(Methods.stream, () => pending));
    next.world.server.stream().active('c7');
    await next.subscribing;
    expect(next.gaps).toEqual([{ reason: 'interrupted', cursor: 'c7' }]);
    // Told and stored: the process after it goes on from there.
    const last = await told(store, () => {});
    last.world.server.stream().active('c7');
    await settle();
    expect(last.gaps).toEqual([]);
    for (const { world: w } of [first, next, last]) await w.events.close();
  });

  it('CLIENT-24 is told what was missed of a type without cursors, and of an event that nobody acknowledged', async () => {
    for (const cursor of [null, 'c1']) {
      const store = memoryStore();
      const first = await told(store, () => {});
      await first.subscribing;
      first.world.server.stream().event('e1', cursor);
      await settle();
      expect(first.gaps).toEqual([]);
      const next = await told(store, () => {});
      await next.subscribing;
      expect(next.gaps).toEqual([{ reason: 'interrupted', cursor: null }]);
      for (const { world: w } of [first, next]) await w.events.close();
    }
  });

  it('CLIENT-24 is told nothing where nobody relied on the one before, or asks to begin from now', async () => {
    const store = memoryStore();
    const first = await told(store, (server) => server.on(Methods.stream, () => pending));
    const next = await told(store, () => {});
    await next.subscribing;
    expect(next.gaps).toEqual([]);
    expect(await store.list()).toMatchObject([{ promised: true }]);
    const last = await told(store, () => {}, { from: null });
    await last.subscribing;
    expect(last.gaps).toEqual([]);
    for (const { world: w } of [first, next, last]) await w.events.close();
  });

  it('CLIENT-24 rejects when it cannot be stored that somebody relies on it', async () => {
    const memory = memoryStore();
    let saves = 0;
    const full: CursorStore = {
      ...memory,
      save: async (key, record) => {
        if (++saves > 1) throw new Error('the disk is full');
        await memory.save(key, record);
      },
    };
    const { subscribing, world: w } = await told(full, unavailable);
    await expect(subscribing).rejects.toThrow('the disk is full');
    await w.events.close();
  });
});

describe('what cannot be read', () => {
  it('CLIENT-12 G2 is told as a gap in its place (push)', async () => {
    const steps: string[] = [];
    const { server, events, warnings } = await world();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { onGap: ({ reason }) => void steps.push(reason) },
    );
    const reader = new Reader(subscription);
    server.stream().event('e1', 'c1');
    server.stream().notify('notifications/events/event', { eventId: 'e2', name: 'incident.opened', cursor: 'c2' });
    await settle();
    steps.unshift(...reader.ids.splice(0));
    server.stream().event('e3', 'c3');
    await settle();
    expect([...steps, ...reader.ids]).toEqual(['e1', 'unreadable', 'e3']);
    expect(warnings).toHaveLength(1);
    await events.close();
  });

  it('CLIENT-12 G2 is told as a gap in its place (poll)', async () => {
    const steps: string[] = [];
    const { server, events } = await world();
    const { events: entries, ...rest } = batch(['e1', 'e3'], 'c3') as { events: object[] };
    server.on(Methods.poll, () => ({ ...rest, events: [entries[0], { eventId: 'e2' }, entries[1]] }));
    const options = { delivery: 'poll', from: 'c0', onGap: ({ reason }: Gap) => void steps.push(reason) } as const;
    const subscription = await events.subscribe('incident.opened', {}, options);
    for (let n = 0; n < 2; n += 1) steps.push((await subscription.next()).value!.eventId);
    expect(steps).toEqual(['e1', 'unreadable', 'e3']);
    await events.close();
  });
});

import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { type CursorStore, memoryStore, type SubscribeOptions, type SubscriptionRecord } from '../src/index.ts';
import { batch } from './support/rawServer.ts';
import { addEffect, processWorld, push } from './support/processWorld.ts';
import { Reader, settle, world } from './support/world.ts';

const never = new Promise<never>(() => {});

async function started(options: SubscribeOptions, client: { store?: CursorStore } = {}) {
  const w = await world(client);
  const subscription = await w.events.subscribe('incident.opened', {}, { from: 'c0', ...options });
  await settle();
  return { ...w, subscription };
}

describe('a callback that never ends', () => {
  for (const [what, options] of [
    ['filter', { filter: () => never }],
    ['payload', { payload: { '~standard': { validate: () => never } } }],
    ['onGap', { onGap: () => never }],
  ] as [string, SubscribeOptions][]) {
    it(`CLIENT-26 (${what}) does not hold up the iteration of whoever stops, nor is its event or gap taken for done`, async () => {
      const store = memoryStore();
      const { server, subscription, events } = await started(options, { store });
      const reader = new Reader(subscription);
      server.stream().active('c9', true);
      server.stream().event('e10', 'c10');
      await settle();
      expect(reader.done).toBe(false);
      await events.close();
      await settle();
      expect([reader.done, reader.error, reader.ids]).toEqual([true, undefined, []]);
      await subscription.next();
      expect((await store.list())[0]!.cursor).toBe(what === 'onGap' ? 'c0' : 'c9');
    });

    it(`CLIENT-26 (${what}) does not hold up process()`, async () => {
      const w = await processWorld();
      const { ended } = await w.start({ subscribe: { from: 'c0', ...options } });
      w.server.stream().active('c9', true);
      w.server.stream().event('e10', 'c10');
      await settle();
      await w.events.close();
      expect(await ended).toBeUndefined();
      expect(w.effects()).toEqual([]);
      expect((await w.inbox.list())[0]!.cursor).toBe('c0');
    });
  }
});

function raising(text: string): () => never {
  return () => {
    throw new Error(text);
  };
}

/** What `throw` takes, and what cannot be written as a text or looked at. */
const thrown: [string, () => unknown][] = [
  ['undefined', () => undefined],
  ['an object without a prototype', () => Object.create(null)],
  ['a text that throws', () => ({ toString: raising('no text') })],
  ['a message that throws', () => Object.defineProperty(new Error('x'), 'message', { get: raising('no message') })],
  ['a message that is none', () => Object.assign(new Error('x'), { message: { deep: true } })],
  ['a code that throws', () => Object.defineProperty(new Error('x'), 'code', { get: raising('no code') })],
  [
    'an error that cannot be looked at',
    () => new Proxy(new Error('x'), { get: raising('no'), getPrototypeOf: raising('no') }),
  ],
];

describe('a callback that throws', () => {
  for (const [what, error] of thrown) {
    it(`CLIENT-20 (${what}) does not end delivery`, async () => {
      const raise = (): never => {
        throw error();
      };
      const callbacks = { onStatus: raise, onGap: raise, onError: raise, onDeliveryStatus: raise, onTerminated: raise };
      const { server, subscription, events } = await started(callbacks);
      const reader = new Reader(subscription);
      server.stream().active('c9', true);
      server.stream().error(-32603);
      server.stream().event('e10', 'c10');
      await settle();
      expect([reader.ids, reader.error]).toEqual([['e10'], undefined]);
      server.stream().terminated(-32024);
      await settle();
      expect(reader.error).toMatchObject({ errorName: 'Forbidden' });
      await events.close();
    });

    it(`CLIENT-22 (${what}) parks the event of a handler, and those behind it go on`, async () => {
      for (const prepare of [false, true]) {
        const w = await processWorld();
        const raise = ({ eventId }: { eventId: string }): void => {
          if (eventId === 'e1') throw error();
        };
        const handle = (event: any, { db }: any): void => {
          if (!prepare) raise(event);
          addEffect(db, event.eventId);
        };
        await w.start({ maxAttempts: 2, handler: prepare ? { prepare: raise, handle } : handle });
        await push(w, 0, 2);
        await w.clock.advance(60_000);
        expect(w.effects()).toEqual(['e2']);
        expect(await w.inbox.parked()).toMatchObject([{ event: { eventId: 'e1' }, attempts: 2 }]);
        await w.events.close();
      }
    });
  }
});

describe('a callback that calls back in', () => {
  for (const what of ['filter', 'onGap'] as const) {
    it(`CLIENT-26 acknowledge() within ${what} resolves, and delivery goes on`, async () => {
      const calls: string[] = [];
      const acknowledge = async (): Promise<boolean> => {
        await subscription.acknowledge();
        calls.push(what);
        return true;
      };
      const { server, subscription, events } = await started({ [what]: acknowledge });
      const reader = new Reader(subscription);
      server.stream().active('c9', true);
      server.stream().event('e10', 'c10');
      await settle();
      expect([reader.ids, calls]).toEqual([['e10'], [what]]);
      await events.close();
    });
  }

  it('CLIENT-26 a store is never called twice at once, whoever asks for it meanwhile', async () => {
    const memory = memoryStore();
    let calls = 0;
    let most = 0;
    const store: CursorStore = {
      ...memory,
      save: async (key, record) => {
        most = Math.max(most, (calls += 1));
        await settle();
        await memory.save(key, record);
        calls -= 1;
      },
    };
    const { server, subscription, events } = await started({}, { store });
    for (let n = 1; n <= 3; n += 1) server.stream().event(`e${n}`, `c${n}`);
    await settle();
    await subscription.next();
    const next = subscription.next();
    const asked = [subscription.acknowledge(), subscription.acknowledge()];
    await Promise.all([next, ...asked]);
    expect(most).toBe(1);
    expect((await store.list())[0]!.cursor).toBe('c1');
    await events.close();
  });

  it('CLIENT-26 cancel() within onTerminated is told once', async () => {
    const states: string[] = [];
    const { server, subscription, events } = await started({
      onStatus: ({ state }) => void states.push(state),
      onTerminated: () => void subscription.cancel(),
    });
    server.stream().terminated(-32024);
    await settle();
    expect(states.filter((state) => state === 'cancelled' || state === 'terminated')).toEqual(['cancelled']);
    await events.close();
  });
});

describe('cancel() while something is stored', () => {
  /** A store that is slow to store while it is told to. */
  function slowStore() {
    const memory = memoryStore();
    const waiting: (() => void)[] = [];
    const store = {
      ...memory,
      isSlow: true,
      save: async (key: string, record: SubscriptionRecord) => {
        if (store.isSlow) await new Promise<void>((resolve) => waiting.push(resolve));
        await memory.save(key, record);
      },
    };
    const release = (): void => {
      for (const each of waiting.splice(0)) each();
    };
    return { store, release };
  }

  it('AUTH-07 CLIENT-07 leaves no record behind of a subscription that just begins', async () => {
    const { store, release } = slowStore();
    const { events } = await world({ store });
    const subscribing = events.subscribe('incident.opened', {}, { from: 'c0' });
    await settle();
    const cancelled = events.subscriptions[0]!.cancel();
    await settle();
    release();
    await cancelled;
    expect((await subscribing).status.state).toBe('cancelled');
    expect(await store.list()).toEqual([]);
    await events.close();
  });

  it('AUTH-07 CLIENT-07 nor of one that waits for the last steps of the one before', async () => {
    const { store, release } = slowStore();
    store.isSlow = false;
    const { server, events } = await world({ store });
    const before = await events.subscribe('incident.opened', {}, { from: 'c0' });
    server.stream().event('e1', 'c1');
    await before.next();
    before.stop();
    await settle();
    store.isSlow = true;
    let loaded: () => void = () => {};
    const { load } = store;
    store.load = async (key) => {
      await new Promise<void>((resolve) => (loaded = resolve));
      return load(key);
    };
    const subscribing = events.subscribe('incident.opened');
    await settle();
    const late = before.next();
    await settle();
    loaded();
    await settle();
    expect(events.subscriptions).toHaveLength(1);
    void events.subscriptions[0]!.cancel();
    await settle();
    store.isSlow = false;
    release();
    await Promise.all([late, subscribing]);
    await events.close();
    expect(await store.list()).toEqual([]);
  });

  it('AUTH-07 CLIENT-07 nor in the inbox that takes over', async () => {
    const w = await processWorld({ store: undefined });
    const subscription = await w.events.subscribe('incident.opened', {}, { from: 'c0' });
    let loaded: () => void = () => {};
    const slow = {
      session: undefined,
      load: async (key: string) => {
        await new Promise<void>((resolve) => (loaded = resolve));
        return w.inbox.load(key);
      },
    };
    const inbox = new Proxy(w.inbox, {
      get: (target, name) => (name in slow ? slow[name as 'load'] : (target[name as 'load'] as any)?.bind(target)),
    });
    const processing = subscription.process(() => {}, { inbox });
    await settle();
    const cancelled = subscription.cancel();
    await settle();
    loaded();
    await Promise.all([cancelled, processing]);
    expect(await w.inbox.list()).toEqual([]);
    await w.events.close();
  });

  it('AUTH-07 CLIENT-01 resume() leaves alone what was cancelled, or ended, since it was listed', async () => {
    const memory = memoryStore();
    const { events } = await world({ store: memory });
    for (const n of [1, 2, 3]) await events.subscribe('incident.opened', { n }, { from: 'c0' });
    await events.close();
    const loads: string[] = [];
    const store: CursorStore = {
      ...memory,
      load: async (key) => {
        loads.push(key);
        const record = await memory.load(key);
        if (loads.length === 1) return undefined;
        return loads.length === 2 ? { ...record!, ended: true } : record;
      },
    };
    const again = await world({ store });
    expect((await again.events.resume()).map((each) => each.arguments)).toEqual([{ n: 3 }]);
    await again.events.close();
  });
});

describe('what the application is handed', () => {
  it('CLIENT-26 is its own: changing an event moves no position', async () => {
    for (const delivery of ['push', 'poll'] as const) {
      const store = memoryStore();
      const w = await world({ store });
      w.server.on(Methods.poll, () => batch(['e1', 'e2'], 'c2'));
      const subscription = await w.events.subscribe('incident.opened', {}, { from: 'c0', delivery });
      await settle();
      if (delivery === 'push') for (const n of [1, 2]) w.server.stream().event(`e${n}`, `c${n}`);
      await settle();
      const { value } = await subscription.next();
      Object.assign(value!, { eventId: undefined, cursor: 'c99' });
      await subscription.next();
      const [kept] = await store.list();
      expect([kept!.cursor, kept!.seen]).toEqual(delivery === 'push' ? ['c1', []] : ['c0', ['e1']]);
      await w.events.close();
    }
  });

  it('CLIENT-26 is handed to each attempt of a handler as it was sent', async () => {
    const w = await processWorld();
    const seen: unknown[] = [];
    const { ended } = await w.start({
      maxAttempts: 3,
      handler: (event, { db, attempt }) => {
        const data = event.data as { list: number[] };
        seen.push([attempt, [...data.list]]);
        data.list.push(attempt);
        Object.assign(event, { eventId: 'other', cursor: 'c99' });
        if (attempt < 3) throw new Error('not yet');
        addEffect(db as never, data.list.join());
      },
    });
    w.server.stream().event('e1', 'c1', { data: { list: [0] } });
    await w.clock.advance(60_000);
    expect(seen).toEqual([1, 2, 3].map((attempt) => [attempt, [0]]));
    expect(w.effects()).toEqual(['0,3']);
    expect((await w.inbox.list())[0]!.cursor).toBe('c1');
    w.server.stream().event('e2', 'c2', { data: { list: [0] } });
    await push(w, 2, 0);
    w.events.subscriptions[0]!.stop();
    await ended;
    await w.events.close();
  });

  it('CLIENT-26 is parked as it was sent, whatever its handler did to it', async () => {
    const w = await processWorld();
    await w.start({
      maxAttempts: 1,
      handler: ({ data }) => {
        delete (data as { n?: number }).n;
        throw new Error('never');
      },
    });
    w.server.stream().event('e1', 'c1', { data: { n: 1 } });
    await settle();
    expect(await w.inbox.parked()).toMatchObject([{ event: { data: { n: 1 } } }]);
    await w.events.close();
  });

  it('CLIENT-26 prepare and handle of one attempt see one event', async () => {
    const w = await processWorld();
    let attempts = 0;
    await w.start({
      handler: {
        prepare: ({ data }) => void ((data as { looked?: number }).looked = attempts += 1),
        handle: ({ data }: { data: unknown }, { db }: any) => {
          if (attempts === 1) throw new Error('once more');
          addEffect(db, JSON.stringify(data));
        },
      },
    });
    w.server.stream().event('e1', 'c1', { data: { n: 1 } });
    await w.clock.advance(60_000);
    expect(w.effects()).toEqual(['{"n":1,"looked":2}']);
    await w.events.close();
  });

  it('CLIENT-26 a subscription goes on with the arguments it was made with', async () => {
    const { server, events, clock } = await world();
    const subscription = await events.subscribe('incident.opened', { severity: ['high'] }, { from: 'c0' });
    (subscription.arguments['severity'] as string[]).push('low');
    server.stream().end();
    await clock.advance(60_000);
    expect(server.stream().request.params['arguments']).toEqual({ severity: ['high'] });
    await events.close();
  });

  it("CLIENT-26 the list of event types is the application's own", async () => {
    const { events } = await world();
    const types = await events.list();
    types[0]!.delivery.length = 0;
    types.length = 0;
    expect(await events.list()).toMatchObject([{ name: 'incident.opened', delivery: ['poll', 'push'] }]);
    await events.subscribe('incident.opened', {}, { from: 'c0' });
    await events.close();
  });
});

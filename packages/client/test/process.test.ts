import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { EventsClientError } from '../src/index.ts';
import type { EventHandler, SubscriptionRecord } from '../src/index.ts';
import { addEffect, effects, note, openDatabase, processWorld, push, pushMore } from './support/processWorld.ts';
import { FakeReceiver } from './support/fakeReceiver.ts';
import { batch, eventType, type RawServer, RpcFailure } from './support/rawServer.ts';
import { BASE_URL, granted } from './support/webhookWorld.ts';
import { settle } from './support/world.ts';

describe('process', () => {
  it('ORDER-04 CLIENT-01 stores what the handler writes and the position after the event together', async () => {
    const w = await processWorld();
    const seenInside: unknown[] = [];
    const { subscription } = await w.start({
      handler: (event, { db, attempt }) => {
        note(event, { db: db as never, attempt, prepared: undefined });
        seenInside.push(
          w.db.prepare('SELECT record FROM mcp_inbox_subscriptions').get()!['record'].includes(event.cursor),
        );
        expect(w.db.isTransaction).toBe(true);
      },
    });
    await push(w, 0, 3);
    expect(w.effects()).toEqual(['e1', 'e2', 'e3']);
    expect(seenInside).toEqual([true, true, true]);
    expect(subscription.cursor).toBe('c3');
    expect(await w.inbox.list()).toMatchObject([{ cursor: 'c3' }]);
    await w.events.close();
  });

  it('CLIENT-01 goes on from the position in the inbox, whatever "from" says', async () => {
    const first = await processWorld();
    await first.start();
    await push(first, 0, 2);
    await first.events.close();
    const second = await processWorld({ db: first.db, on: first.server });
    await second.start({ subscribe: { from: 'c0' } });
    expect(first.server.stream().request.params['cursor']).toBe('c2');
    await push(second, 2, 1);
    expect(second.effects()).toEqual(['e1', 'e2', 'e3']);
    await second.events.close();
  });

  it('CLIENT-01 an inbox beside another store takes over the position, and leads it from then on', async () => {
    const first = await processWorld({ store: undefined });
    await first.start({ subscribe: { from: 'c7' } });
    expect(first.server.requests(Methods.stream)).toHaveLength(1);
    await push(first, 7, 1);
    await first.events.close();

    const second = await processWorld({ store: undefined, db: first.db, on: first.server });
    await second.start({ subscribe: { from: 'c7' } });
    expect(second.server.stream().request.params['cursor']).toBe('c8');
    await push(second, 8, 1);
    expect(second.effects()).toEqual(['e8', 'e9']);
    await second.events.close();
  });

  it('CLIENT-30 a database that fails while the inbox takes over is told, and asked again until it works', async () => {
    const w = await processWorld({ store: undefined });
    const { load, save } = w.inbox;
    const failures: (() => Promise<never>)[] = [];
    const unavailable = (what: string) => async (): Promise<never> => {
      throw new EventsClientError('STORE_UNAVAILABLE', `${what} failed`);
    };
    failures.push(unavailable('load'), unavailable('save'));
    const flaky = new Proxy(w.inbox, {
      get: (target, member) => {
        if (member === 'session') return undefined;
        if (member === 'load')
          return (key: string) => (failures.length === 2 ? failures.shift()!() : load.call(target, key));
        if (member === 'save')
          return (key: string, record: SubscriptionRecord) =>
            failures.length === 1 ? failures.shift()!() : save.call(target, key, record);
        const value: unknown = Reflect.get(target, member, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const { ended } = await w.start({ inbox: flaky });
    expect(w.errors.map(({ message }) => message)).toEqual(['load failed']);
    await w.clock.advance(60_000);
    await settle();
    expect(w.errors.map(({ message }) => message)).toEqual(['load failed', 'save failed']);
    await w.clock.advance(60_000);
    await settle();
    await push(w, 0, 2);
    expect(w.effects()).toEqual(['e1', 'e2']);
    await w.events.close();
    expect(await ended).toBeUndefined();
  });

  it('CLIENT-30 a record that cannot be read ends processing with an error that says so', async () => {
    const w = await processWorld({ store: undefined });
    const first = await w.start();
    await push(w, 0, 1);
    first.subscription.stop();
    await settle();
    w.db.exec("UPDATE mcp_inbox_subscriptions SET record = '{\"torn'");
    const second = await w.start();
    const error = await second.ended;
    expect(error).toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining('incident.opened') as string,
    });
    await expect(w.inbox.list()).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    await w.events.close();
  });

  it('POLL-09 remembers which events of a batch were handled', async () => {
    const w = await processWorld();
    w.server.on(Methods.poll, ({ params }) => batch(params['cursor'] === 'c0' ? ['e1', 'e2', 'e3'] : [], 'c3'));
    const stop = new AbortController();
    const { ended } = await w.start({
      subscribe: { delivery: 'poll', from: 'c0', signal: stop.signal },
      handler: (event, context) => {
        note(event, context as never);
        if (event.eventId === 'e2') stop.abort();
      },
    });
    await ended;
    expect(w.effects()).toEqual(['e1', 'e2']);
    expect(await w.inbox.list()).toMatchObject([{ cursor: 'c0', seen: ['e1', 'e2'] }]);
    // Counted ahead with the one before, and taken back.
    expect(w.db.prepare('SELECT event_id, attempts FROM mcp_inbox_attempts').all()).toEqual([
      { event_id: 'e3', attempts: 0 },
    ]);
    await w.start({ subscribe: { delivery: 'poll' } });
    await settle();
    expect(w.effects()).toEqual(['e1', 'e2', 'e3']);
    expect(await w.inbox.list()).toMatchObject([{ cursor: 'c3', seen: [] }]);
    await w.events.close();
  });

  it('waits for prepare before the transaction, and hands on what it found', async () => {
    const w = await processWorld();
    let answer: (title: string) => void = () => {};
    await w.start({
      handler: {
        prepare: async ({ eventId }) => {
          expect(w.db.isTransaction).toBe(false);
          return `${eventId} ${await new Promise<string>((resolve) => (answer = resolve))}`;
        },
        handle: (_event: unknown, { db, prepared }: any) => addEffect(db, prepared),
      },
    });
    await push(w, 0, 1);
    expect(w.effects()).toEqual([]);
    answer('found');
    await settle();
    expect(w.effects()).toEqual(['e1 found']);
    await w.events.close();
  });

  it('CUR-05 G3 stores the first position before the first event is attempted', async () => {
    const w = await processWorld();
    const stored: unknown[] = [];
    const prepare = async (): Promise<void> => void stored.push((await w.inbox.list())[0]!.cursor);
    await w.start({
      handler: { prepare, handle: note as never },
      subscribe: { filter: ({ eventId }) => eventId !== 'e6' },
    });
    // Arrive together, so that nothing takes effect on arrival.
    w.server.stream().active('c5');
    await pushMore(w, 5, 3);
    expect(w.effects()).toEqual(['e7', 'e8']);
    expect(stored).toEqual(['c6', 'c7']);
    await w.events.close();
  });

  it('CUR-05 takes "from" where the inbox has a subscription and no position yet', async () => {
    for (const store of ['beside', 'inbox']) {
      const first = await processWorld(store === 'beside' ? { store: undefined } : {});
      await first.start();
      expect(await first.inbox.list()).toMatchObject([{ cursor: null }]);
      await first.events.close();
      const options = { db: first.db, on: first.server };
      const second = await processWorld(store === 'beside' ? { ...options, store: undefined } : options);
      await second.start({ subscribe: { from: 'c7' } });
      expect(second.server.stream().request.params['cursor']).toBe('c7');
      await second.events.close();
    }
  });

  it('a stop while prepare runs aborts it, counts no attempt and handles nothing', async () => {
    const w = await processWorld();
    let aborted = false;
    const { subscription, ended } = await w.start({
      handler: {
        prepare: (_event, { signal }) =>
          new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () => {
              aborted = true;
              reject(new Error('aborted'));
            }),
          ),
        handle: note as never,
      },
    });
    await push(w, 0, 1);
    subscription.stop();
    expect(await ended).toBeUndefined();
    expect(aborted).toBe(true);
    expect(w.effects()).toEqual([]);
    expect(w.db.prepare('SELECT attempts FROM mcp_inbox_attempts').all()).toEqual([{ attempts: 0 }]);
    await w.events.close();
  });

  it('a stop does not wait for a prepare that ignores its signal', async () => {
    const w = await processWorld();
    const { subscription, ended } = await w.start({
      handler: { prepare: async () => new Promise(() => {}), handle: note as never },
    });
    await push(w, 0, 1);
    subscription.stop();
    expect(await ended).toBeUndefined();
    expect(w.db.prepare('SELECT attempts FROM mcp_inbox_attempts').all()).toEqual([{ attempts: 0 }]);
    await w.events.close();
  });

  it('an asynchronous handler does not compile, and is refused before it is called', async () => {
    const w = await processWorld();
    let calls = 0;
    const asynchronous = async (): Promise<void> => void (calls += 1);
    const subscription = await w.events.subscribe('incident.opened');
    // @ts-expect-error -- what is refused here
    const ended = subscription.process(asynchronous, { inbox: w.inbox });
    await expect(ended).rejects.toMatchObject({ code: 'HANDLER_MISUSED' });
    const second = await w.events.subscribe('incident.opened');
    // @ts-expect-error -- what is refused here
    const onGap = second.process(() => 1, { inbox: w.inbox, onGap: asynchronous });
    await expect(onGap).rejects.toMatchObject({ code: 'HANDLER_MISUSED' });
    expect(calls).toBe(0);
    // What a handler may return otherwise is ignored.
    const handlers: EventHandler<unknown, unknown>[] = [() => {}, () => 1, () => ({ changes: 1n }), () => null];
    expect(handlers).toHaveLength(4);
    await w.events.close();
  });

  it('a handler that returns a promise is undone and ends processing', async () => {
    const w = await processWorld();
    const { ended, subscription } = await w.start({
      handler: ((event: never, context: never) => Promise.resolve(note(event, context))) as never,
    });
    await push(w, 0, 1);
    expect(await ended).toMatchObject({ code: 'HANDLER_MISUSED' });
    expect(w.effects()).toEqual([]);
    expect(subscription.status.state).toBe('stopped');
    expect(subscription.cursor).toBe('c0');
    await w.events.close();
  });

  it.each([false, true])(
    'a handler that ends the transaction is told so, and its event counts (throws after: %s)',
    async (throws) => {
      const w = await processWorld();
      const { ended } = await w.start({
        handler: (event, context) => {
          note(event, context as never);
          w.db.exec('COMMIT');
          if (throws) throw new Error('afterwards');
        },
      });
      await push(w, 0, 1);
      expect(await ended).toMatchObject({ code: 'HANDLER_MISUSED' });
      expect(w.effects()).toEqual(['e1']);
      expect(await w.inbox.list()).toMatchObject([{ cursor: 'c1' }]);
      await w.events.close();
    },
  );

  it.each([false, true])(
    'G3 a handler that takes the transaction back is told so, and its event does not count (begins another: %s)',
    async (begins) => {
      const w = await processWorld();
      const { ended } = await w.start({
        handler: () => {
          w.db.exec('ROLLBACK');
          if (!begins) return;
          w.db.exec('BEGIN');
          addEffect(w.db, 'afterwards');
        },
      });
      await push(w, 0, 1);
      expect(await ended).toMatchObject({ code: 'HANDLER_MISUSED' });
      expect(w.effects()).toEqual([]);
      expect(await w.inbox.list()).toMatchObject([{ cursor: 'c0' }]);
      await w.events.close();
    },
  );

  it('events go to one consumer', async () => {
    const w = await processWorld();
    const { subscription } = await w.start();
    await expect(subscription.next()).rejects.toMatchObject({ code: 'ALREADY_CONSUMED' });
    await expect(subscription.process(note, { inbox: w.inbox })).rejects.toMatchObject({
      code: 'ALREADY_CONSUMED',
    } satisfies Partial<EventsClientError>);
    expect(subscription.status.state).not.toBe('stopped');
    await w.events.close();
  });

  it('AUTH-07 what the filter refuses counts as handled', async () => {
    const w = await processWorld();
    const { subscription } = await w.start({ subscribe: { filter: ({ eventId }) => eventId !== 'e2' } });
    await push(w, 0, 3);
    expect(w.effects()).toEqual(['e1', 'e3']);
    expect(subscription.cursor).toBe('c3');
    await w.events.close();
  });

  it('AUTH-07 cancel stops at once and forgets the position', async () => {
    const w = await processWorld();
    const { subscription, ended } = await w.start();
    await push(w, 0, 1);
    await subscription.cancel();
    expect(await ended).toBeUndefined();
    expect(await w.inbox.list()).toEqual([]);
    await w.events.close();
  });

  it('TERM-07 handles what came before the end, then throws it', async () => {
    const w = await processWorld();
    const { ended } = await w.start();
    await push(w, 0, 2);
    w.server.stream().event('e3', 'c3');
    w.server.stream().terminated(-32024);
    expect(await ended).toMatchObject({ errorName: 'Forbidden' });
    expect(w.effects()).toEqual(['e1', 'e2', 'e3']);
    expect(await w.inbox.list()).toMatchObject([{ cursor: 'c3', ended: true }]);
    await w.events.close();
  });
});

it('the types of the handler follow from the inbox and from what prepare resolves with', async () => {
  const w = await processWorld();
  const subscription = await w.events.subscribe<{ id: string }>('incident.opened');
  const processing = subscription.process(
    {
      prepare: async ({ data }) => data.id.length,
      handle: ({ data }, { db, prepared }) => addEffect(db, `${data.id} ${prepared.toFixed(1)}`),
    },
    { inbox: w.inbox },
  );
  await settle();
  await push(w, 0, 1);
  expect(w.effects()).toEqual(['e1 2.0']);
  await w.events.close();
  await processing;
});

it('SUB-11 keeps a new callback URL with the event that is handled meanwhile', async () => {
  const receiver = new FakeReceiver();
  const first = await processWorld({ webhook: { receiver, url: BASE_URL } });
  first.server.types = [eventType('incident.opened', ['webhook', 'push'])];
  first.server.on(Methods.unsubscribe, () => ({}));
  first.server.on(Methods.subscribe, () => granted(first.clock, null));
  await first.start({ subscribe: { delivery: 'webhook', from: 'c0' } });
  await first.events.close();
  const [before] = await first.inbox.list();

  const w = await processWorld({ db: first.db, on: first.server, webhook: { receiver, url: BASE_URL } });
  let found: () => void = () => {};
  await w.start({
    handler: { prepare: () => new Promise<void>((resolve) => (found = resolve)), handle: note as never },
    subscribe: { delivery: 'webhook' },
  });
  await receiver.last.event('e1', 'c1');
  // The server forgets the subscription, and does not end what it may have.
  w.server.on(Methods.subscribe, () => {
    throw new RpcFailure(-32023);
  });
  w.server.on(Methods.unsubscribe, () => {
    throw new RpcFailure(-32602);
  });
  await w.clock.advance(6 * 3_600_000);
  found();
  await settle();
  const [after] = await w.inbox.list();
  expect(w.effects()).toEqual(['e1']);
  expect(after!.cursor).toBe('c1');
  expect(after!.webhook!.path).not.toBe(before!.webhook!.path);
  await w.events.close();
});

it('TERM-07 CLIENT-01 an end that comes while the inbox takes over is kept', async () => {
  const first = await processWorld({ store: undefined });
  const subscription = await first.events.subscribe('incident.opened', {}, { from: 'c0' });
  let loaded: () => void = () => {};
  const slow = {
    session: undefined,
    load: async (key: string) => {
      await new Promise<void>((resolve) => (loaded = resolve));
      return first.inbox.load(key);
    },
  };
  const inbox = new Proxy(first.inbox, {
    get: (target, name) => (name in slow ? slow[name as 'load'] : (target[name as 'load'] as any)?.bind(target)),
  });
  const ended = subscription.process(note, { inbox }).catch((error: Error) => error);
  await settle();
  first.server.stream().terminated(-32024);
  await settle();
  loaded();
  expect(await ended).toMatchObject({ errorName: 'Forbidden' });
  expect(await first.inbox.list()).toMatchObject([{ cursor: 'c0', ended: true }]);
  await first.events.close();
});

describe('gaps', () => {
  it('CUR-13 are told in the transaction that stores the position after them', async () => {
    const w = await processWorld();
    const { subscription } = await w.start({
      onGap: ({ reason, cursor }, { db }) => addEffect(db, `${reason} ${cursor}`),
    });
    await push(w, 0, 1);
    w.server.stream().active('c5', true);
    await pushMore(w, 5, 1);
    expect(w.effects()).toEqual(['e1', 'truncated c5', 'e6']);
    expect(subscription.cursor).toBe('c6');
    await w.events.close();
  });

  it.each([[false], [true]])(
    'CUR-13 CLIENT-24 one that was found before process() was called is told to its handler (and to that of subscribe(): %s)',
    async (isHeard) => {
      const heard: string[] = [];
      const w = await processWorld();
      const subscribing = w.events.subscribe(
        'incident.opened',
        {},
        { from: 'c1', ...(isHeard ? { onGap: ({ reason }) => void heard.push(reason) } : {}) },
      );
      await settle();
      w.server.stream().active('c5', true);
      const subscription = await subscribing;
      await settle();
      // The position does not pass what nobody was told of.
      expect(await w.inbox.list()).toMatchObject([{ cursor: isHeard ? 'c5' : 'c1' }]);
      const ended = subscription.process(note, {
        inbox: w.inbox,
        onGap: ({ reason, cursor }, { db }) => addEffect(db as never, `${reason} ${cursor}`),
      });
      await settle();
      await pushMore(w, 5, 1);
      expect([heard, w.effects()]).toEqual(isHeard ? [['truncated'], ['e6']] : [[], ['truncated c5', 'e6']]);
      expect(subscription.cursor).toBe('c6');
      await w.events.close();
      await ended;
    },
  );

  it('CUR-13 one that cannot be handled is tried again, and ends processing in front of it', async () => {
    const w = await processWorld();
    const { ended } = await w.start({
      maxAttempts: 2,
      onGap: (_gap, { db }) => {
        addEffect(db, 'gap');
        throw new Error('no');
      },
    });
    await push(w, 0, 1);
    w.server.stream().active('c5', true);
    await settle();
    expect(w.errors.map(({ message }) => message)).toEqual(['no']);
    await w.clock.advance(1_000);
    expect(await ended).toMatchObject({ message: 'no' });
    expect(w.effects()).toEqual(['e1']);
    expect(await w.inbox.list()).toMatchObject([{ cursor: 'c1' }]);
    await w.events.close();
  });
});

describe('two processes with one subscription', () => {
  it('ORDER-04 the one started last has effects, the other one ends', async () => {
    const db = openDatabase();
    const first = await processWorld({ db });
    const { ended } = await first.start();
    await push(first, 0, 1);
    const second = await processWorld({ db });
    await second.start();
    await pushMore(first, 1, 1);
    expect(await ended).toMatchObject({ code: 'TAKEN_OVER' });
    await push(second, 1, 1);
    expect(effects(db)).toEqual(['e1', 'e2']);
    await first.events.close();
    await second.events.close();
    expect(await second.inbox.list()).toMatchObject([{ cursor: 'c2' }]);
  });

  /** Two processes with webhooks, the second started while the first one runs; what the server was asked, in order. */
  async function replacedByWebhook(first: { store?: undefined } = {}) {
    const db = openDatabase();
    const asked: string[] = [];
    const begin = async (who: string, store: object, on?: RawServer) => {
      const receiver = new FakeReceiver();
      const w = await processWorld({ db, ...store, ...(on && { on }), webhook: { receiver, url: BASE_URL } });
      w.server.types = [eventType('incident.opened', ['webhook'])];
      for (const method of [Methods.subscribe, Methods.unsubscribe]) {
        w.server.on(method, () => {
          asked.push(`${who} ${method}`);
          return granted(w.clock, 3_600_000);
        });
      }
      return { ...w, receiver, ...(await w.start({ subscribe: { from: 'c0' } })) };
    };
    const one = await begin('first', first);
    const two = await begin('second', {});
    expect(asked.slice(-2)).toEqual([`second ${Methods.unsubscribe}`, `second ${Methods.subscribe}`]);
    asked.length = 0;
    return { one, two, asked, effects: () => effects(db) };
  }

  for (const [what, store] of [
    ['as the store', {}],
    ['beside another store', { store: undefined }],
  ] as const) {
    it(`CLIENT-21 CLIENT-07 one that was replaced, with the inbox ${what}, ends nothing of its successor at the server when it stops`, async () => {
      for (const end of ['close', 'cancel'] as const) {
        const { one, two, asked } = await replacedByWebhook(store);
        if (end === 'close') await one.events.close();
        else await expect(one.subscription.cancel()).rejects.toMatchObject({ code: 'TAKEN_OVER' });
        await one.events.close();
        expect(asked).toEqual([]);
        expect(one.warnings).toEqual([]);
        await two.receiver.last.event('e1', 'c1');
        await settle();
        expect(two.effects()).toEqual(['e1']);
        // Its own it ends, also when the record is gone.
        await two.subscription.cancel();
        expect(asked).toEqual([`second ${Methods.unsubscribe}`]);
        await two.events.close();
      }
    });
  }

  it('CLIENT-21 one that was replaced does not refresh with its own secret what its successor has, and ends', async () => {
    const { one, two, asked } = await replacedByWebhook();
    await one.clock.advance(4_000_000);
    expect(asked).toEqual([]);
    expect(await one.ended).toMatchObject({ code: 'TAKEN_OVER' });
    await one.events.close();
    expect(asked).toEqual([]);
    await two.events.close();
  });

  it('CLIENT-21 a database that fails keeps nobody from refreshing', async () => {
    const { two, asked } = await replacedByWebhook();
    two.db.exec('BEGIN');
    await two.clock.advance(3_000_000);
    two.db.exec('ROLLBACK');
    expect(asked).toEqual([`second ${Methods.subscribe}`]);
    await two.events.close();
  });

  it('inboxes with different namespaces do not meet', async () => {
    const db = openDatabase();
    const first = await processWorld({ db, namespace: 'one' });
    const second = await processWorld({ db, namespace: 'two' });
    await first.start();
    await second.start();
    await push(first, 0, 1);
    await push(second, 5, 1);
    expect(effects(db)).toEqual(['e1', 'e6']);
    expect(await first.inbox.list()).toMatchObject([{ cursor: 'c1' }]);
    await first.events.close();
    await second.events.close();
  });
});

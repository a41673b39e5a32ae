import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { type CursorStore, EventsClient, memoryStore, type Subscription } from '../src/index.ts';
import { batch, eventType, pending, type RawServer } from './support/rawServer.ts';
import { Reader, settle, world } from './support/world.ts';

async function pushed(subscription: Subscription<unknown>, server: RawServer, count: number): Promise<void> {
  await settle();
  server.stream().active('c0');
  for (let n = 1; n <= count; n += 1) server.stream().event(`e${n}`, `c${n}`);
  await settle();
  expect(subscription.status.state).toBe('active');
}

describe('acknowledgement', () => {
  it('moves and saves the position when the next event is asked for, before it is handed out', async () => {
    const saved: (string | null)[] = [];
    const memory = memoryStore();
    let release: () => void = () => {};
    let hold = false;
    const store: CursorStore = {
      ...memory,
      save: async (key, record) => {
        if (hold) await new Promise<void>((resolve) => (release = resolve));
        saved.push(record.cursor);
        await memory.save(key, record);
      },
    };
    const { server, events } = await world({ store });
    const subscription = await events.subscribe('incident.opened');
    await pushed(subscription, server, 2);
    // Before it had a position, it was stored again when somebody came to rely on it.
    expect(saved).toEqual([null, null, 'c0']);
    await subscription.next();
    expect(subscription.cursor).toBe('c0');

    hold = true;
    let handedOut = false;
    const second = subscription.next().then((result) => {
      handedOut = true;
      return result;
    });
    await settle();
    expect(handedOut).toBe(false);
    release();
    expect((await second).value!.eventId).toBe('e2');
    expect(saved).toEqual([null, null, 'c0', 'c1']);
    await events.close();
    expect(await memory.list()).toMatchObject([{ cursor: 'c1' }]);
  });

  it('CLIENT-06 does not let a heartbeat pass an event that is not acknowledged', async () => {
    const store = memoryStore();
    const { server, events } = await world({ store });
    const subscription = await events.subscribe('incident.opened');
    await pushed(subscription, server, 1);
    server.stream().heartbeat('c5');
    await subscription.next();
    server.stream().heartbeat('c6');
    await settle();
    expect(await store.list()).toMatchObject([{ cursor: 'c0' }]);
    const waiting = subscription.next();
    await settle();
    expect(await store.list()).toMatchObject([{ cursor: 'c6' }]);
    server.stream().heartbeat('c7');
    await settle();
    expect(await store.list()).toMatchObject([{ cursor: 'c7' }]);
    await events.close();
    expect(await waiting).toMatchObject({ done: true });
  });

  it('loses nothing when the store fails: the call throws and can be repeated', async () => {
    const memory = memoryStore();
    let broken = false;
    const store: CursorStore = {
      ...memory,
      save: async (key, record) => {
        if (broken) throw new Error('disk full');
        await memory.save(key, record);
      },
    };
    const errors: Error[] = [];
    const { server, events } = await world({ store });
    const subscription = await events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) });
    await pushed(subscription, server, 2);
    await subscription.next();
    broken = true;
    await expect(subscription.next()).rejects.toThrow('disk full');
    await expect(subscription.next()).rejects.toThrow('disk full');
    broken = false;
    expect((await subscription.next()).value!.eventId).toBe('e2');
    expect(await memory.list()).toMatchObject([{ cursor: 'c1' }]);
    const waiting = subscription.next();
    await settle();
    await events.close();
    await waiting;

    const idle = await world({ store });
    broken = false;
    await idle.events.subscribe('incident.opened', { n: 2 }, { onError: (error) => errors.push(error) });
    await settle();
    broken = true;
    idle.server.stream().heartbeat('c1');
    await settle();
    expect(errors.map(({ message }) => message)).toEqual(['disk full']);
    await idle.events.close();
  });

  it('answers overlapping next() calls in order', async () => {
    const { server, events } = await world();
    const subscription = await events.subscribe('incident.opened');
    const calls = [subscription.next(), subscription.next(), subscription.next()];
    await pushed(subscription, server, 3);
    expect((await Promise.all(calls)).map(({ value }) => value!.eventId)).toEqual(['e1', 'e2', 'e3']);
    await events.close();
  });
});

describe('policy', () => {
  it('AUTH-05 offers no way from an event to a tool call', async () => {
    const { server, events } = await world();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    server.stream().event('e1', 'c1', { data: { tool: 'delete', arguments: {} }, _meta: { 'tools/call': 'delete' } });
    await settle();
    expect(reader.ids).toEqual(['e1']);
    // Only what the Events client does by itself was sent, and the client has no method that takes an event.
    expect(new Set(server.received.map(({ method }) => method))).toEqual(
      new Set(['server/discover', Methods.list, Methods.stream]),
    );
    const members = Object.getOwnPropertyNames(Object.getPrototypeOf(events)).toSorted();
    expect(members).toEqual(['capability', 'close', 'constructor', 'list', 'resume', 'subscribe', 'subscriptions']);
    await events.close();
  });

  it('AUTH-06 AUTH-07 runs the filter before the application, which never sees what it refuses', async () => {
    const store = memoryStore();
    const order: string[] = [];
    const { server, events } = await world({ store });
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      {
        filter: async (event) => {
          order.push(`filter ${event.eventId}`);
          await settle();
          return event.eventId !== 'e2';
        },
      },
    );
    await pushed(subscription, server, 3);
    for (let n = 0; n < 2; n += 1) order.push((await subscription.next()).value!.eventId);
    expect(order).toEqual(['filter e1', 'e1', 'filter e2', 'filter e3', 'e3']);
    expect(await store.list()).toMatchObject([{ cursor: 'c2' }]);
    await events.close();
  });

  it.each([undefined, null, 'no', 0, {}])(
    'AUTH-07 neither hands out nor loses what a filter says %j of',
    async (nonsense) => {
      let answer: unknown = nonsense;
      const { server, events } = await world();
      const filter = (): boolean => answer as boolean;
      const subscription = await events.subscribe('incident.opened', {}, { filter });
      await pushed(subscription, server, 1);
      await expect(subscription.next()).rejects.toThrow(/filter of "incident\.opened" must be true or false, not /);
      answer = true;
      expect((await subscription.next()).value!.eventId).toBe('e1');
      await events.close();
    },
  );

  it('AUTH-07 hands out nothing when the filter fails', async () => {
    let broken = true;
    const { server, events } = await world();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      {
        filter: () => {
          if (broken) throw new Error('policy is down');
          return true;
        },
      },
    );
    await pushed(subscription, server, 1);
    await expect(subscription.next()).rejects.toThrow('policy is down');
    broken = false;
    expect((await subscription.next()).value!.eventId).toBe('e1');
    await events.close();
  });

  it('CLIENT-01 CLIENT-07 a subscription made during cancel keeps its record, however slowly the store forgets', async () => {
    const inner = memoryStore();
    let forget = (): void => {};
    const store = {
      ...inner,
      delete: async (key: string): Promise<void> => {
        await new Promise<void>((resolve) => (forget = resolve));
        await inner.delete(key);
      },
    };
    const { events } = await world({ store });
    const first = await events.subscribe('incident.opened');
    const cancelling = first.cancel();
    const second = events.subscribe('incident.opened');
    await settle();
    forget();
    await cancelling;
    await second;
    expect(await inner.list()).toHaveLength(1);
  });

  it('CLIENT-01 changes to the arguments object after subscribe reach nobody', async () => {
    const { events, server } = await world();
    const args = { level: 'high' };
    const subscription = await events.subscribe('incident.opened', args);
    args.level = 'low';
    await settle();
    expect(subscription.arguments).toEqual({ level: 'high' });
    expect(server.streams()[0]!.request.params).toMatchObject({ arguments: { level: 'high' } });
  });

  it('AUTH-07 CLIENT-07 cancel is a kill switch: nothing already received is handed out', async () => {
    const store = memoryStore();
    const { server, events } = await world({ store });
    const subscription = await events.subscribe('incident.opened');
    await pushed(subscription, server, 3);
    await subscription.next();
    await subscription.cancel();
    expect(await subscription.next()).toEqual({ done: true, value: undefined });
    expect(subscription.status.state).toBe('cancelled');
    expect(events.subscriptions).toEqual([]);
    expect(await store.list()).toEqual([]);
    await settle();
    expect(server.cancelled).toHaveLength(1);
    await events.close();
  });

  it('callbacks that throw are reported and stop nothing', async () => {
    const fail = (): never => {
      throw new Error('callback');
    };
    const { server, events, warnings } = await world();
    const options = { onStatus: fail, onError: fail, onGap: fail, onTerminated: fail, from: 'c' };
    const subscription = await events.subscribe('incident.opened', {}, options);
    const reader = new Reader(subscription);
    await settle();
    server.stream().active('c0', true);
    server.stream().error(-32603);
    server.stream().event('e1', 'c1');
    server.stream().terminated(-32024);
    await settle();
    expect(reader.ids).toEqual(['e1']);
    expect(reader.error).toMatchObject({ errorName: 'Forbidden' });
    expect(warnings.length).toBeGreaterThanOrEqual(4);
    await events.close();
  });
});

describe('life of a subscription', () => {
  it('leaving the loop stops delivery and keeps the position, the last event unacknowledged', async () => {
    const store = memoryStore();
    const { server, events } = await world({ store });
    const subscription = await events.subscribe('incident.opened');
    await pushed(subscription, server, 3);
    for await (const { eventId } of subscription) if (eventId === 'e2') break;
    await settle();
    expect(subscription.status.state).toBe('stopped');
    expect(server.cancelled).toHaveLength(1);
    const again = await events.subscribe('incident.opened');
    await settle();
    expect(server.stream().request.params['cursor']).toBe('c1');
    expect(again.cursor).toBe('c1');
    await events.close();
  });

  it('refuses the same subscription twice; another order of arguments is the same', async () => {
    const { events } = await world();
    const first = await events.subscribe('incident.opened', { a: 1, b: 2 });
    await expect(events.subscribe('incident.opened', { b: 2, a: 1 })).rejects.toMatchObject({
      code: 'ALREADY_SUBSCRIBED',
    });
    const racing = await Promise.allSettled([1, 2, 3].map(() => events.subscribe('incident.opened', { c: 1 })));
    expect(racing.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    first.stop();
    await events.subscribe('incident.opened', { a: 1, b: 2 });
    await events.close();
  });

  it('starts where told: a cursor, from now, or the kept position', async () => {
    const store = memoryStore();
    const { server, events } = await world({ store });
    const asked: unknown[] = [];
    for (const from of ['given', undefined, null, undefined]) {
      const subscription = await events.subscribe('incident.opened', {}, { from });
      await settle();
      asked.push(server.stream().request.params['cursor']);
      subscription.stop();
      await settle();
    }
    expect(asked).toEqual(['given', 'given', null, null]);
    await events.close();
  });

  it('stops on its signal, before or after the start', async () => {
    const { server, events } = await world();
    const stop = new AbortController();
    const subscription = await events.subscribe('incident.opened', {}, { signal: stop.signal });
    const reader = new Reader(subscription);
    await settle();
    stop.abort();
    await settle();
    expect(reader.done).toBe(true);
    expect(server.cancelled).toHaveLength(1);
    const late = await events.subscribe('incident.opened', {}, { signal: stop.signal });
    await settle();
    expect(late.status.state).toBe('stopped');
    expect(server.streams()).toHaveLength(1);
    expect(events.subscriptions).toEqual([]);
    await events.close();
  });

  it('CLIENT-01 rebuilds all subscriptions from the store after a restart', async () => {
    const store = memoryStore();
    const first = await world({ store });
    first.server.types.push(eventType('other', ['poll']));
    first.server.on(Methods.poll, () => batch([], 'p0'));
    const subscription = await first.events.subscribe('incident.opened', { n: 1 }, { maxAgeMs: 5_000 });
    await first.events.subscribe('other', { n: 2 }, { longPollMs: 1_000, maxEvents: 3 });
    await pushed(subscription, first.server, 1);
    const waiting = subscription.next().then(() => subscription.next());
    await settle();
    await first.events.close();
    await waiting;

    const second = await world({ store });
    second.server.types.push(eventType('other', ['poll']));
    second.server.on(Methods.poll, () => pending);
    const seen: string[] = [];
    const resumed = await second.events.resume((record) => ({ filter: () => (seen.push(record.name), true) }));
    const reader = new Reader(resumed.find(({ name }) => name === 'incident.opened')!);
    await settle();
    expect(second.events.subscriptions).toHaveLength(2);
    expect(second.server.stream().request.params).toMatchObject({ arguments: { n: 1 }, cursor: 'c1', maxAgeMs: 5_000 });
    expect(second.server.requests(Methods.poll)[0]!.params).toMatchObject({
      name: 'other',
      arguments: { n: 2 },
      cursor: 'p0',
      maxEvents: 3,
      timeoutMs: 1_000,
    });
    second.server.stream().event('e2', 'c2');
    await settle();
    expect(reader.ids).toEqual(['e2']);
    expect(seen).toEqual(['incident.opened']);
    // Nothing runs twice.
    expect(await second.events.resume()).toEqual([]);
    await second.events.close();
  });

  it('CLIENT-01 leaves a subscription whose type is gone in the store and resumes the others', async () => {
    const store = memoryStore();
    const first = await world({ store });
    first.server.types.push(eventType('going', ['push']));
    await first.events.subscribe('going');
    await first.events.subscribe('incident.opened');
    await first.events.close();
    const second = await world({ store });
    expect((await second.events.resume()).map(({ name }) => name)).toEqual(['incident.opened']);
    expect(second.warnings.join()).toContain('going');
    expect(await store.list()).toHaveLength(2);
    await second.events.close();
  });

  it('close does not wait for a connection that is being made', async () => {
    const { server, clock } = await world();
    let connections = 0;
    const events = new EventsClient(() => ((connections += 1) === 1 ? server.client() : new Promise<never>(() => {})), {
      clock,
      random: () => 1,
    });
    await events.subscribe('incident.opened');
    await settle();
    await server.die();
    await clock.advance(1_000);
    expect(connections).toBe(2);
    await events.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

import { Methods } from '@mcp-events/protocol';
import type { Client } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import {
  EventsClient,
  type EventsClientOptions,
  memoryStore,
  type SubscribeOptions,
  type SubscriptionRecord,
} from '../src/index.ts';
import { sqliteInbox } from '../src/sqlite.ts';
import { FakeClock } from './support/fakeClock.ts';
import { FakeReceiver } from './support/fakeReceiver.ts';
import { effects, note, openDatabase } from './support/processWorld.ts';
import { batch, eventType, RawServer, RpcFailure } from './support/rawServer.ts';
import { granted } from './support/webhookWorld.ts';
import { noJitter, Reader, settle } from './support/world.ts';

/** As the SDK's client throws it over HTTP. */
function refused(): Error {
  const socket = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:4000'), {
    code: 'ECONNREFUSED',
    address: '127.0.0.1',
    port: 4000,
  });
  return new TypeError('fetch failed', { cause: socket });
}

interface DownWorld {
  server: RawServer;
  clock: FakeClock;
  events: EventsClient;
  /** What the function that connects does at present. */
  way: { connect: () => Promise<Client> };
  /** Calls of that function. */
  attempts: () => number;
  /** From now on it connects. */
  up: () => void;
  errors: Error[];
  options: SubscribeOptions;
  warnings: string[];
}

/** A server that cannot be reached, and an events client that can connect again. */
function downWorld(options: EventsClientOptions = {}): DownWorld {
  const server = new RawServer();
  const clock = new FakeClock();
  const errors: Error[] = [];
  const warnings: string[] = [];
  let attempts = 0;
  const way: DownWorld['way'] = { connect: () => Promise.reject(refused()) };
  const connect = (): Promise<Client> => {
    attempts += 1;
    return way.connect();
  };
  const onWarning = (message: string): void => void warnings.push(message);
  const events = new EventsClient(connect, { clock, random: noJitter, onWarning, ...options });
  return {
    server,
    clock,
    events,
    way,
    attempts: () => attempts,
    up: () => (way.connect = () => server.client()),
    errors,
    options: { onError: (error) => errors.push(error) },
    warnings,
  };
}

const kept: SubscriptionRecord = { name: 'incident.opened', arguments: {}, cursor: 'c5', seen: [] };
const KEY = '{"arguments":{},"name":"incident.opened"}';

describe('a server that is down at the start', () => {
  it('CLIENT-01 CLIENT-09 is waited for with backoff, and then delivers from the stored position', async () => {
    const store = memoryStore();
    const first = downWorld({ store });
    first.up();
    const before = await first.events.subscribe('incident.opened');
    await settle();
    first.server.stream().active('c5');
    await settle();
    expect(before.cursor).toBe('c5');
    await first.events.close();

    const w = downWorld({ store });
    const states: string[] = [];
    const onStatus: SubscribeOptions['onStatus'] = ({ state, delivery = '?' }) =>
      void states.push(`${state} ${delivery}`);
    const subscription = await w.events.subscribe('incident.opened', {}, { ...w.options, onStatus });
    const reader = new Reader(subscription);
    expect(subscription.status).toMatchObject({ state: 'waiting', error: { code: 'SERVER_UNREACHABLE' } });
    expect(w.events.subscriptions).toEqual([subscription]);
    await w.clock.advance(999);
    expect(w.attempts()).toBe(1);
    await w.clock.advance(1);
    expect(w.attempts()).toBe(2);
    await w.clock.advance(1_999);
    expect(w.attempts()).toBe(2);
    await w.clock.advance(1);
    expect(w.attempts()).toBe(3);
    expect(w.errors).toHaveLength(3);
    w.up();
    await w.clock.advance(4_000);
    expect(w.server.stream().request.params['cursor']).toBe('c5');
    w.server.stream().active('c5');
    w.server.stream().event('e6', 'c6');
    await settle();
    expect(reader.ids).toEqual(['e6']);
    const tries = ['waiting ?', 'connecting ?'];
    expect(states).toEqual([...tries, ...tries, ...tries, 'connecting push', 'active push']);
    expect(w.errors).toHaveLength(3);
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  });

  it('CLIENT-01 is waited for by resume too, with one attempt for all', async () => {
    const store = memoryStore();
    for (let n = 0; n < 5; n += 1) await store.save(KEY.replace('{}', `{"n":${n}}`), { ...kept, arguments: { n } });
    const w = downWorld({ store });
    const resumed = await w.events.resume(() => w.options);
    expect(resumed).toHaveLength(5);
    expect(w.attempts()).toBe(1);
    expect(w.errors).toHaveLength(5);
    await w.clock.advance(3_000);
    expect(w.attempts()).toBe(3);
    expect(w.errors).toHaveLength(15);
    w.up();
    await w.clock.advance(4_000);
    expect(w.attempts()).toBe(4);
    expect(w.server.requests(Methods.list)).toHaveLength(1);
    expect(w.server.streams().map(({ request: { params } }) => params['arguments'].n)).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(w.server.streams().map(({ request: { params } }) => params['cursor']))).toEqual(new Set(['c5']));
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  });

  it('costs one attempt at a time, whenever the subscriptions begin and end', async () => {
    const w = downWorld();
    const both = await Promise.all([1, 2].map((n) => w.events.subscribe('incident.opened', { n }, w.options)));
    expect(w.attempts()).toBe(1);
    const third = await w.events.subscribe('incident.opened', { n: 3 }, w.options);
    expect(third.status).toMatchObject({ state: 'waiting', error: { code: 'SERVER_UNREACHABLE' } });
    expect(w.attempts()).toBe(1);
    for (const subscription of both) subscription.stop();
    await w.clock.advance(1_000);
    expect(w.attempts()).toBe(2);
    third.stop();
    await settle();
    expect(w.clock.pendingTimers).toBe(0);
    await w.clock.advance(600_000);
    expect(w.attempts()).toBe(2);
    // Nobody waits any more, so the next one sees for itself.
    w.up();
    await w.events.subscribe('incident.opened', { n: 1 });
    await settle();
    expect(w.server.streams()).toHaveLength(1);
    await w.events.close();
  });

  it('also counts as down when it does not answer the first request, or only something in front of it answers', async () => {
    const unavailable = Object.assign(new Error('HTTP 503'), { name: 'SdkHttpError', status: 503 });
    const negotiation = Object.assign(
      new Error('Version negotiation probe failed: fetch failed', { cause: refused() }),
      {
        name: 'SdkError',
        code: 'ERA_NEGOTIATION_FAILED',
      },
    );
    const closed = Object.assign(new Error('Connection closed'), { name: 'SdkError', code: 'CONNECTION_CLOSED' });
    for (const failure of [unavailable, negotiation, closed, new Error('no token'), 'text']) {
      const w = downWorld();
      w.way.connect = () => Promise.reject(failure);
      await w.events.subscribe('incident.opened', {}, w.options);
      expect(w.errors).toMatchObject([{ code: 'SERVER_UNREACHABLE', cause: failure }]);
      await w.events.close();
    }

    const w = downWorld();
    w.up();
    w.server.on(Methods.list, () => {
      void w.server.die();
      return {};
    });
    const subscription = await w.events.subscribe('incident.opened', {}, w.options);
    expect(subscription.status.state).toBe('waiting');
    w.server.on(Methods.list, () => ({ events: w.server.types }));
    await w.clock.advance(1_000);
    expect(w.server.streams()).toHaveLength(1);
    await w.events.close();
  });

  it('is not what a mistake looks like: those still reject', async () => {
    const notFound = Object.assign(new Error('HTTP 404'), { name: 'SdkHttpError', status: 404 });
    const unauthorized = Object.assign(new Error('HTTP 401'), { name: 'SdkHttpError', status: 401 });
    const missing = Object.assign(new Error('spawn my-server ENOENT'), { code: 'ENOENT' });
    const era = Object.assign(new Error('not offered'), { name: 'SdkError', code: 'ERA_NEGOTIATION_FAILED' });
    const badUrl = new TypeError('Invalid URL');
    for (const failure of [notFound, unauthorized, missing, era, badUrl, new ReferenceError('x is not defined')]) {
      const w = downWorld({ store: memoryStore() });
      w.way.connect = () => Promise.reject(failure);
      await expect(w.events.subscribe('incident.opened')).rejects.toBe(failure);
      expect(w.events.subscriptions).toEqual([]);
      await w.events.close();
    }
  });

  it('rejects, as before, where the client was given connected and cannot be connected again', async () => {
    const server = new RawServer();
    const client = await server.client();
    const store = memoryStore();
    await store.save(KEY, kept);
    const events = new EventsClient(client, { store });
    client.transport!.send = () => Promise.reject(refused());
    const unreachable = { code: 'SERVER_UNREACHABLE' };
    await expect(events.subscribe('incident.opened')).rejects.toMatchObject(unreachable);
    await expect(events.resume()).rejects.toMatchObject(unreachable);
    await expect(events.list()).rejects.toMatchObject(unreachable);
    await events.close();
  });
});

describe('what the server says when it is there at last', () => {
  it('TERM-07 ends a subscription of an unknown type, or of one without a usable mode', async () => {
    for (const [types, expected] of [
      [[], { errorName: 'NotFound', data: { kind: 'event' } }],
      [[eventType('incident.opened', ['webhook'])], { code: 'NO_COMPATIBLE_DELIVERY_MODE' }],
    ] as const) {
      const told: Error[] = [];
      const store = memoryStore();
      const w = downWorld({ store });
      w.server.types = [...types];
      const onTerminated = (error: Error): void => void told.push(error);
      const subscription = await w.events.subscribe('incident.opened', {}, { onTerminated });
      const reader = new Reader(subscription);
      w.up();
      await w.clock.advance(1_000);
      expect(reader.error).toMatchObject(expected);
      expect(told).toEqual([reader.error]);
      expect(subscription.status).toMatchObject({ state: 'terminated', error: told[0] });
      expect(w.events.subscriptions).toEqual([]);
      expect(await store.list()).toMatchObject([{ ended: true }]);
      await w.events.close();
      expect(w.clock.pendingTimers).toBe(0);
    }
  });

  it('CAP-05 ends it when the server does not offer Events, without an events request', async () => {
    const w = downWorld();
    w.server.capabilities = { tools: {} };
    const reader = new Reader(await w.events.subscribe('incident.opened'));
    w.up();
    await w.clock.advance(600_000);
    expect(reader.error).toMatchObject({ code: 'EVENTS_NOT_SUPPORTED' });
    expect(w.server.received.filter(({ method }) => method.startsWith('events/'))).toEqual([]);
    await w.events.close();
  });

  it('TERM-08 ends it when the arguments are refused, or access to the list', async () => {
    for (const [method, code, errorName] of [
      [Methods.stream, -32602, 'InvalidParams'],
      [Methods.list, -32024, 'Forbidden'],
    ] as const) {
      const w = downWorld();
      w.server.on(method, () => {
        throw new RpcFailure(code);
      });
      const reader = new Reader(await w.events.subscribe('incident.opened', { wrong: 1 }));
      w.up();
      await w.clock.advance(600_000);
      expect(reader.error).toMatchObject({ errorName });
      expect(w.server.requests(method)).toHaveLength(1);
      await w.events.close();
    }
  });

  it('ERR-08 keeps waiting through what may pass', async () => {
    const w = downWorld();
    await w.events.subscribe('incident.opened', {}, w.options);
    w.up();
    w.server.on(Methods.list, () => {
      throw new RpcFailure(-32603);
    });
    await w.clock.advance(1_000);
    w.server.on(Methods.list, () => ({ events: w.server.types }));
    await w.clock.advance(2_000);
    expect(w.errors).toMatchObject([{ code: 'SERVER_UNREACHABLE' }, { errorName: 'InternalError' }]);
    expect(w.server.streams()).toHaveLength(1);
    await w.events.close();
  });

  it('CLIENT-04 keeps a forced mode', async () => {
    const w = downWorld();
    w.server.on(Methods.poll, () => batch(['e1'], 'c1'));
    const reader = new Reader(await w.events.subscribe('incident.opened', {}, { delivery: 'poll' }));
    w.up();
    await w.clock.advance(1_000);
    expect(reader.ids).toEqual(['e1']);
    expect(w.server.streams()).toEqual([]);
    await w.events.close();
  });

  it('CLIENT-02 CLIENT-10 chooses webhook where there is a receiver, and ends what an earlier process left', async () => {
    const store = memoryStore();
    await store.save(KEY, { ...kept, webhook: { path: 'earlier', seen: [] } });
    const receiver = new FakeReceiver();
    const w = downWorld({ store, webhook: { receiver, url: 'https://agent.example/hooks' } });
    w.server.types = [eventType('incident.opened', ['webhook', 'push', 'poll'])];
    w.server.on(Methods.subscribe, () => granted(w.clock, 3_600_000));
    w.server.on(Methods.unsubscribe, () => ({}));
    const [subscription] = await w.events.resume();
    w.up();
    await w.clock.advance(1_000);
    expect(subscription!.status).toMatchObject({ state: 'active', delivery: 'webhook' });
    const url = 'https://agent.example/hooks/earlier';
    expect(w.server.requests(Methods.unsubscribe)[0]!.params['delivery'].url).toBe(url);
    expect(w.server.requests(Methods.subscribe)[0]!.params).toMatchObject({ cursor: 'c5', delivery: { url } });
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  });
});

describe('processing with an inbox while the server is down', () => {
  it.each([
    ['the client has the inbox as store', true],
    ['the inbox knows the subscription and the client has another store', false],
  ])('CLIENT-01 begins at the position of the inbox when it comes up: %s', async (_case, isStore) => {
    const db = openDatabase();
    const inbox = sqliteInbox(db);
    await inbox.save(KEY, kept);
    const w = downWorld({ store: isStore ? inbox : memoryStore() });
    const subscription = await w.events.subscribe('incident.opened', {}, w.options);
    const ended = subscription.process(note, { inbox });
    await w.clock.advance(1_000);
    expect(w.attempts()).toBe(2);
    w.up();
    await w.clock.advance(2_000);
    expect(w.server.streams()).toHaveLength(1);
    expect(w.server.stream().request.params['cursor']).toBe('c5');
    w.server.stream().active('c5');
    w.server.stream().event('e6', 'c6');
    await settle();
    expect(effects(db)).toEqual(['e6']);
    // Each failure is told once.
    expect(w.errors).toHaveLength(2);
    await w.events.close();
    await ended;
    expect(w.clock.pendingTimers).toBe(0);
  });

  it('TERM-07 rejects with what the server says for good', async () => {
    const inbox = sqliteInbox(openDatabase());
    const w = downWorld({ store: inbox });
    w.server.types = [];
    const subscription = await w.events.subscribe('incident.opened');
    const ended = subscription.process(note, { inbox });
    ended.catch(() => {});
    w.up();
    await w.clock.advance(1_000);
    await expect(ended).rejects.toMatchObject({ errorName: 'NotFound' });
    await w.events.close();
  });
});

describe('an end while the server is down', () => {
  it('close() ends everything, between two attempts and in the middle of one', async () => {
    for (const inTheMiddle of [false, true]) {
      const w = downWorld({ onEventTypesChanged: () => {} });
      const reader = new Reader(await w.events.subscribe('incident.opened', {}, w.options));
      if (inTheMiddle) {
        w.way.connect = () => new Promise(() => {});
        await w.clock.advance(1_000);
      }
      await w.events.close();
      await settle();
      expect(reader).toMatchObject({ done: true, error: undefined });
      expect(w.clock.pendingTimers).toBe(0);
      const attempts = w.attempts();
      await w.clock.advance(600_000);
      expect(w.attempts()).toBe(attempts);
    }
  });

  it('close() does not wait for the first attempt either, and closes the client that still comes of it', async () => {
    const w = downWorld({ onEventTypesChanged: () => {} });
    let connected: (client: Client) => void = () => {};
    w.way.connect = () => new Promise((resolve) => (connected = resolve));
    const subscribing = w.events.subscribe('incident.opened');
    subscribing.catch(() => {});
    await settle();
    await w.events.close();
    await expect(subscribing).rejects.toMatchObject({ code: 'CLOSED' });
    const client = await w.server.client();
    connected(client);
    await settle();
    expect(client.transport).toBeUndefined();
    expect(w.clock.pendingTimers).toBe(0);
  });

  it('CLIENT-07 stop() keeps the position and cancel() forgets it, without the server', async () => {
    const store = memoryStore();
    await store.save(KEY, kept);
    const w = downWorld({ store });
    const stopped = await w.events.subscribe('incident.opened', {}, w.options);
    stopped.stop();
    await settle();
    expect(w.clock.pendingTimers).toBe(0);
    const again = await w.events.subscribe('incident.opened', {}, w.options);
    expect(again.cursor).toBe('c5');
    await again.cancel();
    expect(await store.list()).toEqual([]);
    expect(w.clock.pendingTimers).toBe(0);
    const aborted = await w.events.subscribe('incident.opened', {}, { signal: AbortSignal.abort() });
    expect(aborted.status.state).toBe('stopped');
    expect(w.clock.pendingTimers).toBe(0);
    await w.events.close();
  });
});

describe('a client that can connect', () => {
  it('still rejects an unknown type at once', async () => {
    const w = downWorld();
    w.up();
    await expect(w.events.subscribe('unknown')).rejects.toMatchObject({ errorName: 'NotFound' });
    await w.events.close();
  });

  it('waits with a further subscription for a server that went down meanwhile', async () => {
    const w = downWorld();
    w.up();
    await w.events.subscribe('incident.opened', {}, w.options);
    await settle();
    w.server.types.push(eventType('new', ['push']));
    w.way.connect = () => Promise.reject(refused());
    await w.server.die();
    const further = await w.events.subscribe('new');
    expect(further.status.state).toBe('waiting');
    w.up();
    await w.clock.advance(10_000);
    expect(w.server.streams().map(({ request }) => request.params['name'])).toContain('new');
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  });
});

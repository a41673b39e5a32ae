import { createWebhookSecret, Methods } from '@mcp-events/protocol';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { EventsClient, type EventsClientOptions, type SubscribeOptions } from '../src/index.ts';
import { TransportTap } from '../src/connection/transportTap.ts';
import { batch, eventType, occurrence, pending, RawServer, RpcFailure } from './support/rawServer.ts';
import { HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { noJitter, Reader, settle, world } from './support/world.ts';
import { FakeClock } from './support/fakeClock.ts';

const NO_NUMBERS = [NaN, -1, '1', null, {}, -Infinity];

describe('options', () => {
  const client = (options: object): unknown => new EventsClient(() => Promise.reject(new Error('no')), options);

  for (const [name, wrong] of [
    ['pollFloorMs', [...NO_NUMBERS, 0, Infinity]],
    ['heartbeatIntervalMs', [...NO_NUMBERS, 0]],
    ['maxBufferedEvents', [...NO_NUMBERS, 0, 1.5, Infinity]],
    ['maxBufferedBytes', [...NO_NUMBERS, 0, 1.5, Infinity]],
    ['acceptSketch', ['yes', 1, null]],
    ['onWarning', ['log', {}, null]],
    ['onEventTypesChanged', ['log', {}, null]],
    ['random', [0.5, null]],
    ['store', [{}, null, 'cursors.json']],
    ['clock', [{}, null, 1, { now: () => 0 }]],
    ['webhook', [null, 'https://agent.example']],
  ] as [keyof EventsClientOptions, unknown[]][]) {
    it(`CLIENT-20 refuses a wrong ${name}`, () => {
      for (const value of wrong) {
        expect(() => client({ [name]: value }), String(value)).toThrow(TypeError);
        expect(() => client({ [name]: value })).toThrow(new RegExp(`${name}.* must be .*, not `));
      }
    });
  }

  it('CLIENT-20 refuses wrong members of options, and names them', () => {
    const receiver = { register: () => {} };
    const url = 'https://agent.example/hooks';
    for (const [options, name] of [
      [{ backoff: { baseMs: 0 } }, 'backoff.baseMs'],
      [{ backoff: { maxMs: Infinity } }, 'backoff.maxMs'],
      [{ webhook: { receiver: {}, url } }, 'webhook.receiver'],
      [{ webhook: { receiver, url: 1 } }, 'webhook.url'],
      [{ webhook: { receiver, url, ttlMs: NaN } }, 'webhook.ttlMs'],
      [{ webhook: { receiver, url, rotateSecretAfterMs: NaN } }, 'webhook.rotateSecretAfterMs'],
      [{ webhook: { receiver, url, createSecret: 'whsec_' } }, 'webhook.createSecret'],
    ] as [object, string][]) {
      expect(() => client(options), name).toThrow(`${name} must be `);
    }
    expect(() => client({ webhook: { receiver, url: 'ftp://x' } })).toThrow(TypeError);
    client({
      webhook: { receiver, url, ttlMs: null, rotateSecretAfterMs: Infinity },
      backoff: {},
      onWarning: undefined,
    });
  });

  it('CLIENT-20 refuses wrong options of a subscription, its name and its arguments', async () => {
    const { events, server } = await world();
    for (const [options, name] of [
      [{ delivery: 'pull' }, 'delivery'],
      [{ from: 1 }, 'from'],
      [{ maxAgeMs: NaN }, 'maxAgeMs'],
      [{ maxAgeMs: -1 }, 'maxAgeMs'],
      [{ maxEvents: 0 }, 'maxEvents'],
      [{ longPollMs: Infinity }, 'longPollMs'],
      [{ onGap: 'log' }, 'onGap'],
      [{ filter: true }, 'filter'],
      [{ payload: {} }, 'payload'],
      [{ signal: {} }, 'signal'],
    ] as [SubscribeOptions, string][]) {
      await expect(events.subscribe('incident.opened', {}, options), name).rejects.toThrow(
        new RegExp(`^${name}.* must be `),
      );
    }
    for (const name of ['', 1, undefined]) await expect(events.subscribe(name as string)).rejects.toThrow('the name');
    for (const args of [null, [], 'x']) {
      await expect(events.subscribe('incident.opened', args as never)).rejects.toThrow('the arguments');
    }
    expect(server.received).toEqual([]);
    await events.close();
  });

  it('CLIENT-20 heartbeatIntervalMs Infinity turns the watch off, and sets no timer again and again', async () => {
    const { events, server, clock } = await world({ heartbeatIntervalMs: Infinity });
    server.types = [eventType('incident.opened', ['push'])];
    await events.subscribe('incident.opened');
    let timers = 0;
    const { setTimeout } = FakeClock.prototype;
    clock.setTimeout = (callback, delayMs) => {
      timers += 1;
      return setTimeout.call(clock, callback, delayMs);
    };
    await clock.advance(24 * HOUR_MS);
    expect([timers, server.streams().length]).toEqual([0, 1]);
    await events.close();
  });
});

describe('callbacks of the application', () => {
  it('CLIENT-20 may be rejected or throw: told to onWarning, and nothing ends', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): unknown => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const { server, events, warnings } = await world();
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32603);
    });
    const onError = (): unknown => Promise.reject(new Error('the log is down'));
    const onStatus = (): never => {
      throw new Error('no screen');
    };
    await events.subscribe('incident.opened', {}, { onError, onStatus });
    await settle();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
    expect(warnings.some((warning) => warning.includes('the log is down'))).toBe(true);
    expect(warnings.some((warning) => warning.includes('no screen'))).toBe(true);
    await events.close();

    const failing = await world({ onWarning: (): unknown => Promise.reject(new Error('x')) });
    failing.server.types = [{ bad: true }, ...failing.server.types];
    await failing.events.subscribe('incident.opened');
    await failing.events.close();
  });
});

describe('functions of the application that have to answer at once', () => {
  const unhandled: unknown[] = [];
  const catchIt = (reason: unknown): void => void unhandled.push(reason);
  beforeEach(() => void process.on('unhandledRejection', catchIt));
  afterEach(() => {
    process.off('unhandledRejection', catchIt);
    expect(unhandled.splice(0)).toEqual([]);
  });
  // Such rejections are told after the microtasks of their turn.
  const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no dice');
      },
    ],
    ['answers with no number', () => NaN],
    ['answers with a negative one', () => -1],
    ['answers with one that is too large', () => 1.5],
    ['answers with a promise that is rejected', () => Promise.reject(new Error('no dice'))],
  ])('CLIENT-20 CLIENT-09 attempts have waits between them, and go on, where random %s', async (_what, random) => {
    const { server, clock, events, warnings } = await world({ random: random as () => number });
    const instead = vi.spyOn(Math, 'random').mockReturnValue(0.999);
    onTestFinished(() => instead.mockRestore());
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32603);
    });
    const subscription = await events.subscribe('incident.opened', {}, { delivery: 'push' });
    await settle();
    expect(server.requests(Methods.stream)).toHaveLength(1);
    await clock.advance(1_000);
    expect(server.requests(Methods.stream)).toHaveLength(2);
    expect(subscription.status.state).toBe('waiting');
    expect(warnings[0]).toMatch(/^random .*Math\.random is used instead/);
    await events.close();
    await nextTurn();
  });

  it.each<[string, () => unknown]>([
    ['a promise that is rejected', () => Promise.reject(new Error('no vault'))],
    ['nothing', () => undefined],
  ])(
    'CLIENT-20 SIG-11 a subscription that gets %s for a secret says so, and is tried again',
    async (_what, createSecret) => {
      let isBroken = true;
      const { clock, events, subscribes } = await webhookWorld({
        hooks: { createSecret: (() => (isBroken ? createSecret() : createWebhookSecret())) as () => string },
      });
      const errors: string[] = [];
      const onError = ({ message }: Error): void => void errors.push(message);
      await events.subscribe('incident.opened', {}, { delivery: 'webhook', onError });
      await settle();
      expect(errors[0]).toMatch(/webhook\.createSecret must be a secret, at once, not /);
      expect(subscribes()).toEqual([]);
      isBroken = false;
      await clock.advance(1_000);
      expect(subscribes()).toHaveLength(1);
      await events.close();
      await nextTurn();
    },
  );
});

describe('answers', () => {
  it('CUR-04 null counts as absent in every member of a poll result', async () => {
    const { server, events } = await world();
    server.on(Methods.poll, () => ({
      events: [occurrence('e1')],
      cursor: 'c1',
      truncated: null,
      hasMore: null,
      nextPollMs: null,
    }));
    const reader = new Reader(await events.subscribe('incident.opened', {}, { delivery: 'poll', from: 'c0' }));
    await settle();
    expect(reader.ids).toEqual(['e1']);
    await events.close();
  });

  it('CLIENT-16 a poll result with far more events than were asked for is refused, a few more are taken', async () => {
    for (const [count, isTaken] of [
      [10_000, true],
      [10_001, false],
    ] as const) {
      const errors: Error[] = [];
      const { server, events } = await world();
      const ids = Array.from({ length: count }, (_, n) => `e${n}`);
      server.on(Methods.poll, () => batch(ids, 'c1'));
      const onError = (error: Error): void => void errors.push(error);
      await events.subscribe('incident.opened', {}, { delivery: 'poll', from: 'c0', onError });
      await settle();
      expect(errors).toMatchObject(isTaken ? [] : [{ code: 'MALFORMED_ANSWER' }]);
      await events.close();
    }
  });

  it('CLIENT-16 a list of event types is bounded in number and in bytes', async () => {
    for (const [types, isTaken] of [
      [Array.from({ length: 10_000 }, (_, n) => ({ name: `t${n}`, delivery: [] })), true],
      [Array.from({ length: 10_001 }, (_, n) => ({ name: `t${n}`, delivery: [] })), false],
      [[{ ...eventType('x', []), description: 'x'.repeat(34 * 1024 * 1024) }], false],
    ] as [Record<string, unknown>[], boolean][]) {
      const { server, events } = await world();
      server.types = types;
      const listing = events.list();
      if (isTaken) expect(await listing).toHaveLength(types.length);
      else await expect(listing).rejects.toMatchObject({ code: 'MALFORMED_ANSWER' });
      await events.close();
    }
  });

  it('LIST-12 a burst of announcements is one more list, and the application gets the latest', async () => {
    const told: string[][] = [];
    const server = new RawServer();
    server.capabilities = { extensions: { 'io.modelcontextprotocol/events': { listChanged: true } } };
    server.on('subscriptions/listen', () => pending);
    const onEventTypesChanged = (types: { name: string }[]): unknown => told.push(types.map(({ name }) => name));
    const { events } = await world({ server, onEventTypesChanged });
    await events.list();
    await settle();
    const meta = { 'io.modelcontextprotocol/subscriptionId': server.requests('subscriptions/listen')[0]!.id };
    const say = (method: string, params: object): void =>
      server.send({ jsonrpc: '2.0', method: `notifications/${method}`, params: { ...params, _meta: meta } });
    say('subscriptions/acknowledged', { notifications: { eventsListChanged: true } });
    const before = server.requests(Methods.list).length;
    server.on(Methods.list, () => pending);
    for (let n = 0; n < 1_000; n += 1) say('events/list_changed', {});
    await settle();
    const [first] = server.requests(Methods.list).slice(before);
    expect(server.requests(Methods.list)).toHaveLength(before + 1);
    server.answer(first!.id, { events: [eventType('a', ['poll'])] });
    await settle();
    expect(server.requests(Methods.list)).toHaveLength(before + 2);
    server.answer(server.requests(Methods.list).at(-1)!.id, {
      events: [eventType('a', ['poll']), eventType('b', ['poll'])],
    });
    await settle();
    expect(told).toEqual([['a', 'b']]);
    await events.close();
  });
});

describe('two events clients on one client', () => {
  it('PUSH-17 keep nothing of each other, and each gets what is its own', async () => {
    const server = new RawServer();
    const client = await server.client();
    const clock = new FakeClock();
    const warnings: string[] = [];
    const options = { clock, random: noJitter, onWarning: (warning: string) => void warnings.push(warning) };
    const clients = [new EventsClient(client, options), new EventsClient(client, options)];
    const readers: Reader[] = [];
    for (const [n, events] of clients.entries())
      readers.push(new Reader(await events.subscribe('incident.opened', { n })));
    for (const stream of server.streams()) stream.event(`e${stream.request.params['arguments'].n}`, 'c1');
    await settle();
    expect(readers.map(({ ids }) => ids)).toEqual([['e0'], ['e1']]);
    expect(warnings).toEqual([]);
    for (const events of clients) await events.close();
  });

  it('PUSH-17 a request of one is not kept by the tap of the other', async () => {
    const server = new RawServer();
    const client = await server.client();
    const inner = new TransportTap(client.transport!, () => {});
    const outer = new TransportTap(client.transport!, () => {});
    const seen: string[] = [];
    const exchange = { onDropped: () => {}, onNotification: (method: string) => void seen.push(method) };
    const { transport } = client;
    await transport!.send({
      jsonrpc: '2.0',
      id: 'x',
      method: Methods.stream,
      params: inner.mark({ cursor: null }, exchange),
    });
    await settle();
    expect(seen).toHaveLength(1);
    inner.release(exchange);
    server.stream().heartbeat('c1');
    await settle();
    expect(seen).toHaveLength(1);
    outer.detach();
    inner.detach();
  });
});

describe('the end of what another mode left', () => {
  it('CLIENT-07 cancel() ends a webhook subscription that could not be ended when push took over', async () => {
    const w = await webhookWorld();
    const subscription = await w.events.subscribe('incident.opened');
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32027, { reason: 'timeout' });
    });
    w.server.on(Methods.unsubscribe, () => {
      throw new RpcFailure(-32603);
    });
    await w.clock.advance(HOUR_MS * 0.8 + 1_000);
    expect(subscription.status.delivery).toBe('push');
    w.server.on(Methods.unsubscribe, () => ({}));
    const before = w.unsubscribes().length;
    await subscription.cancel();
    expect(w.unsubscribes()).toHaveLength(before + 1);
    await w.events.close();
  });
});

describe('an outage', () => {
  it('CLIENT-15 is no failure of the mode: what comes back by poll tries the better mode soon', async () => {
    const server = new RawServer();
    let isDown = false;
    const clock = new FakeClock();
    const connect = (): ReturnType<RawServer['client']> =>
      isDown ? Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })) : server.client();
    const events = new EventsClient(connect, { clock, random: noJitter });
    server.on(Methods.poll, () => batch([], 'c0'));
    const subscription = await events.subscribe('incident.opened', {}, { from: 'c0' });
    await settle();
    isDown = true;
    await server.die();
    await clock.advance(6_900);
    isDown = false;
    await clock.advance(20_000);
    expect(subscription.status).toMatchObject({ state: 'active', delivery: 'push' });
    await events.close();
  });
});

import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../src/index.ts';
import { batch, eventType, pending, type RawRequest, RpcFailure } from './support/rawServer.ts';
import { granted, HOUR_MS, webhookWorld } from './support/webhookWorld.ts';
import { Reader, settle, world } from './support/world.ts';

const CALLBACK_ENDPOINT_ERROR = -32027;
const FIVE_MINUTES_MS = 5 * 60_000;

describe('choice of webhook mode', () => {
  it('CLIENT-02 takes what the type offers and this client can use, webhook first', async () => {
    for (const [offered, expected] of [
      [['poll', 'push', 'webhook'], 'webhook'],
      [['poll', 'push'], 'push'],
      [['poll', 'webhook'], 'webhook'],
      [['poll'], 'poll'],
    ] as const) {
      const { server, events } = await webhookWorld();
      server.types = [eventType('incident.opened', [...offered])];
      server.on(Methods.poll, () => batch([], 'c0'));
      const subscription = await events.subscribe('incident.opened');
      await settle();
      expect(subscription.status.delivery).toBe(expected);
      await events.close();
    }
  });

  it('CLIENT-03 CLIENT-04 says what is missing when a webhook is wanted and no receiver is configured', async () => {
    const { server, events } = await world();
    server.types = [eventType('hooked', ['webhook']), eventType('both', ['webhook', 'poll'])];
    await expect(events.subscribe('hooked')).rejects.toMatchObject({
      code: 'NO_COMPATIBLE_DELIVERY_MODE',
      message: expect.stringContaining('{ webhook: { receiver: new WebhookReceiver(), url: '),
    });
    await expect(events.subscribe('both', {}, { delivery: 'webhook' })).rejects.toMatchObject({
      code: 'DELIVERY_MODE_NOT_AVAILABLE',
      message: expect.stringContaining('{ webhook: { receiver: new WebhookReceiver(), url: '),
    });
    await events.close();
  });

  it('CLIENT-04 refuses webhook for a type that does not offer it, and takes another mode when forced', async () => {
    const { server, events } = await webhookWorld();
    server.types = [eventType('incident.opened', ['webhook', 'poll']), eventType('polled', ['poll'])];
    server.on(Methods.poll, () => batch([], 'c0'));
    await expect(events.subscribe('polled', {}, { delivery: 'webhook' })).rejects.toMatchObject({
      message: expect.not.stringContaining('"webhook" option'),
    });
    const forced = await events.subscribe('incident.opened', {}, { delivery: 'poll' });
    await settle();
    expect(forced.status.delivery).toBe('poll');
    await events.close();
  });
});

describe('failover from webhook', () => {
  it('CLIENT-06 changes to push after three failures, on the same cursor, and comes back after five minutes', async () => {
    const { server, receiver, subscribes, unsubscribes, events, clock } = await webhookWorld();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    await receiver.last.event('e1', 'c1');
    await receiver.last.event('e2', 'c1');
    await receiver.last.terminated(-32023);
    server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32603);
    });
    await clock.advance(10_000);
    expect(subscribes().map(({ params }) => params['cursor'])).toEqual([null, 'c1', 'c1']);
    const stream = server.stream();
    expect(stream.request.params['cursor']).toBe('c1');
    stream.active('c1');
    stream.event('e2', 'c2');
    stream.event('e3', 'c3');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3']);

    for (let minute = 0; minute < 5; minute += 1) {
      stream.heartbeat('c3');
      await clock.advance(30_000);
      stream.heartbeat('c3');
      if (minute === 4) server.on(Methods.subscribe, () => granted(clock, HOUR_MS, { cursor: 'c3' }));
      await clock.advance(30_000);
    }
    expect(subscribes().at(-1)!.params['cursor']).toBe('c3');
    expect(server.cancelled).toContain(stream.request.id);
    // What the failed attempts may have left was ended first.
    expect(unsubscribes().length).toBeGreaterThan(0);
    await receiver.last.event('e4', 'c4');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3', 'e4']);
    await events.close();
  });

  for (const [name, code] of [
    ['CallbackEndpointError', CALLBACK_ENDPOINT_ERROR],
    ['CallbackEndpointError (sketch)', -32015],
    ['InvalidParams', -32602],
    ['Forbidden', -32024],
  ] as const) {
    it(`changes the mode at once when the first answer is ${name}, and tries again after five minutes`, async () => {
      const errors: Error[] = [];
      const { server, subscribes, unsubscribes, events, clock } = await webhookWorld();
      server.types = [eventType('incident.opened', ['webhook', 'poll'])];
      server.on(Methods.subscribe, () => {
        throw new RpcFailure(code, { reason: 'challenge_failed' });
      });
      server.on(Methods.poll, ({ params }: RawRequest) => batch(['e1'], params['cursor'] ?? 'c1'));
      const reader = new Reader(
        await events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) }),
      );
      await settle();
      expect(reader.ids).toEqual(['e1']);
      expect(errors).toMatchObject([{ code }]);
      await clock.advance(FIVE_MINUTES_MS);
      expect(subscribes()).toHaveLength(2);
      const polls = server.requests(Methods.poll).length;
      await clock.advance(10_000);
      expect(server.requests(Methods.poll).length).toBeGreaterThan(polls);
      // Nothing was made, so nothing is ended.
      expect(unsubscribes()).toEqual([]);
      await events.close();
    });
  }

  it('ends when the other mode is refused in the same way', async () => {
    const { server, subscribes, events, clock } = await webhookWorld();
    for (const method of [Methods.subscribe, Methods.stream]) {
      server.on(method, () => {
        throw new RpcFailure(-32602);
      });
    }
    const reader = new Reader(await events.subscribe('incident.opened', { wrong: true }));
    await clock.advance(600_000);
    expect(reader.error).toMatchObject({ errorName: 'InvalidParams' });
    expect(subscribes()).toHaveLength(1);
    expect(server.streams()).toHaveLength(1);
    await events.close();
  });

  it('CLIENT-09 a forced webhook goes on trying while its endpoint cannot be reached, and tells each failure', async () => {
    const errors: Error[] = [];
    const { server, subscribes, events, clock } = await webhookWorld();
    server.on(Methods.subscribe, () => {
      throw new RpcFailure(CALLBACK_ENDPOINT_ERROR, { reason: 'timeout' });
    });
    const options = { delivery: 'webhook', onError: (error: Error) => errors.push(error) } as const;
    const subscription = await events.subscribe('incident.opened', {}, options);
    await clock.advance(1_000 + 2_000 + 4_000);
    expect(subscribes()).toHaveLength(4);
    expect(errors).toHaveLength(4);
    expect(errors[0]).toMatchObject({ errorName: 'CallbackEndpointError', data: { reason: 'timeout' } });
    expect(subscription.status.state).toBe('waiting');
    server.on(Methods.subscribe, () => granted(clock, HOUR_MS));
    await clock.advance(8_000);
    expect(subscription.status.state).toBe('active');
    await events.close();
  });

  it('a forced webhook is tried again when the request itself is refused, and ends at the fourth time', async () => {
    const { server, subscribes, events, clock } = await webhookWorld();
    // It may be about the callback, which somebody mends, or about the arguments.
    server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32602);
    });
    const reader = new Reader(await events.subscribe('incident.opened', {}, { delivery: 'webhook' }));
    await clock.advance(600_000);
    expect(reader.error).toMatchObject({ errorName: 'InvalidParams' });
    expect(subscribes()).toHaveLength(4);
    await events.close();
  });

  it('ORDER-04 repeats nothing and loses nothing that waited for its turn when the mode changes', async () => {
    const store = memoryStore();
    const { server, receiver, events } = await webhookWorld({ store });
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    await receiver.last.event('e1', 'c1', { position: 'c1', previous: null });
    await receiver.last.event('e3', 'c1', { position: 'c3', previous: 'c2' });
    await receiver.last.terminated(CALLBACK_ENDPOINT_ERROR, { reason: 'timeout' });
    await settle();
    const stream = server.stream();
    expect(stream.request.params['cursor']).toBe('c1');
    stream.active('c1');
    for (const n of [2, 3, 4]) stream.event(`e${n}`, `c${n}`);
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3', 'e4']);
    expect(await store.list()).toMatchObject([{ cursor: 'c4' }]);
    await events.close();
  });

  it('refuses posts while another mode delivers', async () => {
    const { server, receiver, events } = await webhookWorld();
    server.on(Methods.subscribe, () => pending);
    const subscribing = events.subscribe('incident.opened');
    await settle();
    const waiting = receiver.last.event('e1', 'c1');
    server.fail(server.requests(Methods.subscribe)[0]!.id, { code: CALLBACK_ENDPOINT_ERROR, message: 'unreachable' });
    expect(await waiting).toBe('retry');
    await settle();
    expect(server.streams()).toHaveLength(1);
    expect(await receiver.last.event('e1', 'c1')).toBe('unknown');
    await subscribing;
    await events.close();
  });
});

import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { DeliveryModeNotAvailableError, NoCompatibleDeliveryModeError, type SubscriptionStatus } from '../src/index.ts';
import { batch, eventType, pending, type RawRequest, RpcFailure } from './support/rawServer.ts';
import { Reader, settle, world } from './support/world.ts';

const both = [eventType('incident.opened', ['poll', 'push'])];

describe('choice of the delivery mode', () => {
  it('CLIENT-02 prefers push, then poll, among what the type offers', async () => {
    for (const [offered, expected] of [
      [['poll', 'push', 'webhook'], 'push'],
      [['poll', 'webhook'], 'poll'],
      [['push'], 'push'],
    ] as const) {
      const { server, events } = await world();
      server.types = [eventType('incident.opened', [...offered])];
      const subscription = await events.subscribe('incident.opened');
      await settle();
      expect(subscription.status.delivery).toBe(expected);
      await events.close();
    }
  });

  it('CLIENT-03 fails without a common mode', async () => {
    const { server, events } = await world();
    server.types = [eventType('incident.opened', ['webhook']), eventType('empty', [])];
    await expect(events.subscribe('incident.opened')).rejects.toBeInstanceOf(NoCompatibleDeliveryModeError);
    await expect(events.subscribe('empty')).rejects.toMatchObject({ code: 'NO_COMPATIBLE_DELIVERY_MODE' });
    expect(events.subscriptions).toEqual([]);
    await events.close();
  });

  it('CLIENT-04 uses the forced mode and refuses an impossible one', async () => {
    const { server, events } = await world();
    server.types = [...both, eventType('polled', ['poll'])];
    server.on(Methods.poll, () => batch([], 'c0'));
    const forced = await events.subscribe('incident.opened', {}, { delivery: 'poll' });
    await settle();
    expect(forced.status.delivery).toBe('poll');
    expect(server.streams()).toEqual([]);
    await expect(events.subscribe('polled', {}, { delivery: 'push' })).rejects.toBeInstanceOf(
      DeliveryModeNotAvailableError,
    );
    await events.close();
  });
});

describe('failover', () => {
  it('changes the mode after three failures in a row, on the same cursor, and returns after five minutes', async () => {
    const states: SubscriptionStatus[] = [];
    const { server, events, clock } = await world();
    server.types = both;
    const reader = new Reader(
      await events.subscribe('incident.opened', {}, { onStatus: (status) => states.push(status) }),
    );
    await settle();
    server.stream().active('c0');
    server.stream().event('e1', 'c1');
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32603);
    });
    server.on(Methods.poll, ({ params }: RawRequest) =>
      params['cursor'] === 'c1' ? batch(['e1', 'e2'], 'c2') : batch([], params['cursor']),
    );
    server.stream().end();
    await clock.advance(2_999);
    expect(server.streams()).toHaveLength(2);
    await clock.advance(1);
    expect(server.streams()).toHaveLength(3);
    expect(server.requests(Methods.poll)).toHaveLength(0);
    await clock.advance(4_000);
    expect(server.requests(Methods.poll)[0]!.params['cursor']).toBe('c1');
    expect(reader.ids).toEqual(['e1', 'e2']);

    // The preferred mode is tried once, fails, and polling goes on.
    await clock.advance(5 * 60_000);
    expect(server.streams()).toHaveLength(4);
    const pollsBefore = server.requests(Methods.poll).length;
    await clock.advance(10_000);
    expect(server.requests(Methods.poll).length).toBeGreaterThan(pollsBefore);

    server.on(Methods.stream, () => pending);
    await clock.advance(5 * 60_000);
    expect(server.stream().request.params['cursor']).toBe('c2');
    server.stream().event('e3', 'c3');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3']);
    const polls = server.requests(Methods.poll).length;
    await clock.advance(30_000);
    expect(server.requests(Methods.poll)).toHaveLength(polls);
    expect(states.at(-1)).toMatchObject({ delivery: 'push' });
    await events.close();
  });

  it('does not change a forced mode, nor one that has any success in between', async () => {
    const { server, events, clock } = await world();
    server.types = both;
    server.on(Methods.poll, () => batch([], 'c0'));
    await events.subscribe('incident.opened', { forced: true }, { delivery: 'push' });
    await events.subscribe('incident.opened', { forced: false });
    for (let round = 0; round < 8; round += 1) {
      await settle();
      for (const stream of server.streams().slice(-2)) {
        stream.active('c0');
        if (stream.request.params['arguments'].forced === false) stream.heartbeat('c0');
        stream.end();
      }
      await clock.advance(60_000);
    }
    expect(server.requests(Methods.poll)).toEqual([]);
    await events.close();
  });
});

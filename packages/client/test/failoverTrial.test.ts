import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { Failover } from '../src/delivery/failover.ts';
import { batch, eventType, pending, type RawRequest, RpcFailure } from './support/rawServer.ts';
import { webhookWorld } from './support/webhookWorld.ts';
import { settle, FakeClock } from './support/fakeClock.ts';
import { Reader, world } from './support/world.ts';

describe('trials of a better mode', () => {
  it('CLIENT-15 are due after five minutes also if what delivers is cut more often', async () => {
    const w = await webhookWorld();
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32027, { reason: 'timeout' });
    });
    await w.events.subscribe('incident.opened', {}, { from: 'c0' });
    await settle();
    for (let round = 0; round < 15; round += 1) {
      await w.clock.advance(1_000);
      for (let beat = 0; beat < 12; beat += 1) {
        w.server.stream().heartbeat('c0');
        await w.clock.advance(20_000);
      }
      w.server.stream().end();
      await settle();
    }
    expect(w.subscribes().length).toBeGreaterThanOrEqual(12);
    await w.events.close();
  });

  it('CLIENT-15 cost one failure of each, and what worked goes on', async () => {
    const w = await webhookWorld();
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32027, { reason: 'timeout' });
    });
    w.server.on(Methods.stream, () => pending);
    const pollsAt: number[] = [];
    w.server.on(Methods.poll, () => {
      pollsAt.push(w.clock.now());
      return batch([], 'c0');
    });
    await w.events.subscribe('incident.opened', {}, { from: 'c0' });
    await w.clock.advance(60 * 60_000);
    const waits = pollsAt.slice(1).map((atMs, index) => atMs - pollsAt[index]!);
    expect(Math.max(...waits)).toBeLessThan(20_000);
    expect(w.subscribes().length).toBeGreaterThanOrEqual(11);
    expect(w.server.streams().length).toBeGreaterThanOrEqual(11);
    await w.events.close();
  });

  it('CLIENT-15 interrupt nothing once the preferred mode is back by itself', async () => {
    const w = await world();
    let works = false;
    w.server.on(Methods.stream, (request: RawRequest) => {
      if (!works) throw new RpcFailure(-32603);
      return w.server.accepts(request);
    });
    w.server.on(Methods.poll, () => {
      if (works) throw new RpcFailure(-32603);
      return batch([], 'c0');
    });
    await w.events.subscribe('incident.opened', {}, { from: 'c0' });
    await w.clock.advance(60_000);
    works = true;
    // Polls fail, so the stream is next; the trial was due five minutes after polling began.
    for (let beat = 0; beat < 30; beat += 1) {
      await w.clock.advance(20_000);
      if (w.server.streams().length > 3) w.server.stream().heartbeat('c0');
    }
    expect(w.events.subscriptions[0]!.status).toMatchObject({ state: 'active', delivery: 'push' });
    expect(w.server.cancelled).toEqual([]);
    await w.events.close();
  });

  it('CLIENT-15 are not due in a mode that is yet to get through', () => {
    const failover = new Failover(['webhook', 'push', 'poll']);
    for (let n = 0; n < 3; n += 1) failover.failed(true);
    expect([failover.current, failover.retryPreferredMs(false)]).toEqual(['push', undefined]);
    failover.succeeded();
    expect(failover.retryPreferredMs(false)).toBe(10_000);
    for (let n = 0; n < 3; n += 1) failover.failed(true);
    expect([failover.current, failover.retryPreferredMs(false)]).toEqual(['poll', undefined]);
  });

  it('CLIENT-15 end with the first that works', () => {
    const failover = new Failover(['webhook', 'push', 'poll']);
    failover.skip();
    failover.skip();
    expect(failover.current).toBe('poll');
    failover.retryPreferred();
    expect(failover.current).toBe('webhook');
    expect(failover.retryPreferredMs(false)).toBeUndefined();
    failover.failed();
    expect(failover.current).toBe('push');
    failover.succeeded();
    for (let n = 0; n < 2; n += 1) failover.failed();
    expect(failover.current).toBe('push');
    expect(failover.retryPreferredMs(false)).toBe(300_000);
    failover.failed();
    expect(failover.current).toBe('poll');
  });
});

describe('backoff', () => {
  it('CLIENT-09 a server that says one word and ends is not asked every second', async () => {
    const { server, events, clock } = await world();
    server.types = [eventType('incident.opened', ['push', 'poll'])];
    server.on(Methods.stream, (request: RawRequest) => {
      const stream = server.streams().at(-1)!;
      stream.active('c0');
      stream.heartbeat('c0');
      queueMicrotask(() => server.answer(request.id, {}));
      return pending;
    });
    await events.subscribe('incident.opened', {}, { from: 'c0' });
    await clock.advance(10 * 60_000);
    expect(server.streams().length).toBeLessThan(20);
    await events.close();
  });

  it('CLIENT-09 nor is one that sends the same event each time', async () => {
    const { server, events, clock } = await world();
    server.types = [eventType('incident.opened', ['push'])];
    server.on(Methods.stream, (request: RawRequest) => {
      const stream = server.streams().at(-1)!;
      stream.active('c0');
      stream.event('e1', 'c1');
      queueMicrotask(() => server.answer(request.id, {}));
      return pending;
    });
    const reader = new Reader(await events.subscribe('incident.opened', {}, { from: 'c0' }));
    await clock.advance(10 * 60_000);
    expect(server.streams().length).toBeLessThan(20);
    expect(reader.ids).toEqual(['e1']);
    await events.close();
  });

  it('CLIENT-09 begins anew after a stream that lasted', async () => {
    const { server, events, clock } = await world();
    await events.subscribe('incident.opened', {}, { from: 'c0' });
    for (let n = 1; n < 4; n += 1) {
      await settle();
      await clock.advance(5_000);
      server.stream().end();
      await clock.advance(999);
      expect(server.streams()).toHaveLength(n);
      await clock.advance(1);
      expect(server.streams()).toHaveLength(n + 1);
    }
    await events.close();
  });
});

describe('a clock that is set', () => {
  it('PUSH-18 a dead stream is noticed in time although it was set back by an hour', async () => {
    const clock = new FakeClock();
    const { server, events } = await world({ clock });
    server.types = [eventType('incident.opened', ['push'])];
    const errors: Error[] = [];
    await events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) });
    await clock.advance(1_000);
    server.on(Methods.stream, () => pending);
    clock.jump(-3_600_000);
    await clock.advance(60_001);
    expect(errors).toMatchObject([{ code: 'STREAM_SILENT' }]);
    await events.close();
  });

  it('PUSH-18 a computer that slept finds its streams dead at the next look', async () => {
    const clock = new FakeClock();
    const { server, events } = await world({ clock });
    new Reader(await events.subscribe('incident.opened', {}, { from: 'c0' }));
    await settle();
    clock.jump(3 * 3_600_000);
    await clock.advance(62_000);
    expect(server.streams()).toHaveLength(2);
    await events.close();
  });
});

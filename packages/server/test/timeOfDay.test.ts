import { describe, expect, it } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted, httpServer, numbersOf } from './kit/servers.ts';
import { TestSubscriptionStore } from './kit/storage.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';

const HOUR_MS = 3_600_000;

describe.each([
  ['forward', HOUR_MS],
  ['back', -HOUR_MS],
])('a time of day that is set %s by an hour', (_, setByMs) => {
  it('DELIV-21 makes no retry earlier or later', async () => {
    const server = webhookServer({ retry: { attempts: 4 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    const startMs = server.clock.monotonicMs();
    const atMs: number[] = [];
    server.recorder.answer = () => {
      atMs.push(server.clock.monotonicMs() - startMs);
      return 500;
    };
    await handle.emit({ n: 1 });
    for (let n = 0; n < 3; n++) {
      await server.clock.advance(1_000);
      server.clock.jump(setByMs);
    }
    await server.clock.advance(120_000);
    // What follows is the gap.
    expect(atMs.slice(0, 4)).toEqual([0, 5_000, 25_000, 105_000]);
    expect(await server.events.deadLetters()).toHaveLength(1);
  });

  it('DELIV-21 TTL-07 ends no grant earlier, and none before the date that its client knows', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted', { ttlMs: HOUR_MS });
    await server.clock.advance(60_000);
    server.clock.jump(setByMs);
    await server.clock.advance(HOUR_MS - 60_001 + Math.max(0, -setByMs));
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DELIV-21 HOOK-06 ends no lease of a poll earlier or later', async () => {
    const server = httpServer();
    server.events.define('counted', { ...counted, leaseMs: 15_000 });
    await server.poll('counted', null);
    await server.clock.advance(5_000);
    server.clock.jump(setByMs);
    await server.clock.advance(9_999);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DELIV-21 DELIV-13 takes no attempt out of the window of a suspension, and leaves none in it', async () => {
    const rules = { suspension: { minAttempts: 3, windowMs: HOUR_MS }, retry: { attempts: 1 } };
    const server = webhookServer(rules, {}, undefined);
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { ttlMs: null });
    server.recorder.answer = () => 500;
    const isSuspended = (): boolean | undefined => server.events.subscriptions()[0]?.suspended;
    for (const n of [1, 2]) await handle.emit({ n });
    await settle();
    server.clock.jump(setByMs);
    await server.clock.advance(60_000);
    expect(isSuspended()).toBe(false);
    await handle.emit({ n: 3 });
    await settle();
    expect(isSuspended()).toBe(true);
  });

  it('DELIV-21 changes no interval of checks', async () => {
    const { upstream, ...deployment } = new Deployment();
    const server = httpServer({ clock: deployment.clock });
    server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 5_000 });
    const stream = await server.stream('counted');
    await deployment.clock.advance(1_000);
    const { length } = upstream.calls;
    deployment.clock.jump(setByMs);
    await deployment.clock.advance(4_000);
    const second = upstream.calls.length;
    deployment.clock.jump(-setByMs);
    await deployment.clock.advance(20_000);
    expect([second, upstream.calls.length]).toEqual([length + 1, length + 5]);
    stream.abort();
  });

  it('DELIV-21 TTL-13 ends no failing subscription early, nor late', async () => {
    const store = new TestSubscriptionStore();
    const rules = { store, ttl: { noExpiry: true }, suspension: { minAttempts: 1 }, dropFailingAfterMs: 2 * HOUR_MS };
    const server = webhookServer({ ...rules, retry: { attempts: 1 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { ttlMs: null });
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await settle();
    for (let n = 0; n < 3; n++) server.clock.jump(setByMs);
    await server.clock.advance(2 * HOUR_MS - 1);
    expect(server.events.subscriptions()).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DELIV-21 TTL-16 nor one that fails seldom', async () => {
    const store = new TestSubscriptionStore();
    const server = webhookServer({ store, ttl: { noExpiry: true }, dropFailingAfterMs: 4 * HOUR_MS });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { ttlMs: null });
    server.recorder.answer = () => 500;
    for (let hour = 0; hour < 4; hour++) {
      await handle.emit({ n: hour });
      await server.clock.advance(HOUR_MS / 2);
      server.clock.jump(setByMs);
      await server.clock.advance(HOUR_MS / 2);
      server.clock.jump(hour === 2 ? 0 : -setByMs);
    }
    expect(server.events.subscriptions()).toHaveLength(1);
    await handle.emit({ n: 4 });
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('DELIV-21 EMIT-08 takes no event out of a log in memory, and leaves none in it', async () => {
    const server = httpServer();
    const handle = server.events.define('counted', { ...counted, retention: { maxAgeMs: 60_000 } });
    const { cursor } = await server.poll('counted', null);
    await handle.emit({ n: 1 });
    server.clock.jump(setByMs);
    await server.clock.advance(59_999);
    expect(numbersOf((await server.poll('counted', cursor)).events)).toEqual([1]);
    await server.clock.advance(2);
    expect(await server.poll('counted', cursor)).toMatchObject({ events: [], truncated: true });
  });

  it('DELIV-21 changes no rate', async () => {
    const server = webhookServer({ limits: { hostPerSecond: 1 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    for (const n of [1, 2, 3]) await handle.emit({ n });
    await settle();
    server.clock.jump(setByMs);
    await server.clock.advance(999);
    expect(postedNumbers(server)).toEqual([1]);
    await server.clock.advance(1);
    expect(postedNumbers(server)).toEqual([1, 2]);
    server.clock.jump(-setByMs);
    await server.clock.advance(1_000);
    expect(postedNumbers(server)).toEqual([1, 2, 3]);
  });

  it('DELIV-21 a test clock moves its timers by the time that passes only', async () => {
    const clock = new FakeClock();
    const startMs = clock.now();
    const fired: number[] = [];
    clock.setTimeout(() => fired.push(clock.now() - startMs), 1_000);
    clock.jump(setByMs);
    await clock.advance(999);
    expect(fired).toEqual([]);
    await clock.advance(1);
    expect(fired).toEqual([1_000 + setByMs]);
  });
});

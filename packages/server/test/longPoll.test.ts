import { forbidden } from '@mcp-events/server';
import { expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { counted, httpServer, numbersOf, stdioServer } from './kit/servers.ts';
import { Upstream } from './kit/upstream.ts';

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = (): void => void (settled = true);
  promise.then(mark, mark);
  await settle();
  return settled;
}

it('POLL-11 answers a held poll as soon as there is an event', async () => {
  const server = httpServer();
  const type = server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.poll('counted', cursor, { timeoutMs: 5_000 });
  await server.clock.advance(50);
  expect(await isSettled(held)).toBe(false);
  await type.emit({ n: 1 });
  const result = await held;
  expect(numbersOf(result.events)).toEqual([1]);
  expect(result).toMatchObject({ truncated: false, hasMore: false });
  expect((await server.poll('counted', result.cursor)).events).toEqual([]);
});

it('POLL-11 answers at once when there is something already', async () => {
  const server = httpServer();
  const type = server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  await type.emit({ n: 1 });
  expect(numbersOf((await server.poll('counted', cursor, { timeoutMs: 5_000 })).events)).toEqual([1]);
  // A gap is news, too.
  expect((await server.poll('counted', 'stale', { timeoutMs: 5_000 })).truncated).toBe(true);
});

it('POLL-11 answers with no events when the time is over, and leaves nothing behind', async () => {
  const server = httpServer();
  server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const timers = server.clock.pendingTimers;
  const held = server.poll('counted', cursor, { timeoutMs: 5_000 });
  await server.clock.advance(4_999);
  expect(await isSettled(held)).toBe(false);
  await server.clock.advance(1);
  expect(await held).toMatchObject({ events: [], cursor, truncated: false, hasMore: false });
  expect(server.clock.pendingTimers).toBe(timers);
});

it('POLL-12 holds no longer than the server’s own maximum', async () => {
  const server = httpServer({ limits: { maxPollHoldMs: 1_000 } });
  server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.poll('counted', cursor, { timeoutMs: 30_000 });
  await server.clock.advance(999);
  expect(await isSettled(held)).toBe(false);
  await server.clock.advance(1);
  expect(await held).toMatchObject({ events: [], cursor });
});

it('POLL-10 answers at once where holding is switched off', async () => {
  const server = httpServer({ limits: { maxPollHoldMs: 0 } });
  server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  expect(await server.poll('counted', cursor, { timeoutMs: 5_000 })).toMatchObject({ events: [] });
});

it('POLL-11 CUR-02 answers a null cursor at once: the position is what was asked for', async () => {
  const server = httpServer();
  server.events.define('counted', counted);
  expect(await server.poll('counted', null, { timeoutMs: 5_000 })).toMatchObject({ events: [] });
});

it('POLL-11 goes on holding while only events for others come, and moves its cursor past them', async () => {
  const server = httpServer();
  const type = server.events.define('counted', { ...counted, match: (_context, event) => event.data['n'] === 9 });
  const { cursor } = await server.poll('counted', null);
  const held = server.poll('counted', cursor, { timeoutMs: 5_000 });
  await settle();
  await type.emit({ n: 1 });
  expect(await isSettled(held)).toBe(false);
  await server.clock.advance(5_000);
  const result = await held;
  expect(result.events).toEqual([]);
  expect(result.cursor).not.toBe(cursor);
  await type.emit({ n: 9 });
  expect(numbersOf((await server.poll('counted', result.cursor)).events)).toEqual([9]);
});

it('POLL-11 asks the upstream again while a poll of a check is held', async () => {
  const server = httpServer();
  const upstream = new Upstream();
  server.events.define('counted', { ...counted, check: upstream.check, nextPollMs: 1_000 });
  const { cursor } = await server.poll('counted', null);
  const held = server.poll('counted', cursor, { timeoutMs: 20_000 });
  await server.clock.advance(3_500);
  upstream.add(1);
  expect(await isSettled(held)).toBe(false);
  await server.clock.advance(1_000);
  expect(numbersOf((await held).events)).toEqual([1]);
  const { length } = upstream.calls;
  await server.clock.advance(10_000);
  expect(upstream.calls).toHaveLength(length);
});

it('POLL-11 PUSH-08 tells a gap while a poll is held', async () => {
  const server = httpServer();
  const type = server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.poll('counted', cursor, { timeoutMs: 5_000 });
  await settle();
  await type.reportLoss();
  const result = await held;
  expect(result).toMatchObject({ events: [], truncated: true });
  expect(result.cursor).not.toBe(cursor);
});

it('POLL-13 answers a held poll as one JSON result without notifications, over HTTP and on stdio', async () => {
  const server = httpServer();
  const type = server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.fetch('events/poll', { name: 'counted', cursor, timeoutMs: 5_000 });
  await settle();
  await type.emit({ n: 1 });
  const response = await held;
  expect(response.headers.get('content-type')).toContain('application/json');
  expect(await response.text()).not.toContain('notifications/');

  const stdio = stdioServer();
  const same = stdio.events.define('counted', counted);
  const start = await stdio.request(1, 'events/poll', { name: 'counted' });
  const before = stdio.sent.length;
  const params = { name: 'counted', cursor: start?.result.cursor, timeoutMs: 5_000 };
  expect(await stdio.request(2, 'events/poll', params)).toBeUndefined();
  await same.emit({ n: 1 });
  await stdio.idle();
  expect(stdio.sent.slice(before).map(({ id, method }) => [id, method])).toEqual([[2, undefined]]);
});

it('POLL-11 TERM-01 tells the end of the subscription to a held poll at once', async () => {
  const server = httpServer();
  server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.call('events/poll', { name: 'counted', cursor, timeoutMs: 20_000 });
  await settle();
  expect(await server.events.terminate({ name: 'counted' }, forbidden('revoked'))).toBe(1);
  expect((await held).error).toMatchObject({ code: -32024, data: { reason: 'revoked' } });
});

it('POLL-11 frees what a held poll needs when the client gives up', async () => {
  const server = httpServer();
  server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const timers = server.clock.pendingTimers;
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const held = server.call('events/poll', { name: 'counted', cursor, timeoutMs: 20_000 }, options).catch(() => {});
  await settle();
  expect(server.clock.pendingTimers).toBe(timers + 1);
  controller.abort();
  await settle();
  expect(server.clock.pendingTimers).toBe(timers);
  await held;
});

it('POLL-12 answers held polls when the server closes', async () => {
  const server = httpServer();
  server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.call('events/poll', { name: 'counted', cursor, timeoutMs: 20_000 });
  await settle();
  await server.events.close();
  expect(await isSettled(held)).toBe(true);
  expect(server.clock.pendingTimers).toBe(0);
});

it('POLL-11 answers every poll that is held by the same event', async () => {
  const server = httpServer();
  const type = server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = [0, 1, 2].map((n) => server.poll('counted', cursor, { timeoutMs: 5_000 }, { as: `client-${n}` }));
  await settle();
  await type.emit({ n: 1 });
  expect((await Promise.all(held)).map(({ events }) => numbersOf(events))).toEqual([[1], [1], [1]]);
});

it('POLL-11 CUR-08 leaves out what is too old, also while it is held', async () => {
  const server = httpServer();
  const upstream = new Upstream();
  server.events.define('checked', { ...counted, nextPollMs: 1_000, check: upstream.check });
  const type = server.events.define('counted', counted);
  const { cursor } = await server.poll('counted', null);
  const held = server.poll('counted', cursor, { timeoutMs: 5_000, maxAgeMs: 60_000 });
  await settle();
  await type.emit({ n: 1 }, { timestamp: '2020-01-01T00:00:00Z' });
  expect((await held).events).toEqual([]);
  const { cursor: start } = await server.poll('checked', null);
  const checked = server.poll('checked', start, { timeoutMs: 5_000, maxAgeMs: 60_000 });
  await settle();
  upstream.calls.length = 0;
  upstream.add(1);
  await server.clock.advance(2_000);
  expect((await checked).events).toHaveLength(1);
  // Looking for something new has no age; what is answered has.
  const asOf = new Date(server.clock.now() - 2_000 - 60_000);
  expect(upstream.calls.at(-1)?.context.notBefore).toEqual(asOf);
});

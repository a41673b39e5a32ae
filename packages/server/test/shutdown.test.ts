import { DatabaseSync } from '@photostructure/sqlite';
import { memoryStorage } from '@mcp-events/server';
import type { Storage } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted, httpServer } from './kit/servers.ts';
import { durableStorage, keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';
import type { TestWebhookOptions, WebhookTestServer } from './kit/webhookServer.ts';

const never = new Promise<never>(() => {});

/** Whether a promise has settled, without waiting for it. */
function watch(promise: Promise<unknown>): { done: boolean } {
  const state = { done: false };
  void promise.finally(() => (state.done = true));
  return state;
}

function storageThatCloses(clock: FakeClock, close: () => Promise<void>): Storage {
  return { ...durableStorage(new TestSubscriptionStore(), memoryStorage({ clock })), close };
}

/** A server over kept storage whose endpoint hangs with the first of two events. */
async function underWay(
  clock: FakeClock,
  store: TestSubscriptionStore,
  storage: Storage,
  options: TestWebhookOptions = {},
): Promise<WebhookTestServer> {
  const server = webhookServer(
    { ...options, store, limits: { outstandingPerSubscription: 1 }, retry: { attemptTimeoutMs: 60_000 } },
    { clock, storage },
  );
  const type = server.events.define('counted', counted);
  await settle();
  await server.subscribe('counted');
  server.recorder.answer = () => 'hang';
  await type.emit({ n: 1 });
  await type.emit({ n: 2 });
  await settle();
  expect(postedNumbers(server)).toEqual([1]);
  return server;
}

describe('attempts under way', () => {
  it('DELIV-11 finish within the deadline and are stored, and nothing else is begun', async () => {
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const storage = keptStorage(clock);
    const server = await underWay(clock, store, storage);
    const closed = server.events.close({ deadlineMs: 10_000 });
    const state = watch(closed);
    await clock.advance(9_000);
    expect(state.done).toBe(false);
    server.recorder.answer = () => undefined;
    server.recorder.release();
    await settle();
    await closed;
    expect(postedNumbers(server)).toEqual([1]);

    const next = webhookServer({ store }, { clock, storage });
    next.events.define('counted', counted);
    await settle(50);
    expect(postedNumbers(next)).toEqual([2]);
  });

  it('are cut when the deadline has passed, and made again in the next run', async () => {
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const storage = keptStorage(clock);
    const server = await underWay(clock, store, storage);
    const state = watch(server.events.close({ deadlineMs: 10_000 }));
    await clock.advance(9_999);
    expect(state.done).toBe(false);
    await clock.advance(1);
    expect(state.done).toBe(true);

    const next = webhookServer({ store }, { clock, storage });
    next.events.define('counted', counted);
    await settle(50);
    expect(postedNumbers(next)).toEqual([1, 2]);
  });

  it('are cut at once without a deadline', async () => {
    const clock = new FakeClock();
    const server = await underWay(clock, new TestSubscriptionStore(), keptStorage(clock));
    const state = watch(server.events.close());
    await settle();
    expect(state.done).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('DELIV-05 an attempt that fails while the server closes is left to the next run', async () => {
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const storage = keptStorage(clock);
    const server = await underWay(clock, store, storage);
    const closed = server.events.close({ deadlineMs: 60_000 });
    server.recorder.answer = () => undefined;
    server.recorder.release(500);
    await settle();
    await closed;
    const next = webhookServer({ store }, { clock, storage });
    next.events.define('counted', counted);
    await settle(50);
    expect(postedNumbers(next)).toEqual([1, 2]);
  });
});

describe('a store that never answers', () => {
  it('TTL-10 holds up a close with a deadline until then', async () => {
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const server = await underWay(clock, store, keptStorage(clock));
    store.writing = never;
    server.recorder.release();
    await settle();
    const state = watch(server.events.close({ deadlineMs: 5_000 }));
    await clock.advance(4_999);
    expect(state.done).toBe(false);
    await clock.advance(1);
    expect(state.done).toBe(true);
  });

  it('also where all of the storage hangs in its close, or fails after the deadline', async () => {
    const clock = new FakeClock();
    let fail = (_error: Error): void => {};
    const closing = new Promise<never>((_resolve, reject) => (fail = reject));
    const server = httpServer({ clock, storage: storageThatCloses(clock, () => closing) });
    const state = watch(server.events.close({ deadlineMs: 1_000 }));
    await clock.advance(1_000);
    expect(state.done).toBe(true);
    fail(new Error('too late'));
    await settle();
  });

  it('and an outbox whose event the log does not take', async () => {
    const clock = new FakeClock();
    const storage = memoryStorage({ clock });
    const { openLog } = storage;
    storage.openLog = (...args) => Object.assign(openLog.apply(storage, args), { append: () => never });
    const server = httpServer({ clock, storage });
    server.events.define('counted', counted);
    server.events.outbox(new DatabaseSync(':memory:')).add('counted', { n: 1 });
    await settle();
    const state = watch(server.events.close({ deadlineMs: 1_000 }));
    await clock.advance(999);
    expect(state.done).toBe(false);
    await clock.advance(1);
    expect(state.done).toBe(true);
  });

  it('without a deadline close waits, and says what could not be stored', async () => {
    const clock = new FakeClock();
    let fail = (_error: Error): void => {};
    const closing = new Promise<never>((_resolve, reject) => (fail = reject));
    const server = httpServer({ clock, storage: storageThatCloses(clock, () => closing) });
    const closed = server.events.close();
    const state = watch(closed.catch(() => {}));
    await clock.advance(3_600_000);
    expect(state.done).toBe(false);
    fail(new Error('the disk is full'));
    await expect(closed).rejects.toThrow('the disk is full');
    // The second close of the test's end says the same.
    server.events.close = () => Promise.resolve();
  });
});

it.each([
  ['throws', () => void JSON.parse('{')],
  ['rejects', () => Promise.reject(new Error('the disk is full'))],
])('a log whose close %s is told of, and keeps nothing else from being closed', async (_how, closeLog) => {
  const clock = new FakeClock();
  let closed = 0;
  const storage = storageThatCloses(clock, () => Promise.resolve(void (closed += 1)));
  const { openLog } = storage;
  storage.openLog = (...args) => Object.assign(openLog.apply(storage, args), { close: closeLog });
  const errors: unknown[] = [];
  const server = httpServer({ clock, storage, onError: (error) => errors.push(error) });
  server.events.define('counted', counted);
  server.events.define('other', counted);
  await server.events.close();
  await settle();
  expect(errors).toHaveLength(2);
  expect(closed).toBe(1);
});

it('PUSH-13 streams end with their final frame at once, whatever else the deadline waits for', async () => {
  const clock = new FakeClock();
  const server = await underWay(clock, new TestSubscriptionStore(), keptStorage(clock));
  const stream = await server.stream('counted');
  const closed = server.events.close({ deadlineMs: 10_000 });
  const messages = await stream.rest();
  expect(messages.at(-1)).toMatchObject({ id: stream.id, result: { resultType: 'complete' } });
  await clock.advance(10_000);
  await closed;
});

it('a deadline that is no time is refused, and the server goes on', async () => {
  const server = httpServer();
  const type = server.events.define('counted', counted);
  expect(() => server.events.close({ deadlineMs: Number.NaN })).toThrow('deadlineMs');
  expect(() => server.events.close({ deadlineMs: -1 })).toThrow('deadlineMs');
  for (const deadlineMs of [null, true, '', [], '5', Infinity, 2 ** 31]) {
    expect(() => server.events.close({ deadlineMs: deadlineMs as never })).toThrow('deadlineMs');
  }
  await expect(type.emit({ n: 1 })).resolves.toMatchObject({ cursor: expect.any(String) });
});

it('DELIV-11 a later close may give a deadline, while the first one hangs', async () => {
  const clock = new FakeClock();
  const server = webhookServer({}, { clock, storage: storageThatCloses(clock, () => never) });
  const first = watch(server.events.close());
  await settle();
  const later = watch(server.events.close({ deadlineMs: 1_000 }));
  await clock.advance(999);
  expect([first.done, later.done]).toEqual([false, false]);
  await clock.advance(1);
  expect([first.done, later.done]).toEqual([true, true]);
  expect(clock.pendingTimers).toBe(0);
});

it('DELIV-11 ends what a rate limit holds back', async () => {
  const clock = new FakeClock();
  const server = webhookServer({ limits: { hostPerSecond: 0.01 } }, { clock });
  const type = server.events.define('counted', counted);
  await server.subscribe('counted');
  for (const n of [1, 2, 3]) await type.emit({ n });
  await settle();
  expect(clock.pendingTimers).toBeGreaterThan(0);
  await server.events.close();
  expect(clock.pendingTimers).toBe(0);
});

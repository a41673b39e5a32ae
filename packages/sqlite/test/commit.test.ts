import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { expect, it, onTestFinished } from 'vitest';
import type { FeedEvent } from '@mcp-events/server';
import type { SqliteStorage } from '../src/index.ts';
import { openFile } from '../src/openSqliteStorage.ts';
import { FakeClock } from '../../../testing/fakeClock.ts';
import { appendAll, event, readAll, unbounded } from './support.ts';
import { temporaryFolder } from './temporaryFolder.ts';

async function open(): Promise<{ storage: SqliteStorage; db: DatabaseSyncInstance }> {
  let db: DatabaseSyncInstance | undefined;
  const storage = await openFile({ file: join(temporaryFolder(), 'a.db') }, (connection) => (db = connection));
  onTestFinished(async () => storage.close());
  return { storage, db: db as DatabaseSyncInstance };
}

/** What a connection does for a commit, as SQLite says it: 2 is FULL. */
function flushing(db: DatabaseSyncInstance): unknown[] {
  return ['journal_mode', 'synchronous', 'fullfsync'].map((name) => db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

it('EMIT-25 each commit is flushed before it is answered, in a new file and in one that exists', async () => {
  const file = join(temporaryFolder(), 'a.db');
  for (const count of [1, 2]) {
    let db: DatabaseSyncInstance | undefined;
    const storage = await openFile({ file }, (connection) => (db = connection));
    expect(flushing(db as DatabaseSyncInstance)).toEqual(['wal', 2, 1]);
    const log = storage.openLog('sample', unbounded);
    await appendAll(log, 1);
    await storage.notes.set({ key: 'k', value: 'v' });
    expect(log.head).toBe(count);
    expect(flushing(db as DatabaseSyncInstance)).toEqual(['wal', 2, 1]);
    await storage.close();
  }
});

it('EMIT-08 an event that cannot be stored leaves no trace, and its position goes to the next one', async () => {
  const { storage } = await open();
  const log = storage.openLog('sample', unbounded);
  const stored = await Promise.allSettled(
    [event('e1'), event(undefined as never), event('e2'), event(undefined as never), event('e3')].map(
      async (given, i) => log.append(given, { byteLength: 10, note: { key: 'last', value: `e${i}` } }),
    ),
  );
  expect(stored.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
  expect(await readAll(log)).toEqual(['e1', 'e2', 'e3']);
  expect(log.head).toBe(3);
  expect(storage.notes.get('last')).toBe('e4');
});

it('EMIT-08 many events that cannot be stored hold up nothing else', async () => {
  const { storage } = await open();
  const log = storage.openLog('sample', unbounded);
  const outcomes: string[] = [];
  const appended = Array.from({ length: 3_000 }, async (_, i) => {
    const given = event(i % 3 === 0 ? `e${i}` : (undefined as never));
    await Promise.resolve(log.append(given, { byteLength: 10 })).then(
      () => outcomes.push(`stored ${i}`),
      () => outcomes.push(`refused ${i}`),
    );
  });
  const noted = storage.notes.set({ key: 'k', value: 'v' });
  const saved = storage.deadLetters.delete(1);
  await Promise.all([...appended, noted, saved]);
  expect(outcomes).toEqual(Array.from({ length: 3_000 }, (_, i) => `${i % 3 === 0 ? 'stored' : 'refused'} ${i}`));
  expect(log.head).toBe(1_000);
});

it('OCC-07 an event whose first of the name could not be stored takes its place', async () => {
  const { storage, db } = await open();
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  db.exec(
    "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.events_1 WHEN NEW.data = '{\"n\":1}' BEGIN SELECT RAISE(ABORT, 'no'); END",
  );
  const named = async (n: number): Promise<FeedEvent> =>
    log.append(event('named', { data: { n } }), { byteLength: 10, unique: true });
  const [first, second, third] = await Promise.allSettled([named(1), named(2), named(3)]);
  expect(first).toMatchObject({ status: 'rejected', reason: { code: 'failed' } });
  expect(second).toMatchObject({ status: 'fulfilled', value: { position: 2, data: { n: 2 } } });
  expect(third).toMatchObject({ status: 'fulfilled', value: { position: 2, data: { n: 2 } } });
});

it('EMIT-08 a full disk refuses what does not fit, damages nothing, and is forgotten when there is space', async () => {
  const { storage, db } = await open();
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 10);
  const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number };
  db.exec(`PRAGMA max_page_count = ${pages + 20}`);
  const large = (id: string): FeedEvent => event(id, { data: { text: 'x'.repeat(3_000) } });
  const stored = await Promise.allSettled(
    Array.from({ length: 60 }, async (_, i) => log.append(large(`large${i}`), { byteLength: 3_000 })),
  );
  const kept = stored.filter(({ status }) => status === 'fulfilled').length;
  expect(kept).toBeGreaterThan(0);
  expect(kept).toBeLessThan(60);
  for (const outcome of stored) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'StorageError', code: 'full' });
  }
  expect(log.head).toBe(10 + kept);
  await expect(storage.deadLetters.find({})).resolves.toEqual([]);
  // A type that is defined while the disk is full is there as soon as there is space.
  const other = storage.openLog('other', unbounded);
  const refused = await Promise.allSettled(
    Array.from({ length: 10 }, async (_, i) => other.append(large(`other${i}`), { byteLength: 3_000 })),
  );
  expect(refused.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'full' } });
  db.exec('PRAGMA max_page_count = 100000');
  await Promise.all([appendAll(log, 5, 'after'), appendAll(other, 5, 'after')]);
  expect((await readAll(log)).slice(-6)).toEqual([
    ...stored.flatMap(({ status }, i) => (status === 'fulfilled' ? [`large${i}`] : [])).slice(-1),
    ...['after1', 'after2', 'after3', 'after4', 'after5'],
  ]);
  expect((await readAll(other)).slice(-1)).toEqual(['after5']);
  expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
});

it('EMIT-09 a log that could not be cleared in the file is cleared by the next event', async () => {
  const { storage, db } = await open();
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 3);
  db.exec('PRAGMA query_only = 1');
  await expect(log.clear()).rejects.toMatchObject({ code: 'read-only' });
  expect([log.head, await readAll(log)]).toEqual([0, []]);
  db.exec('PRAGMA query_only = 0');
  await appendAll(log, 1, 'next');
  expect(db.prepare('SELECT epoch FROM logs WHERE live = 1').all()).toEqual([{ epoch: log.epoch }]);
  expect(await readAll(log)).toEqual(['next1']);
  // What was cleared is removed as well, also when it was cleared more than once meanwhile.
  for (let n = 0; n < 5; n++) await appendAll(log, 1, `${n}.`);
  const tables = (): unknown[] => db.prepare("SELECT name FROM sqlite_schema WHERE name GLOB 'events_*'").all();
  expect(tables()).toEqual([{ name: 'events_2' }]);
  db.exec('PRAGMA query_only = 1');
  for (let n = 0; n < 2; n++) await expect(log.clear()).rejects.toMatchObject({ code: 'read-only' });
  db.exec('PRAGMA query_only = 0');
  for (let n = 0; n < 5; n++) await appendAll(log, 1, `${n}.`);
  expect(tables()).toEqual([{ name: 'events_4' }]);
  expect(db.prepare('SELECT count(*) AS n FROM logs').get()).toEqual({ n: 1 });
});

it('EMIT-08 removes what retention has passed in slices, while events go on', async () => {
  const { storage, db } = await open();
  const log = storage.openLog('sample', { ...unbounded, maxCount: 100 });
  const rows = (): number => (db.prepare('SELECT count(*) AS n FROM events_1').get() as { n: number }).n;
  for (let n = 0; n < 20; n++) await appendAll(log, 1_000, `${n}.`);
  // Every transaction removes about as much as it may add.
  expect(rows()).toBeLessThan(3_000);
  await appendAll(log, 1_000);
  for (let n = 0; n < 10; n++) await storage.notes.set({ key: 'k', value: String(n) });
  expect(rows()).toBeLessThan(100 + 512);
  expect((await readAll(log)).length).toBe(100);
});

it('EMIT-08 removes large events in slices that are no larger than others', async () => {
  const { storage, db } = await open();
  const log = storage.openLog('sample', { ...unbounded, maxCount: 1_000 });
  const append = async (id: string): Promise<unknown> => log.append(event(id), { byteLength: 250_000 });
  await Promise.all(Array.from({ length: 700 }, async (_, n) => append(`e${n}`)));
  const first = (): number =>
    (db.prepare('SELECT min(position) AS first FROM events_1').get() as { first: number }).first;
  const removed: number[] = [];
  storage.openLog('sample', { ...unbounded, maxCount: 1 });
  for (let n = 0; n < 50; n++) {
    const before = first();
    await append(`next${n}`);
    removed.push(first() - before);
  }
  // 4 MiB of them.
  expect(Math.max(...removed)).toBe(17);
  expect(removed.reduce((sum, count) => sum + count)).toBeGreaterThan(600);
});

it('EMIT-09 removes what was cleared in slices, and its table at the end', async () => {
  const { storage, db } = await open();
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 5_000);
  await log.clear();
  const rows = (): number => (db.prepare('SELECT count(*) AS n FROM events_1').get() as { n: number }).n;
  expect(rows()).toBeGreaterThan(4_000);
  const tables = (): unknown[] => db.prepare("SELECT name FROM sqlite_schema WHERE name GLOB 'events_*'").all();
  for (let n = 0; n < 30; n++) await appendAll(log, 1, `${n}.`);
  expect(tables()).toEqual([{ name: 'events_2' }]);
  expect(db.prepare('SELECT count(*) AS n FROM logs').get()).toEqual({ n: 1 });
});

it('TTL-11 events do not wait for many subscriptions that are saved at the same time', async () => {
  const { storage } = await open();
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  const order: string[] = [];
  const saves = Array.from({ length: 1_000 }, async (_, i) => {
    const progress = { cursor: 'e.1', settled: [], suspended: false, failing: null, gapAfter: null };
    await storage.subscriptions.save({ id: `sub${i}`, ...progress } as never);
    if (i === 999) order.push('last save');
  });
  const emit = (async () => {
    await log.append(event('e'), { byteLength: 10 });
    order.push('event');
  })();
  await Promise.all([...saves, emit]);
  expect(order).toEqual(['event', 'last save']);
  expect([...(await storage.subscriptions.load())]).toHaveLength(1_000);
});

it('EMIT-08 removes what has expired when nothing else happens, and waits for nothing once it is gone', async () => {
  const timers: (() => void)[] = [];
  let nowMs = 1_000_000;
  const clock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    setTimeout: (callback: () => void) => timers.push(callback),
    clearTimeout: () => {},
    setImmediate: (callback: () => void) => void setImmediate(callback),
  };
  let db: DatabaseSyncInstance | undefined;
  const file = join(temporaryFolder(), 'a.db');
  const storage = await openFile({ file, clock }, (connection) => (db = connection));
  onTestFinished(async () => storage.close());
  await appendAll(storage.openLog('endless', unbounded), 1);
  expect(timers).toHaveLength(0);
  const log = storage.openLog('sample', { ...unbounded, maxAgeMs: 60_000 });
  await appendAll(log, 600);
  const rows = (): unknown => db?.prepare('SELECT count(*) AS n FROM events_2').get();
  expect(timers).toHaveLength(1);
  nowMs += 60_000;
  timers.shift()?.();
  await storage.notes.set({ key: 'k', value: '1' });
  expect(rows()).toEqual({ n: 600 });
  expect(timers).toHaveLength(1);
  nowMs += 60_000;
  timers.shift()?.();
  for (let n = 0; n < 3; n++) await storage.notes.set({ key: 'k', value: String(n) });
  expect(rows()).toEqual({ n: 0 });
  timers.shift()?.();
  expect(timers).toHaveLength(0);
  expect([log.head, log.oldest]).toEqual([600, 601]);
});

it('EMIT-08 a tool that writes to the file holds up everything once, and nothing after that', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const storage = await openFile({ file }, (db) => db.exec('PRAGMA busy_timeout = 1'));
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  const tool = new DatabaseSync(file);
  tool.exec('BEGIN IMMEDIATE');
  const stored = await Promise.allSettled([appendAll(log, 300, 'f'), storage.deadLetters.delete(1)]);
  for (const outcome of stored) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'locked', file } });
  tool.exec('ROLLBACK');
  tool.close();
  await appendAll(log, 1, 'g');
  expect(await readAll(log)).toEqual(['e1', 'g1']);
});

it('TERM-12 a note that is set while an older one is answered is what is read from then on', async () => {
  const { storage } = await open();
  const { notes } = storage;
  const log = storage.openLog('sample', unbounded);
  let newer: unknown;
  // Stored in one group with the older one, and answered before it.
  const appended = Promise.resolve(log.append(event('e1'), { byteLength: 10 })).then(() => {
    newer = notes.set({ key: 'k', value: 'new' });
  });
  await Promise.all([appended, notes.set({ key: 'k', value: 'old' })]);
  expect(notes.get('k')).toBe('new');
  await newer;
  expect(notes.get('k')).toBe('new');
});

it('close leaves no timer, although it stores what waits and will expire', async () => {
  const clock = new FakeClock();
  const storage = await openFile({ file: join(temporaryFolder(), 'a.db'), clock }, () => {});
  const log = storage.openLog('sample', { ...unbounded, maxAgeMs: 60_000 });
  const stored = log.append(event('e1'), { byteLength: 10 });
  await storage.close();
  await stored;
  expect(clock.pendingTimers).toBe(0);
});

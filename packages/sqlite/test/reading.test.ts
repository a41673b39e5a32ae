import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '@mcp-events/server';
import type { EventLog, FeedRecord, StoredDeadLetter } from '@mcp-events/server';
import type { SqliteStorage } from '../src/index.ts';
import { openFile, openSqliteStorage } from '../src/openSqliteStorage.ts';
import { idOf, appendAll, event, readAll, unbounded } from './support.ts';
import { temporaryFolder } from './temporaryFolder.ts';

interface Opened {
  readonly storage: SqliteStorage;
  readonly log: EventLog;
  readonly db: DatabaseSyncInstance;
}

/** A log that was written by an earlier run, so that nothing of it is in memory. */
async function reopened(write: (log: EventLog) => Promise<void>): Promise<Opened> {
  const file = join(temporaryFolder(), 'a.db');
  const before = await openSqliteStorage({ file });
  await write(before.openLog('sample', unbounded));
  await before.close();
  let db: DatabaseSyncInstance | undefined;
  const storage = await openFile({ file }, (connection) => (db = connection));
  onTestFinished(async () => storage.close());
  return { storage, log: storage.openLog('sample', unbounded), db: db as DatabaseSyncInstance };
}

it('EMIT-08 subscriptions that read the same past share its events', async () => {
  const { log, db } = await reopened(async (log) => appendAll(log, 2_000));
  const [one] = await log.read(500, 10);
  const [, other] = await log.read(499, 10);
  expect(one?.position).toBe(501);
  expect(other).toBe(one);
  db.exec('DELETE FROM events_1');
  expect((await log.read(505, 5)).map((record) => idOf(record))).toEqual(['e506', 'e507', 'e508', 'e509', 'e510']);
});

it('EMIT-08 who follows the log closely never reads the file', async () => {
  const { log, db } = await reopened(async (log) => appendAll(log, 10));
  await appendAll(log, 300, 'new');
  db.exec('DELETE FROM events_1');
  expect(await log.read(10, 1_000)).toHaveLength(300);
  expect(await log.read(309, 1_000)).toHaveLength(1);
});

it('EMIT-08 EMIT-17 a past is read in order with its gaps, and while it grows', async () => {
  const { log } = await reopened(async (log) => {
    await appendAll(log, 200);
    await log.skip();
    await appendAll(log, 200, 'f');
  });
  const count = (prefix: string): string[] => Array.from({ length: 200 }, (_, i) => `${prefix}${i + 1}`);
  const ids = [...count('e'), 'gap', ...count('f')];
  expect(await readAll(log)).toEqual(ids);
  await appendAll(log, 60, 'g');
  expect(await readAll(log)).toEqual([...ids, ...Array.from({ length: 60 }, (_, i) => `g${i + 1}`)]);
});

it('EMIT-08 nothing is given up before its time where the clock was set back over a restart', async () => {
  const file = join(temporaryFolder(), 'a.db');
  let nowMs = 0;
  const clock = { ...systemClock, now: () => nowMs };
  const retention = { ...unbounded, maxAgeMs: 2_000 };
  const before = await openSqliteStorage({ file, clock });
  const written = before.openLog('sample', retention);
  await written.append(event('e1'), { byteLength: 10 });
  nowMs = 5_000;
  await written.append(event('e2'), { byteLength: 10 });
  await before.close();
  nowMs = 1_000;
  const storage = await openSqliteStorage({ file, clock });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', retention);
  await log.append(event('e3'), { byteLength: 10 });
  nowMs = 4_000;
  expect(await readAll(log)).toEqual(['e2', 'e3']);
});

it('EMIT-08 large events come in short pages, one at least', async () => {
  // More than a page may have; then so many that a page has a few of them, and what is kept of pages less than all.
  const sizes = [1_200_000, ...Array.from({ length: 50 }, () => 200_000)];
  const { log } = await reopened(async (log) => {
    const append = async (byteLength: number, n: number): Promise<unknown> =>
      log.append(event(`e${n + 1}`, { data: { text: 'x'.repeat(byteLength) } }), { byteLength });
    await Promise.all(sizes.map(append));
  });
  expect((await log.read(0, 1_000)).map((record) => idOf(record))).toEqual(['e1']);
  expect((await log.read(1, 1_000)).length).toBeLessThan(10);
  expect(await readAll(log)).toEqual(sizes.map((_, n) => `e${n + 1}`));
});

it('EMIT-08 large events that are read a few at a time are shared as well', async () => {
  const text = 'x'.repeat(200_000);
  const { log } = await reopened(async (log) => {
    const append = async (id: string): Promise<unknown> =>
      log.append(event(id, { data: { text } }), { byteLength: 200_000 });
    await Promise.all(Array.from({ length: 60 }, async (_, n) => append(`e${n + 1}`)));
  });
  for (let position = 0; position < 60; position += 2) {
    const events = await log.read(position, 2);
    expect(events.map((one) => one.position)).toEqual([position + 1, position + 2]);
    expect((await log.read(position + 1, 1))[0]).toBe(events[1]);
  }
});

it('EMIT-08 damage that is found while reading is told as a rejection', async () => {
  const { log, db } = await reopened(async (log) => appendAll(log, 10));
  db.exec('DROP TABLE events_1');
  await expect(log.read(0, 10)).rejects.toMatchObject({ name: 'StorageError', code: 'failed' });
  await expect(log.seek(0, Date.now())).rejects.toMatchObject({ name: 'StorageError' });
});

it('DELIV-08 dead letters are bounded with their metadata', async () => {
  const { storage } = await reopened(async () => {});
  const _meta = { text: 'x'.repeat(4 * 1024 * 1024) };
  const letter = { subscriptionId: 'a', principal: 'p', name: 'n', eventId: 'e', dataJson: '{}', cursor: null, _meta };
  const given = { timestamp: '', attempts: 1, reason: 'timeout', abandonedAt: '' } as const;
  for (let n = 0; n < 17; n++) await storage.deadLetters.add({ ...letter, ...given });
  expect((await storage.deadLetters.find({})).map(({ number }) => number)).toEqual(
    Array.from({ length: 15 }, (_, n) => n + 3),
  );
});

it('DELIV-08 totals of dead letters that are wrong, or gone, are counted anew and cost no letter', async () => {
  const { storage, db } = await reopened(async () => {});
  const letter = { subscriptionId: 'a', principal: 'p', name: 'n', eventId: 'e', dataJson: '{}', cursor: null };
  const given = { timestamp: '', attempts: 1, reason: 'timeout', abandonedAt: '' } as const;
  await storage.deadLetters.add({ ...letter, ...given });
  let count = 1;
  for (const wrong of [
    'UPDATE dead_letter_totals SET count = 1000000000',
    'UPDATE dead_letter_totals SET size = 1e15',
    'DELETE FROM dead_letter_totals',
  ]) {
    db.exec(wrong);
    await storage.deadLetters.add({ ...letter, ...given });
    expect(await storage.deadLetters.find({})).toHaveLength(++count);
    expect(db.prepare('SELECT count, size FROM dead_letter_totals').get()).toEqual({ count, size: 2 * count });
  }
});

it('TTL-11 a subscription of which the progress is gone is given as damaged, for its reader to report', async () => {
  const { storage, db } = await reopened(async () => {});
  const progress = { cursor: null, settled: [], suspended: false, failing: null, gapAfter: null };
  for (const id of ['a', 'b']) await storage.subscriptions.save({ ...progress, id, name: 'n' } as never);
  db.exec("DELETE FROM subscription_progress WHERE id = 'a'");
  expect([...(await storage.subscriptions.load())]).toEqual([{ id: 'a' }, { ...progress, id: 'b', name: 'n' }]);
});

it('TTL-11 a damaged subscription keeps back no other, and no failure quotes what is stored', async () => {
  const { storage, db } = await reopened(async (log) => {
    await log.append(event('e1', { _meta: { a: 'private' } }), { byteLength: 10 });
  });
  const progress = { cursor: null, settled: [], suspended: false, failing: null, gapAfter: null };
  for (const id of ['a', 'b', 'c']) await storage.subscriptions.save({ ...progress, id } as never);
  await storage.deadLetters.add({
    eventId: 'e1',
    subscriptionId: 'a',
    principal: 'p',
    name: 'n',
    dataJson: '',
  } as never);
  db.exec(`
    UPDATE subscriptions SET agreed = 'private' WHERE id = 'b';
    UPDATE dead_letters SET letter = 'private'`);
  const loaded = [...(await storage.subscriptions.load())];
  expect(loaded.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  expect(loaded[1]).toEqual({ id: 'b' });
  const letters = await storage.deadLetters.find({});
  expect(letters).toEqual([{ number: 1 }]);
});

const letter = (n: number): StoredDeadLetter => ({
  subscriptionId: n % 2 === 0 ? 'even' : 'odd',
  principal: 'p',
  name: 'n',
  eventId: `e${n}`,
  timestamp: '2026-01-01T00:00:00Z',
  dataJson: JSON.stringify({ n }),
  cursor: null,
  attempts: 1,
  reason: 'timeout',
  abandonedAt: '2026-01-01T00:00:00Z',
});

it('EMIT-11 DELIV-08 a damaged dead letter keeps back no other, and can be forgotten', async () => {
  const { storage, db } = await reopened(async () => {});
  for (let n = 1; n <= 4; n++) await storage.deadLetters.add(letter(n));
  db.exec("UPDATE dead_letters SET letter = 'private' WHERE number = 2");
  const found = await storage.deadLetters.find({});
  expect(found.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  expect(found[1]).toEqual({ number: 2 });
  expect(found[2]).toEqual({ ...letter(3), number: 3 });
  // What was stored beside it says whose it is.
  expect((await storage.deadLetters.find({ subscriptionId: 'even' })).map(({ number }) => number)).toEqual([2, 4]);
  await storage.deadLetters.delete(2);
  expect((await storage.deadLetters.find({})).map(({ number }) => number)).toEqual([1, 3, 4]);
});

it.each([
  ['metadata', "UPDATE events_1 SET meta = 'private' WHERE position = 5", 'its metadata is no JSON'],
  ['a payload', "UPDATE events_1 SET data = 'private' WHERE position = 5", 'its payload is no JSON object'],
  [
    'a payload that is no object',
    'UPDATE events_1 SET data = \'["private"]\' WHERE position = 5',
    'its payload is no JSON object',
  ],
  ['a timestamp', "UPDATE events_1 SET timestamp = 'private' WHERE position = 5", 'its timestamp is none'],
  ['a row', 'DELETE FROM events_1 WHERE position = 5', 'it is missing'],
])('EMIT-11 where %s is damaged a gap stands in its place, and everything else is read', async (_what, sql, told) => {
  const { log, db } = await reopened(async (log) => appendAll(log, 300));
  db.exec(sql);
  const records = await log.read(0, 300);
  expect(records.map(({ position }) => position)).toEqual(Array.from({ length: records.length }, (_, i) => i + 1));
  expect(records.length).toBeGreaterThan(100);
  expect(records.filter(({ kind }) => kind === 'gap').map(({ position }) => position)).toEqual([5]);
  const [gap] = await log.read(4, 1);
  expect(gap).toMatchObject({ kind: 'gap', position: 5, error: { message: expect.stringContaining(told) } });
  expect(inspect(gap)).not.toContain('private');
  expect(await log.seek(0, Date.parse('2030-01-01T00:00:00Z'))).toBe(300);
  await appendAll(log, 1, 'next');
  expect((await log.read(300, 10)).map(({ kind }) => kind)).toEqual(['event']);
});

it('EMIT-17 pages of the file that are damaged cost the events on them', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const before = await openSqliteStorage({ file });
  const data = { text: 'x'.repeat(900) };
  const log = before.openLog('sample', unbounded);
  await Promise.all(
    Array.from({ length: 1_000 }, async (_, n) => log.append(event(`e${n + 1}`, { data }), { byteLength: 900 })),
  );
  await before.close();
  const bytes = readFileSync(file);
  const at = bytes.indexOf('"e500"');
  expect(at).toBe(-1);
  const page = Math.floor(bytes.indexOf('e500') / 4_096);
  bytes.fill(0xa5, page * 4_096, page * 4_096 + 64);
  writeFileSync(file, bytes);
  const storage = await openSqliteStorage({ file });
  onTestFinished(async () => storage.close());
  const damaged = storage.openLog('sample', unbounded);
  const records: FeedRecord[] = [];
  while (records.length < 1_000) records.push(...(await damaged.read(records.length, 1_000)));
  expect(records.map(({ position }) => position)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  const lost = records.filter(({ kind }) => kind === 'gap').map(({ position }) => position);
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.length).toBeLessThan(10);
  expect(lost).toContain(500);
  await appendAll(damaged, 1);
});

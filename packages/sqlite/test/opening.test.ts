import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EventLog } from '@mcp-events/server';
import { openSqliteStorage, StorageError } from '../src/index.ts';
import type { SqliteStorage } from '../src/index.ts';
import { migrate } from '../src/migrate.ts';
import { openFile } from '../src/openSqliteStorage.ts';
import { migrations } from '../src/schema.ts';
import { appendAll, readAll, unbounded } from './support.ts';
import { temporaryFolder } from './temporaryFolder.ts';

async function refusal(file: string): Promise<StorageError> {
  const error: unknown = await openSqliteStorage({ file }).then(
    async (storage) => storage.close(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StorageError);
  return error as StorageError;
}

/** Permissions say nothing to root. */
async function asNobody(step: () => Promise<void>): Promise<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await step();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe('a storage file', () => {
  it('is created for its owner only', async () => {
    const file = join(temporaryFolder(), 'new.db');
    await (await openSqliteStorage({ file })).close();
    expect(statSync(file).mode & 0o077).toBe(0);
  });

  it('is refused while another storage has it, by whatever path, and free after that', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'a.db');
    symlinkSync(file, join(folder, 'link.db'));
    const first = await openSqliteStorage({ file });
    for (const path of [file, join(folder, '..', folder.split('/').at(-1) ?? '', 'a.db'), join(folder, 'link.db')]) {
      const error = await refusal(path);
      expect(error.code).toBe('locked');
      expect(error.message).toContain(file);
    }
    await appendAll(first.openLog('sample', unbounded), 1);
    await first.close();
    await (await openSqliteStorage({ file: join(folder, 'link.db') })).close();
  });

  it('is refused through a link that led to no file when the first storage was opened by it', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'links'));
    const link = join(folder, 'links', 'link.db');
    symlinkSync('../a.db', link);
    const first = await openSqliteStorage({ file: link });
    for (const path of [link, join(folder, 'a.db')]) expect((await refusal(path)).code).toBe('locked');
    await first.close();
    symlinkSync('loop.db', join(folder, 'loop.db'));
    expect((await refusal(join(folder, 'loop.db'))).code).toBe('unavailable');
  });

  it('is refused and left alone when it is no database', async () => {
    const file = join(temporaryFolder(), 'notes.txt');
    for (const text of ['short', 'a longer text that is no database either\n'.repeat(500)]) {
      writeFileSync(file, text);
      expect((await refusal(file)).code).toBe('not-a-storage-file');
      expect(readFileSync(file, 'utf8')).toBe(text);
    }
    expect(readdirSync(dirname(file))).toEqual(['notes.txt']);
  });

  it('is refused and left alone when it is the database of something else', async () => {
    const file = join(temporaryFolder(), 'other.db');
    const other = new DatabaseSync(file);
    other.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1)');
    other.close();
    const before = readFileSync(file);
    expect((await refusal(file)).code).toBe('not-a-storage-file');
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(readdirSync(dirname(file))).toEqual(['other.db']);
  });

  it('is refused and left alone when a newer version wrote it', async () => {
    const file = join(temporaryFolder(), 'newer.db');
    await (await openSqliteStorage({ file })).close();
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    db.close();
    const before = readFileSync(file);
    const error = await refusal(file);
    expect(readFileSync(file).equals(before)).toBe(true);
    expect(error.code).toBe('newer-version');
    expect(error.message).toContain(`version ${migrations.length + 1}`);
  });

  it('is refused when its folder is missing or it is a folder itself', async () => {
    const folder = temporaryFolder();
    const missing = await refusal(join(folder, 'missing', 'a.db'));
    expect(missing).toMatchObject({ code: 'unavailable', message: expect.stringContaining('ENOENT') });
    mkdirSync(join(folder, 'a.db'));
    const directory = await refusal(join(folder, 'a.db'));
    expect(directory).toMatchObject({ code: 'unavailable', message: expect.stringContaining('this is a directory') });
    expect(readdirSync(folder)).toEqual(['a.db']);
  });

  it('is refused when this user may not open it, and nothing is left', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'a.db');
    writeFileSync(file, '', { mode: 0 });
    chmodSync(folder, 0o777);
    const expected = { code: 'unavailable', message: expect.stringContaining('this user may not open this file') };
    await asNobody(async () => expect(await refusal(file)).toMatchObject(expected));
    expect(readdirSync(folder)).toEqual(['a.db']);
  });

  it.each([[undefined], ['events.db'], [{}], [{ file: '' }]])('has to be named: %j does not', async (options) => {
    const told = 'openSqliteStorage needs the path of a file as option `file`';
    await expect(openSqliteStorage(options as never)).rejects.toThrow(told);
  });

  it.each([
    ['has no member "path", only file', { path: 'events.db' }],
    ['did you mean "onWarning"?', { onWarn: () => {} }],
    ['clock must be an object with the methods now, monotonicMs', { clock: { now: () => 0 } }],
  ])('EMIT-22 %s', async (told, options) => {
    const file = join(temporaryFolder(), 'unused.db');
    await expect(openSqliteStorage({ file, ...options } as never)).rejects.toThrow(told);
    expect(existsSync(file)).toBe(false);
  });

  it('is refused when it is damaged where the start looks', async () => {
    const file = join(temporaryFolder(), 'damaged.db');
    const storage = await openSqliteStorage({ file });
    await Promise.all(
      Array.from({ length: 300 }, async (_, i) => storage.notes.set({ key: `key ${i}`, value: 'x'.repeat(300) })),
    );
    await storage.close();
    const bytes = readFileSync(file);
    for (let page = 5; page < bytes.length / 4096; page++) bytes.fill(0xa5, page * 4096, page * 4096 + 64);
    writeFileSync(file, bytes);
    expect((await refusal(file)).code).toBe('corrupt');
  });

  it('is refused when it cannot be written, and free after that', async () => {
    const file = join(temporaryFolder(), 'a.db');
    await expect(openFile({ file }, (db) => db.exec('PRAGMA query_only = 1'))).rejects.toMatchObject({
      code: 'read-only',
      file,
    });
    await (await openSqliteStorage({ file })).close();
  });

  it('is refused where it or its folder can only be read: nothing would be locked', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'a.db');
    await (await openSqliteStorage({ file })).close();
    for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o666);
    chmodSync(file, 0o444);
    chmodSync(folder, 0o777);
    await asNobody(async () => expect((await refusal(file)).code).toBe('read-only'));
    chmodSync(folder, 0o555);
    await asNobody(async () => expect((await refusal(join(folder, 'new.db'))).code).toBe('read-only'));
    chmodSync(folder, 0o700);
    chmodSync(file, 0o600);
    await (await openSqliteStorage({ file })).close();
  });

  it('refuses everything once it is closed, and closes once', async () => {
    const storage = await openSqliteStorage({ file: join(temporaryFolder(), 'a.db') });
    const log = storage.openLog('sample', unbounded);
    await Promise.all([storage.close(), storage.close()]);
    const closed = { code: 'closed' };
    await expect(log.append({} as never, { byteLength: 1 })).rejects.toMatchObject(closed);
    await expect(storage.deadLetters.delete(1)).rejects.toMatchObject(closed);
    await expect(storage.backup('/nowhere')).rejects.toMatchObject(closed);
    expect(() => storage.openLog('other', unbounded)).toThrow(expect.objectContaining(closed));
  });
});

describe('migrations', () => {
  it('run once each, in order, in a transaction of their own', () => {
    const file = join(temporaryFolder(), 'a.db');
    const db = new DatabaseSync(file);
    onTestFinished(() => db.close());
    const first = 'CREATE TABLE t (a); INSERT INTO t VALUES (1)';
    migrate(db, file, [first]);
    migrate(db, file, [first]);
    const second = 'ALTER TABLE t ADD COLUMN b; UPDATE t SET b = a + 1';
    expect(() => migrate(db, file, [first, second, 'CREATE TABLE u (a); nonsense'])).toThrow(/nonsense/);
    const version = (): unknown => db.prepare('PRAGMA user_version').get();
    expect(version()).toEqual({ user_version: 2 });
    expect(db.prepare('SELECT * FROM t').all()).toEqual([{ a: 1, b: 2 }]);
    migrate(db, file, [first, second, 'CREATE TABLE u (a)']);
    expect(version()).toEqual({ user_version: 3 });
    expect(db.prepare('SELECT * FROM u').all()).toEqual([]);
  });
});

describe('a backup', () => {
  it('is a storage file of its own, made while events are appended', async () => {
    const folder = temporaryFolder();
    const storage = await openSqliteStorage({ file: join(folder, 'a.db') });
    const log = storage.openLog('sample', unbounded);
    await appendAll(log, 5_000);
    await storage.notes.set({ key: 'k', value: 'v' });
    const toFile = join(folder, 'copy.db');
    let running = true;
    const backedUp = storage.backup(toFile).finally(() => (running = false));
    for (let n = 0; running; n++) await appendAll(log, 10, `during${n}.`);
    await backedUp;
    const copy = await openSqliteStorage({ file: toFile });
    onTestFinished(async () => Promise.all([copy.close(), storage.close()]).then(() => {}));
    const copied = copy.openLog('sample', unbounded);
    const all = await readAll(log);
    expect(copied.head).toBeGreaterThanOrEqual(5_000);
    expect(await readAll(copied)).toEqual(all.slice(0, copied.head));
    expect(copy.notes.get('k')).toBe('v');
  });

  it('EMIT-09 has another epoch each time it is restored, as it reaches positions of the original again', async () => {
    const folder = temporaryFolder();
    const storage = await openSqliteStorage({ file: join(folder, 'a.db') });
    onTestFinished(async () => storage.close());
    const log = storage.openLog('sample', unbounded);
    await appendAll(log, 3);
    await storage.backup(join(folder, 'backup.db'));
    const epochs = new Set([log.epoch]);
    for (const name of ['restored.db', 'again.db']) {
      copyFileSync(join(folder, 'backup.db'), join(folder, name));
      const restored = await openSqliteStorage({ file: join(folder, name) });
      const { epoch } = restored.openLog('sample', unbounded);
      epochs.add(epoch);
      await restored.close();
      const reopened = await openSqliteStorage({ file: join(folder, name) });
      const same = reopened.openLog('sample', unbounded);
      expect([same.epoch, await readAll(same)]).toEqual([epoch, ['e1', 'e2', 'e3']]);
      await reopened.close();
    }
    expect(epochs.size).toBe(3);
  });

  it('EMIT-20 is known to go on from the original, up to where it was made, also a backup of a backup', async () => {
    const folder = temporaryFolder();
    const openLog = async (name: string): Promise<{ storage: SqliteStorage; log: EventLog }> => {
      const storage = await openSqliteStorage({ file: join(folder, name) });
      return { storage, log: storage.openLog('sample', unbounded) };
    };
    const original = await openLog('a.db');
    await appendAll(original.log, 3);
    expect(original.log.ancestors).toEqual([]);
    await original.storage.backup(join(folder, 'b.db'));
    await appendAll(original.log, 2, 'lost');
    const restored = await openLog('b.db');
    expect(restored.log.ancestors).toEqual([{ epoch: original.log.epoch, head: 3 }]);
    await appendAll(restored.log, 4, 'f');
    await restored.storage.backup(join(folder, 'c.db'));
    // A copy that nobody has opened has no epoch that cursors could be of.
    const again = await openLog('c.db');
    const ancestors = [
      { epoch: restored.log.epoch, head: 7 },
      { epoch: original.log.epoch, head: 3 },
    ];
    expect(again.log.ancestors).toEqual(ancestors);
    await again.storage.close();
    const reopened = await openLog('c.db');
    expect(reopened.log.ancestors).toEqual(ancestors);
    // What there was is of another form.
    await reopened.log.clear();
    expect(reopened.log.ancestors).toEqual([]);
    for (const { storage } of [original, restored, reopened]) await storage.close();
  });

  it('is for its owner only, whatever else files are', async () => {
    const folder = temporaryFolder();
    const storage = await openSqliteStorage({ file: join(folder, 'a.db') });
    onTestFinished(async () => storage.close());
    await storage.backup(join(folder, 'b.db'));
    for (const name of readdirSync(folder))
      expect([name, statSync(join(folder, name)).mode & 0o077]).toEqual([name, 0]);
  });

  it('is complete when another one is asked for under the same name, which is refused', async () => {
    const folder = temporaryFolder();
    const storage = await openSqliteStorage({ file: join(folder, 'a.db') });
    onTestFinished(async () => storage.close());
    await appendAll(storage.openLog('sample', unbounded), 100);
    const toFile = join(folder, 'b.db');
    const [first, second] = await Promise.allSettled([storage.backup(toFile), storage.backup(toFile)]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'exists' } });
    const copy = await openSqliteStorage({ file: toFile });
    expect(copy.openLog('sample', unbounded).head).toBe(100);
    await copy.close();
  });

  it('replaces nothing, and leaves nothing behind when it fails', async () => {
    const folder = temporaryFolder();
    const storage = await openSqliteStorage({ file: join(folder, 'a.db') });
    onTestFinished(async () => storage.close());
    await expect(storage.backup(join(folder, 'a.db'))).rejects.toMatchObject({ code: 'exists' });
    await expect(storage.backup(join(folder, 'missing', 'b.db'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(existsSync(join(folder, 'missing'))).toBe(false);
  });

  it('is complete when the storage is closed meanwhile', async () => {
    const folder = temporaryFolder();
    const storage = await openSqliteStorage({ file: join(folder, 'a.db') });
    await appendAll(storage.openLog('sample', unbounded), 100);
    const backedUp = storage.backup(join(folder, 'b.db'));
    await Promise.all([storage.close(), backedUp]);
    const copy = await openSqliteStorage({ file: join(folder, 'b.db') });
    expect(copy.openLog('sample', unbounded).head).toBe(100);
    await copy.close();
  });
});

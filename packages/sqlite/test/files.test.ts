import { execFileSync, fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '@photostructure/sqlite';
// @ts-expect-error It has no declarations.
import native from 'fs-native-extensions';
import { expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '@mcp-events/server';
import type { Clock } from '@mcp-events/server';
import { openSqliteStorage } from '../src/index.ts';
import type { Order } from './holder.ts';
import { appendAll, event, readAll, unbounded } from './support.ts';
import { temporaryFolder } from './temporaryFolder.ts';

interface NativeLocks {
  tryLock(fd: number, offset: number, length: number, options: { readonly shared: boolean }): boolean;
}

const packageFolder = fileURLToPath(new URL('..', import.meta.url));

class Holder {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async obey(order: Order): Promise<readonly string[]> {
    this.#child.send(order);
    const [kept] = (await once(this.#child, 'message')) as [readonly string[]];
    return kept;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

async function startHolder(file: string): Promise<Holder> {
  const child = fork(fileURLToPath(new URL('holder.ts', import.meta.url)), [file], {
    execArgv: ['--conditions=@mcp-events/source', '--import', 'tsx'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'message');
  return new Holder(child);
}

/** Another process that reads the file and closes it again, as tools do. */
function toolReads(file: string): number {
  // A statement of its own would keep the connection open after `close`.
  const script = `
    const { DatabaseSync } = require('@photostructure/sqlite');
    const db = new DatabaseSync(process.argv[1]);
    db.function('write', (count) => process.stdout.write(String(count)));
    db.exec('SELECT write(count(*)) FROM events_1');
    db.close();`;
  return Number(execFileSync(process.execPath, ['-e', script, file], { cwd: packageFolder, encoding: 'utf8' }));
}

/** The machine's clock, but for time that passes, which is set. */
class PassedTime {
  passedMs = 0;
  readonly clock: Clock = { ...systemClock, monotonicMs: () => this.passedMs };
}

async function keptIn(file: string): Promise<string[]> {
  const storage = await openSqliteStorage({ file });
  const ids = await readAll(storage.openLog('sample', unbounded));
  await storage.close();
  return ids;
}

const ids = (prefix: string): string[] => Array.from({ length: 10 }, (_, i) => `${prefix}${i}`);

it('EMIT-16 a server that reads its own files keeps what it stores, whatever tools do then, and keeps others away', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const server = await startHolder(file);
  const orders: readonly Order[] = [
    { kind: 'copy', folder: join(file, '..'), to: temporaryFolder() },
    { kind: 'read', path: `${file}-shm` },
    { kind: 'read', path: file },
  ];
  const kept = [...(await server.obey({ kind: 'append', ids: ids('first') }))];
  for (const [n, order] of orders.entries()) {
    await server.obey(order);
    expect(toolReads(file)).toBe(kept.length);
    expect(existsSync(`${file}-wal`)).toBe(true);
    kept.push(...(await server.obey({ kind: 'append', ids: ids(`${n}.`) })));
  }
  // Not before: a connection of this process would keep the files in their places, too.
  await expect(openSqliteStorage({ file })).rejects.toMatchObject({ code: 'locked' });
  expect(kept).toHaveLength(40);
  await server.kill();
  expect(await keptIn(file)).toEqual(kept);
}, 30_000);

it('EMIT-16 what was stored is kept when the write-ahead log is removed under a server, and nothing more is promised', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const server = await startHolder(file);
  const before = await server.obey({ kind: 'append', ids: ids('before') });
  rmSync(`${file}-wal`);
  expect(await server.obey({ kind: 'append', ids: ids('after') })).toEqual([]);
  await server.kill();
  expect((await keptIn(file)).slice(0, 10)).toEqual(before);
}, 30_000);

it.each([
  ['removed', (file: string): void => rmSync(file)],
  ['moved', (file: string): void => renameSync(file, `${file}.old`)],
  ['moved with its folder', (file: string): void => renameSync(join(file, '..'), `${join(file, '..')}.old`)],
  [
    'replaced',
    (file: string): void => {
      writeFileSync(`${file}.new`, readFileSync(file));
      renameSync(`${file}.new`, file);
    },
  ],
  ['left without its write-ahead log', (file: string): void => rmSync(`${file}-wal`)],
])('EMIT-16 everything that is to be stored is refused once the file was %s, and told once', async (_what, change) => {
  const folder = temporaryFolder();
  onTestFinished(() => rmSync(`${folder}.old`, { recursive: true, force: true }));
  const file = join(folder, 'a.db');
  const warnings: string[] = [];
  const time = new PassedTime();
  const storage = await openSqliteStorage({
    file,
    clock: time.clock,
    onWarning: (message) => {
      warnings.push(message);
      throw new Error('a logger that fails');
    },
  });
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 20);
  change(file);
  time.passedMs += 10;
  const replaced = {
    name: 'StorageError',
    code: 'replaced',
    message: expect.stringContaining('Nothing more is stored'),
  };
  const [first, noted] = await Promise.allSettled([
    appendAll(log, 20, 'lost'),
    storage.notes.set({ key: 'k', value: 'v' }),
  ]);
  expect(first).toMatchObject({ status: 'rejected', reason: replaced });
  expect(noted).toMatchObject({ status: 'rejected', reason: replaced });
  await expect(storage.notes.set({ key: 'k', value: 'v' })).rejects.toMatchObject(replaced);
  await expect(storage.backup(join(temporaryFolder(), 'b.db'))).rejects.toMatchObject(replaced);
  expect(storage.notes.get('k')).toBeUndefined();
  // What is in memory stays readable, so that subscribers get what was promised to them.
  expect([log.head, await readAll(log)]).toEqual([20, Array.from({ length: 20 }, (_, i) => `e${i + 1}`)]);
  expect(warnings).toHaveLength(1);
  await storage.close();
});

it('EMIT-16 everything is refused, and told, where the files cannot even be looked at', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => {
    rmSync(folder, { force: true });
    renameSync(`${folder}.old`, folder);
  });
  const warnings: string[] = [];
  const time = new PassedTime();
  const file = join(folder, 'a.db');
  const storage = await openSqliteStorage({ file, clock: time.clock, onWarning: (message) => warnings.push(message) });
  renameSync(folder, `${folder}.old`);
  // A link that leads to itself.
  symlinkSync(folder, folder);
  time.passedMs += 10;
  const refused = { name: 'StorageError', code: 'unavailable' };
  await expect(storage.notes.set({ key: 'k', value: 'v' })).rejects.toMatchObject(refused);
  await expect(storage.notes.set({ key: 'k', value: 'v' })).rejects.toMatchObject(refused);
  expect(warnings).toHaveLength(1);
  await storage.close();
});

it('EMIT-18 a rejected onWarning ends nothing', async () => {
  const unhandled: unknown[] = [];
  const catchIt = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', catchIt);
  const file = join(temporaryFolder(), 'a.db');
  const onWarning = vi.fn((): unknown => Promise.reject(new Error('a logger that fails')));
  const storage = await openSqliteStorage({ file, onWarning });
  rmSync(`${file}-wal`);
  await expect(storage.notes.set({ key: 'k', value: 'v' })).rejects.toMatchObject({ code: 'replaced' });
  await storage.close();
  process.off('unhandledRejection', catchIt);
  expect(onWarning).toHaveBeenCalledOnce();
  expect(unhandled).toEqual([]);
});

it('EMIT-16 a look at the files holds for ten milliseconds, and not for one that takes it from them', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const time = new PassedTime();
  const storage = await openSqliteStorage({ file, clock: time.clock, onWarning: () => {} });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  rmSync(`${file}-wal`);
  time.passedMs += 9.99;
  await appendAll(log, 1, 'within');
  // A copy of what is in no file any more is none.
  await expect(storage.backup(join(temporaryFolder(), 'b.db'))).rejects.toMatchObject({ code: 'replaced' });
  time.passedMs += 0.01;
  await expect(appendAll(log, 1, 'beyond')).rejects.toMatchObject({ code: 'replaced' });
});

it('EMIT-16 a connection of this process that reads the file and is closed does not end what is stored', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const storage = await openSqliteStorage({ file });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  const tool = new DatabaseSync(file);
  tool.exec('SELECT count(*) FROM events_1');
  tool.close();
  await storage.backup(join(temporaryFolder(), 'b.db'));
  await appendAll(log, 1, 'f');
  expect(await readAll(log)).toEqual(['e1', 'f1']);
});

it('EMIT-16 no connection is the last one beside a server, and none finds the index of its log abandoned', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const storage = await openSqliteStorage({ file });
  const canLock = (path: string, offset: number, length: number): boolean => {
    const fd = openSync(path, 'r+');
    try {
      return (native as NativeLocks).tryLock(fd, offset, length, { shared: false });
    } finally {
      closeSync(fd);
    }
  };
  // As any reader in this process: what is left then are the locks that no reader ends.
  for (const path of [file, `${file}-shm`]) readFileSync(path);
  // Of SQLite's file format: the range all connections share, and the byte of whoever has the index open.
  expect(canLock(file, 0x40_00_00_02, 510)).toBe(false);
  expect(canLock(`${file}-shm`, 128, 1)).toBe(false);
  await storage.close();
  expect(canLock(file, 0, 0)).toBe(true);
  expect(existsSync(`${file}.lock`)).toBe(process.platform === 'darwin');
});

it('EMIT-12 the write-ahead log that a slow reader made large is small again when the reader has gone', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const storage = await openSqliteStorage({ file });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  const appendLarge = async (count: number): Promise<void> => {
    const data = { text: 'x'.repeat(100_000) };
    for (let n = 0; n < count; n++) await log.append(event(`${log.head + 1}`, { data }), { byteLength: 100_000 });
  };
  const sizeInMiB = (): number => statSync(`${file}-wal`).size / 1024 / 1024;
  const reader = new DatabaseSync(file, { readOnly: true });
  reader.exec('BEGIN; SELECT count(*) FROM logs');
  await appendLarge(150);
  expect(sizeInMiB()).toBeGreaterThan(12);
  reader.exec('COMMIT');
  reader.close();
  await appendLarge(3);
  expect(sizeInMiB()).toBeLessThanOrEqual(8);
});

import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DatabaseSync, backup } from '@photostructure/sqlite';
import { ancestorsOf } from './log/ancestors.ts';
import { EventTable } from './log/eventTable.ts';
import type { PastRow } from './log/past.ts';
import { Statements } from './statements.ts';
import { fromDriver, storageError } from './storageError.ts';

/** Everything in one step. Smaller steps begin anew with every write in between, so a busy server would never finish. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies the file as it is at this moment, in a thread of its own and through a connection of its own, so that the server
 * goes on. The copy appears under its name when it is complete.
 */
export async function backUp(file: string, toFile: string): Promise<void> {
  const target = resolve(toFile);
  const partial = `${target}.partial`;
  // Replacing a file that somebody has open, or that left a write-ahead log behind, would destroy it.
  for (const path of [target, `${target}-wal`]) if (existsSync(path)) throw storageError('exists', path);
  try {
    await rm(partial, { force: true });
    // For its owner only, like the storage itself.
    await writeFile(partial, '', { mode: 0o600, flag: 'wx' });
    const source = new DatabaseSync(file, { readOnly: true });
    try {
      await backup(source, partial, { rate: ALL_PAGES });
    } finally {
      source.close();
    }
    forgetEpochs(partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw fromDriver(error, target);
  }
}

/** Epochs that are remembered of a storage that was restored again and again. */
const MAX_ANCESTORS = 16;

/**
 * What is restored goes on from the past of the backup, and reaches positions again that the original had given to other
 * events. Without an epoch, each restored log chooses a new one, and remembers up to where the one before means the same.
 */
function forgetEpochs(file: string): void {
  const db = new DatabaseSync(file);
  try {
    // The driver keeps a closed connection until its statements are collected: a write-ahead log would be left behind.
    db.exec('PRAGMA journal_mode = DELETE');
    const statements = new Statements(db);
    const logs = db.prepare('SELECT * FROM logs WHERE live = 1').all() as PastRow[];
    for (const { id, epoch, head, ancestors } of logs) {
      const newest = new EventTable(db, id).tail()?.position ?? 0;
      // A copy that was never opened has none.
      const parent = epoch === '' ? [] : [{ epoch, head: Math.max(head, newest) }];
      const known = [...parent, ...ancestorsOf(ancestors)].slice(0, MAX_ANCESTORS);
      statements.get("UPDATE logs SET epoch = '', ancestors = ? WHERE id = ?").run(JSON.stringify(known), id);
    }
    db.exec("UPDATE logs SET epoch = ''");
  } finally {
    db.close();
  }
}

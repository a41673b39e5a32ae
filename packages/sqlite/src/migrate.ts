import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { APPLICATION_ID } from './schema.ts';
import { StorageError, storageError } from './storageError.ts';

/**
 * Makes sure that the file is ours and of the version this package writes. A file that is not is left as it is.
 *
 * @param migrations each takes a file from the version of its index to the next, in a transaction of its own
 */
export function migrate(db: DatabaseSyncInstance, file: string, migrations: readonly string[]): void {
  const version = versionOf(db, file, migrations.length);
  for (const [from, sql] of migrations.entries()) {
    if (from < version) continue;
    db.exec('BEGIN EXCLUSIVE');
    try {
      db.exec(sql);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${from + 1}; COMMIT`);
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }
}

/** 0 for an empty file. Throws when the file is something else, or of a version after `newest`. */
export function versionOf(db: DatabaseSyncInstance, file: string, newest: number): number {
  const applicationId = pragma(db, 'application_id');
  const version = pragma(db, 'user_version');
  const { count } = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number };
  const isEmpty = applicationId === 0 && version === 0 && count === 0;
  if (applicationId !== APPLICATION_ID && !isEmpty) throw storageError('not-a-storage-file', file);
  if (version > newest) {
    throw new StorageError(
      'newer-version',
      file,
      `this file has version ${version}, and this package knows versions up to ${newest}. ` +
        'It was left alone; update @mcp-events/sqlite, or restore a backup from before the update',
    );
  }
  return version;
}

function pragma(db: DatabaseSyncInstance, name: string): number {
  return Number((db.prepare(`PRAGMA ${name}`).get() as Record<string, unknown>)[name]);
}

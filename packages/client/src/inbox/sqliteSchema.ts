import type { SqliteDatabase, Whole } from './sqliteDatabase.ts';

const VERSION = 1;

/**
 * The tables of an inbox. Their names keep them apart from the application's; `user_version` is the application's.
 *
 * @throws Error if a later version of this package made them; what the database throws
 */
export function createTables(db: SqliteDatabase): void {
  db.exec('CREATE TABLE IF NOT EXISTS mcp_inbox_schema (version INTEGER NOT NULL)');
  const row = db.prepare('SELECT max(version) AS version FROM mcp_inbox_schema').get() as { version: Whole | null };
  const version = row.version === null ? undefined : Number(row.version);
  if (version !== undefined && version > VERSION) {
    throw new Error(
      `The inbox in this database has version ${version}, and this package knows up to ${VERSION}: update @mcp-events/client.`,
    );
  }
  db.exec(`
    CREATE TABLE IF NOT EXISTS mcp_inbox_subscriptions (
      namespace TEXT NOT NULL,
      key TEXT NOT NULL,
      owner TEXT NOT NULL,
      revision INTEGER NOT NULL,
      record TEXT NOT NULL,
      PRIMARY KEY (namespace, key)
    );
    CREATE TABLE IF NOT EXISTS mcp_inbox_seen (
      namespace TEXT NOT NULL,
      key TEXT NOT NULL,
      list TEXT NOT NULL,
      event_id TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS mcp_inbox_seen_lists ON mcp_inbox_seen (namespace, key, list);
    CREATE TABLE IF NOT EXISTS mcp_inbox_attempts (
      namespace TEXT NOT NULL,
      key TEXT NOT NULL,
      event_id TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      PRIMARY KEY (namespace, key, event_id)
    );
    CREATE TABLE IF NOT EXISTS mcp_inbox_parked (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      namespace TEXT NOT NULL,
      key TEXT NOT NULL,
      event_id TEXT NOT NULL,
      event TEXT NOT NULL,
      reason TEXT NOT NULL,
      attempts INTEGER NOT NULL,
      parked_at_ms INTEGER NOT NULL,
      retry INTEGER NOT NULL DEFAULT 0,
      UNIQUE (namespace, key, event_id)
    );
    CREATE INDEX IF NOT EXISTS mcp_inbox_retries ON mcp_inbox_parked (namespace, key, id) WHERE retry = 1;
  `);
  if (version === undefined) db.exec(`INSERT INTO mcp_inbox_schema (version) VALUES (${VERSION})`);
}

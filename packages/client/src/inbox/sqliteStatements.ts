import type { SqliteDatabase, SqliteStatement } from './sqliteDatabase.ts';

const statements = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',

  claim: 'UPDATE mcp_inbox_subscriptions SET owner = ? WHERE namespace = ? AND key = ? RETURNING record',
  save: `
    INSERT INTO mcp_inbox_subscriptions (namespace, key, owner, revision, record) VALUES (?, ?, ?, 1, ?)
    ON CONFLICT (namespace, key) DO UPDATE SET record = excluded.record, revision = revision + 1
      WHERE owner = excluded.owner
    RETURNING revision`,
  advance: `
    UPDATE mcp_inbox_subscriptions SET record = ?, revision = revision + 1
      WHERE namespace = ? AND key = ? AND owner = ? RETURNING revision`,
  touch: `
    UPDATE mcp_inbox_subscriptions SET revision = revision + 1
      WHERE namespace = ? AND key = ? AND owner = ? RETURNING revision`,
  revision: 'SELECT revision FROM mcp_inbox_subscriptions WHERE namespace = ? AND key = ?',
  delete: 'DELETE FROM mcp_inbox_subscriptions WHERE namespace = ? AND key = ? AND owner = ? RETURNING key',
  list: 'SELECT key, record FROM mcp_inbox_subscriptions WHERE namespace = ? ORDER BY key',

  seen: 'SELECT list, event_id FROM mcp_inbox_seen WHERE namespace = ? AND key = ? ORDER BY rowid',
  addSeen: 'INSERT INTO mcp_inbox_seen (namespace, key, list, event_id) VALUES (?, ?, ?, ?)',
  dropSeen: `
    DELETE FROM mcp_inbox_seen WHERE rowid IN (
      SELECT rowid FROM mcp_inbox_seen WHERE namespace = ? AND key = ? AND list = ? ORDER BY rowid LIMIT ?)`,
  dropAllSeen: 'DELETE FROM mcp_inbox_seen WHERE namespace = ? AND key = ?',

  countAttempt: `
    INSERT INTO mcp_inbox_attempts (namespace, key, event_id, attempts) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, key, event_id) DO UPDATE SET attempts = attempts + excluded.attempts
    RETURNING attempts`,
  forgetAttempts: 'DELETE FROM mcp_inbox_attempts WHERE namespace = ? AND key = ? AND event_id = ?',
  forgetOldAttempts: `
    DELETE FROM mcp_inbox_attempts WHERE namespace = ? AND key = ? AND rowid NOT IN (
      SELECT rowid FROM mcp_inbox_attempts WHERE namespace = ? AND key = ? ORDER BY rowid DESC LIMIT ?)`,
  forgetAllAttempts: 'DELETE FROM mcp_inbox_attempts WHERE namespace = ? AND key = ?',

  park: `
    INSERT INTO mcp_inbox_parked (namespace, key, event_id, event, reason, attempts, parked_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (namespace, key, event_id)
      DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, parked_at_ms = excluded.parked_at_ms`,
  countParked: 'SELECT count(*) AS count FROM mcp_inbox_parked WHERE namespace = ? AND key = ?',
  parked: 'SELECT * FROM mcp_inbox_parked WHERE namespace = ? AND id > ? ORDER BY id LIMIT ?',
  findRetry: 'SELECT id FROM mcp_inbox_parked WHERE namespace = ? AND key = ? AND retry = 1 LIMIT 1',
  takeRetry: `
    UPDATE mcp_inbox_parked SET retry = 0, attempts = attempts + 1
      WHERE id = (SELECT min(id) FROM mcp_inbox_parked WHERE namespace = ? AND key = ? AND retry = 1) RETURNING *`,
  askRetry: 'UPDATE mcp_inbox_parked SET retry = 1 WHERE namespace = ? AND id = ? RETURNING id',
  drop: 'DELETE FROM mcp_inbox_parked WHERE namespace = ? AND id = ? RETURNING id',
} as const;

/** The statements of an inbox, prepared once. */
export type SqliteStatements = Record<keyof typeof statements, SqliteStatement>;

export function sqliteStatements(db: SqliteDatabase): SqliteStatements {
  const entries = Object.entries(statements).map(([name, sql]) => [name, db.prepare(sql)]);
  return Object.fromEntries(entries) as SqliteStatements;
}

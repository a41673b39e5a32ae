export type { Inbox, InboxCommit, ParkedEvent } from './inbox/inbox.ts';
export type { SqliteDatabase, SqliteStatement } from './inbox/sqliteDatabase.ts';
export { type ParkedQuery, type SqliteInbox, sqliteInbox, type SqliteInboxOptions } from './inbox/sqliteInbox.ts';

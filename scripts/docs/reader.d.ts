// What the reader of an example has already: values that its page speaks of and does not show. What a page declares itself
// hides these.
import type { Client } from '@modelcontextprotocol/client';
import type { Subscription } from '@mcp-events/client';
import type { SqliteInbox } from '@mcp-events/client/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';

declare global {
  /** A client that is connected, and how to connect one. */
  const client: Client;
  const connect: () => Promise<Client>;
  const info: { name: string; version: string };

  /** The application. */
  const react: (data: unknown) => Promise<void>;
  const handle: (data: unknown) => Promise<void>;
  const log: (error: Error) => void;
  const show: (status: unknown) => void;
  const store: (cursor: string | null) => void;
  const consume: (subscription: Subscription) => void;
  const summarize: (data: unknown, signal: AbortSignal) => Promise<string>;
  const resynchronise: () => void;
  const readAll: () => Promise<void>;
  const filter: (event: unknown) => boolean;
  const onGap: () => void;

  /** Its database, its inbox in it, and its subscription. */
  type Database = DatabaseSyncInstance;
  const db: Database;
  const inbox: SqliteInbox<Database>;
  const incidents: Subscription<{ id: string }>;
}

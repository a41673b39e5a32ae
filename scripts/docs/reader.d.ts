// What the reader of an example has already: values that its page speaks of and does not show. What a page declares itself
// hides these.

/** A client that is connected, and how to connect one. */
declare const client: import('@modelcontextprotocol/client').Client;
declare const connect: () => Promise<import('@modelcontextprotocol/client').Client>;
declare const info: { name: string; version: string };

/** The application. */
declare const react: (data: unknown) => Promise<void>;
declare const handle: (data: unknown) => Promise<void>;
declare const log: (error: Error) => void;
declare const show: (status: unknown) => void;
declare const store: (cursor: string | null) => void;
declare const consume: (subscription: import('@mcp-events/client').Subscription) => void;
declare const summarize: (data: unknown, signal: AbortSignal) => Promise<string>;
declare const resynchronise: () => void;
declare const readAll: () => Promise<void>;
declare const filter: (event: unknown) => boolean;
declare const onGap: () => void;

/** Its database, its inbox in it, and its subscription. */
type Database = import('@photostructure/sqlite').DatabaseSyncInstance;
declare const db: Database;
declare const inbox: import('@mcp-events/client/sqlite').SqliteInbox<Database>;
declare const incidents: import('@mcp-events/client').Subscription<{ id: string }>;

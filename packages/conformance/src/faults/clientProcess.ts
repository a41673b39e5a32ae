// A client and its application, as a process of its own.
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { subscriptionKey } from '@mcp-events/protocol';
import { EventsClient, eventsClientCapabilities, systemClock } from '@mcp-events/client';
import { fileStore } from '@mcp-events/client/node';
import { WebhookReceiver } from '@mcp-events/client/receiver';
import { sqliteInbox } from '@mcp-events/client/sqlite';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { CallbackEndpoint } from './callbackEndpoint.ts';
import type { ClientConfig } from './clientConfig.ts';
import { credentialsOf } from './credentials.ts';
import { Effects, recordedInbox } from './effects.ts';
import { readOwnFacts } from './factReader.ts';
import { follow } from './follow.ts';
import { isPassing } from './passingFailures.ts';
import { ProcessShell } from './processShell.ts';
import { RecordedPositions, recordedStore } from './recordedPositions.ts';
import { HEARTBEAT_MS } from './serverConfig.ts';

const shell = await ProcessShell.start<ClientConfig>();
const { name, folder, disk, store: kind, server, webhook, followed, principal } = shell.config;

const db = await shell.insist(() => {
  const opened = new DatabaseSync(join(disk, `${name}.db`), { timeout: 1_000 });
  try {
    opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    Effects.createTable(opened);
    return { opened, inbox: sqliteInbox(opened) };
  } catch (error) {
    opened.close();
    throw error;
  }
}, isPassing);

const keyed = followed.map((item) => ({
  item,
  key: subscriptionKey({ name: item.type, arguments: item.arguments }),
  effects: new Effects(shell, db.opened, item.subscription),
  positions: new RecordedPositions(shell, item.subscription),
}));
const positions = new Map(keyed.map((entry) => [entry.key, entry.positions]));
const effects = new Map(keyed.map((entry) => [entry.key, entry.effects]));
const inbox: typeof db.inbox = recordedInbox(recordedStore(db.inbox, positions), effects);
// A handler goes on from its inbox: what the file says of it is nobody's position.
const ofLoops = new Map(keyed.filter(({ item }) => item.by === 'loop').map((entry) => [entry.key, entry.positions]));
const store = kind === 'inbox' ? inbox : recordedStore(fileStore(join(disk, `${name}.json`)), ofLoops);

const receiver = new WebhookReceiver({ clock: shell.clock.applyTo(systemClock) });
const endpoint = webhook && (await CallbackEndpoint.listen(shell, receiver.handle));

const log = openSync(join(folder, `${name}.server.log`), 'a');

async function connect(): Promise<Client> {
  const client = new Client(
    { name, version: '0.1.0' },
    // A server that cannot start at the moment is not to be taken for one of an older revision.
    { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: eventsClientCapabilities },
  );
  const transport =
    'url' in server
      ? new StreamableHTTPClientTransport(new URL(server.url), { requestInit: { headers: credentialsOf(principal) } })
      : new StdioClientTransport({ command: server.command, args: [...server.args], stderr: log });
  await client.connect(transport);
  return client;
}

const events = new EventsClient(connect, {
  clock: shell.clock.applyTo(systemClock),
  store,
  heartbeatIntervalMs: HEARTBEAT_MS,
  pollFloorMs: 200,
  backoff: { baseMs: 100, maxMs: 1_000 },
  maxBufferedEvents: 50,
  ...(webhook === undefined ? {} : { webhook: { receiver, url: webhook.url, ttlMs: webhook.ttlMs } }),
});
shell.beforeStop(() => events.close());

await shell.hello(endpoint?.port);
/** Subscriptions that earlier lives began: this one goes on with them, whatever the stores say. */
const begunBefore = new Set(
  readOwnFacts(folder, name).flatMap((fact) => (fact.fact === 'begun' ? [fact.subscription] : [])),
);
const following = Promise.all(
  keyed.map(async (entry) => {
    const { item, key } = entry;
    const load = (from: { load: typeof store.load }) => shell.insist(() => from.load(key), isPassing);
    const inInbox = item.by === 'handler' ? await load(inbox) : undefined;
    const kept = inInbox ?? (await load(store));
    if (item.by === 'handler') entry.effects.recover();
    else entry.positions.recover(kept);
    const { effects, positions } = entry;
    const cursor = kept?.cursor ?? null;
    const resumes = begunBefore.has(item.subscription);
    await follow({ shell, events, inbox, effects, positions, cursor, resumes }, item);
  }),
);
// What the application has in hand is ended and acknowledged, however busy the machine is.
shell.beforeStop(() => following);
await following;

import { join } from 'node:path';
import { Events, systemClock } from '@mcp-events/server';
import type { EventsOptions } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { McpServer } from '@modelcontextprotocol/server';
import type { McpServerFactory } from '@modelcontextprotocol/server';
import { Author } from './author.ts';
import { principalOf } from './credentials.ts';
import { defineTypes, filteredName, MATCHED, matchedName, outboxedName, PLAIN } from './eventTypes.ts';
import { OutboxAuthor } from './outboxAuthor.ts';
import { isPassing, textOf } from './passingFailures.ts';
import type { ProcessShell } from './processShell.ts';
import { Revocation } from './revocation.ts';
import { HEARTBEAT_MS } from './serverConfig.ts';
import type { ServerConfig } from './serverConfig.ts';
import type { Settings } from './settings.ts';

/** Encrypts the signing secrets of a run. */
const SECRET_KEY = Buffer.alloc(32, 7).toString('base64');

export interface EventServer {
  readonly events: Events;
  readonly factory: McpServerFactory;
  /** To be called when the process has said hello. */
  readonly begin: () => void;
}

/** The server of a run without what carries it: storage, event types, and authors that emit as long as it lives. */
export async function openEventServer(shell: ProcessShell<ServerConfig>): Promise<EventServer> {
  const { prefix, disk, upstream, settings, principal } = shell.config;
  const clock = shell.clock.applyTo(systemClock);
  const file = join(disk, 'events.db');
  const storage = await shell.insist(() => openSqliteStorage({ file, clock }), isPassing);
  const events = new Events({
    clock,
    storage,
    principal: ({ request }) => principalOf(request?.headers.get('authorization')) ?? principal,
    heartbeatIntervalMs: HEARTBEAT_MS,
    limits: { streamBufferBytes: settings.streamBufferBytes },
    webhooks: webhooksOf(settings),
    onError: (error, { stage }) => {
      if (!isPassing(error)) shell.facts.complain(`told at ${stage}: ${textOf(error)}`);
    },
    onWarning: () => {},
  });
  const handles = defineTypes(events, prefix, settings, upstream, () => shell.circumstances.ending);
  const handleOf = (name: string) => {
    const handle = handles.get(name);
    if (handle === undefined) throw new Error(`there is no type ${name}`);
    return handle;
  };
  const authors = [
    new Author(shell, handleOf(filteredName(prefix)), { repeats: true, treatment: PLAIN }),
    new Author(shell, handleOf(matchedName(prefix)), {
      repeats: false,
      treatment: MATCHED,
      retention: settings.shortRetention,
    }),
    await shell.insist(
      () => OutboxAuthor.open(shell, events, handleOf(outboxedName(prefix)), join(disk, 'author.db')),
      isPassing,
    ),
  ];
  const revocation = new Revocation(shell, events, matchedName(prefix));
  shell.beforeStop(() => revocation.done());
  shell.beforeStop(() => Promise.all(authors.map((author) => author.stopped())));
  shell.beforeStop(() => events.close());
  return {
    events,
    factory: ({ era }) => {
      const mcp = new McpServer({ name: 'faults', version: '0.1.0' });
      events.attach(mcp, { era });
      return mcp;
    },
    begin: () => {
      revocation.begin();
      for (const author of authors) author.begin();
    },
  };
}

function webhooksOf({ retry, suspension, outstandingPerSubscription }: Settings): EventsOptions['webhooks'] {
  return {
    allowedOrigins: () => true,
    secretKeys: [SECRET_KEY],
    ttl: { noExpiry: true, minMs: 1_000 },
    retry,
    suspension,
    limits: { outstandingPerSubscription },
  };
}

import { Client } from '@modelcontextprotocol/client';
import type { ClientDeliveryMode, ReceivedEvent, SubscribeOptions } from '@mcp-events/client';
import { EventsClient, eventsClientCapabilities, eventsTransport } from '@mcp-events/client';
import { fileStore } from '@mcp-events/client/node';
import { Command, Option } from 'commander';
import { openJournal } from './demo/journal.ts';
import { endWithParent, tellParent } from './demo/messages.ts';
import type { CommitPayload } from './events/commitEvents.ts';
import type { RefPayload } from './events/refEvents.ts';
import { serveReceiver } from './webhooks/receiverServer.ts';

// An application that follows a repository. Killed and started again with the same store, it goes on where it was.
interface Options {
  url: string;
  mode?: ClientDeliveryMode;
  branch?: string;
  author?: string;
  ref?: string;
  store?: string;
  journal?: string;
  certificate?: string;
  key?: string;
}

const options = new Command('git-watcher-subscriber')
  .description('Prints the commits and ref updates of a git-watcher server')
  .requiredOption('--url <url>', 'where the server listens')
  .addOption(new Option('--mode <mode>', 'delivery mode; by default the best one').choices(['webhook', 'push', 'poll']))
  .option('--branch <name>', 'branch to follow; by default the one checked out when the server started')
  .option('--author <text>', 'only commits whose author name contains this')
  .option('--ref <name>', 'only updates of this ref, such as refs/heads/main')
  .option('--store <file>', 'keeps the positions, so that nothing is lost while this is not running')
  .option('--journal <file>', 'writes down what was received, one JSON object a line')
  .option('--certificate <file>', 'takes webhooks over https with this certificate')
  .option('--key <file>', 'and its key')
  .parse()
  .opts<Options>();

if (process.send !== undefined) endWithParent();
const journal = options.journal === undefined ? undefined : openJournal(options.journal);

const events = new EventsClient(connect, {
  ...(options.store !== undefined && { store: fileStore(options.store) }),
  ...(options.certificate !== undefined &&
    options.key !== undefined && { webhook: await serveReceiver(options.certificate, options.key) }),
  // A local server is back soon, or not at all.
  backoff: { baseMs: 250, maxMs: 1_000 },
  onWarning: (message) => console.error(printable(message)),
});
const { branch, author, ref } = options;
await Promise.all([
  follow<CommitPayload>('git.commit', { branch, author }, ({ data }) => {
    const what = `${data.hash.slice(0, 10)}  ${data.branch}  ${data.subject} (${data.author})`;
    console.log(printable(what));
    return data.hash;
  }),
  follow<RefPayload>('git.ref.updated', { ref }, ({ data }) => {
    console.log(printable(`${(data.after ?? data.before ?? '').slice(0, 10)}  ${data.ref} ${data.change}`));
    return data.change;
  }),
]);

async function connect(): Promise<Client> {
  const info = { name: 'git-watcher-subscriber', version: '0.1.0' };
  const client = new Client(info, { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities });
  await client.connect(eventsTransport(options.url));
  return client;
}

async function follow<T>(
  eventType: string,
  args: Record<string, string | undefined>,
  handle: (event: ReceivedEvent<T>) => string,
): Promise<void> {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
  const settings: SubscribeOptions = {
    delivery: options.mode,
    onGap: ({ reason }) => {
      console.log(`${eventType}: events may be missing here (${reason})`);
      journal?.({ kind: 'gap', process: process.pid, atMs: Date.now(), eventType, reason });
      tellParent({ kind: 'gap', eventType });
    },
    onError: (error) => console.error(`${eventType}: ${printable(error.message)}; delivery goes on by itself`),
    onStatus: ({ state, delivery }) => {
      if (state !== 'active') return;
      console.log(`${eventType}: following by ${delivery}`);
      tellParent({ kind: 'following', eventType });
    },
  };
  // Asking for the next event, which the loop does, acknowledges the one before: by then it is in the journal.
  for await (const event of await events.subscribe<T>(eventType, given, settings)) {
    const atMs = Date.now();
    const what = handle(event);
    journal?.({ kind: 'event', process: process.pid, atMs, eventType, eventId: event.eventId, what });
    tellParent({ kind: 'event', eventType, what });
  }
}

/** What events and errors say is written by others (AUTH-06): nothing of it may steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { endWithParent, tellParent } from './demo/messages.ts';
import { serveRepository } from './server.ts';
import type { GitServer } from './server.ts';

/** A server that comes back wants its old port, which in the meantime anybody may have got for a connection. */
const PORT_ATTEMPTS = 50;
const PORT_PAUSE_MS = 100;

// The server in a process of its own, for whoever wants to kill it.
const command = new Command('git-watcher-server')
  .description('Serves the commits and ref updates of a git repository as MCP events')
  .requiredOption('--repo <path>', 'repository to serve; it is only read')
  .option('--port <number>', 'port on 127.0.0.1', Number, 0)
  .option('--callback-ca <file>', 'offer webhooks to receivers on this machine with a certificate signed by this one')
  .option('--subscriptions <file>', 'where their subscriptions are kept', 'subscriptions.json')
  .parse();
const options = command.opts<{ repo: string; port: number; callbackCa?: string; subscriptions: string }>();
const { repo, port, callbackCa, subscriptions } = options;
const callbacks = callbackCa === undefined ? undefined : { caPath: callbackCa, subscriptionsPath: subscriptions };

endWithParent();
const server = await serveWhenFree();
console.log(`Serving ${repo} at ${server.url}`);
tellParent({ kind: 'listening', url: server.url });

async function serveWhenFree(): Promise<GitServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await serveRepository(repo, port, callbacks);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === PORT_ATTEMPTS) throw error;
      await pause(PORT_PAUSE_MS);
    }
  }
}

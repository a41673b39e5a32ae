import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { endWithParent, SECRET_KEYS_VARIABLE, tellParent } from './demo/messages.ts';
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
  .option('--storage <file>', 'keeps events and subscriptions; by default beside the repository')
  .addHelpText(
    'after',
    `\nWith --callback-ca, the environment variable ${SECRET_KEYS_VARIABLE} has the keys that encrypt stored signing secrets:
32 bytes in base64, as from: openssl rand -base64 32. To replace a key, put the new one in front, with a comma.`,
  )
  .parse();
const { repo, port, storage, callbackCa } = command.opts<{
  repo: string;
  port: number;
  storage?: string;
  callbackCa?: string;
}>();
const secretKeys = process.env[SECRET_KEYS_VARIABLE]?.split(',') ?? [];
// Not for the git commands that this process starts.
delete process.env[SECRET_KEYS_VARIABLE];
const callbacks = callbackCa === undefined ? undefined : { caPath: callbackCa, secretKeys };

endWithParent();
const server = await serveWhenFree();
console.log(`Serving ${repo} at ${server.url}`);
tellParent({ kind: 'listening', url: server.url });

async function serveWhenFree(): Promise<GitServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await serveRepository(repo, { port, storageFile: storage, callbacks });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === PORT_ATTEMPTS) throw error;
      await pause(PORT_PAUSE_MS);
    }
  }
}

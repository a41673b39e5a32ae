import { Command } from 'commander';
import { endWithParent, tellParent } from './demo/messages.ts';
import { serveRepository } from './server.ts';

// The server in a process of its own, for whoever wants to kill it.
const command = new Command('git-watcher-server')
  .description('Serves the commits and ref updates of a git repository as MCP events')
  .requiredOption('--repo <path>', 'repository to serve; it is only read')
  .option('--port <number>', 'port on 127.0.0.1', Number, 0)
  .parse();
const { repo, port } = command.opts<{ repo: string; port: number }>();

endWithParent();
const server = await serveRepository(repo, port);
console.log(`Serving ${repo} at ${server.url}`);
tellParent({ kind: 'listening', url: server.url });

// The server over standard input and output, started by its client.
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { openEventServer } from './eventServer.ts';
import { ProcessShell } from './processShell.ts';
import type { ServerConfig } from './serverConfig.ts';

const shell = await ProcessShell.start<ServerConfig>();
// Then the client is gone. Input is not read to its end any more once output failed.
process.stdin.once('end', () => shell.stop()).once('close', () => shell.stop());
process.stdout.once('error', () => shell.stop());
const { events, factory, begin } = await openEventServer(shell);
await shell.hello();
serveStdio(factory, {
  transport: events.stdio(new StdioServerTransport()),
  onerror: (error) => {
    // The client's end of the pipes goes with the client.
    const { code } = error as NodeJS.ErrnoException;
    if (!shell.stopping.signal.aborted && code !== 'EPIPE') shell.facts.complain(`over stdio: ${error.stack}`);
  },
});
begin();

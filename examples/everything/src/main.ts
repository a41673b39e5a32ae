import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { CommanderError } from 'commander';
import { createEverythingServer } from './everythingServer.ts';
import type { EverythingServer } from './everythingServer.ts';
import { serveHttp } from './http.ts';
import { parseCommandLine } from './options.ts';

try {
  const options = parseCommandLine(process.argv.slice(2));
  const server = await createEverythingServer({ ...options, coreFixtures: true });
  try {
    await (options.stdio ? overStdio(server) : overHttp(server, options.port));
  } catch (error) {
    await server.close();
    throw error;
  }
} catch (error) {
  // Commander has explained itself already.
  if (!(error instanceof CommanderError)) console.error(explain(error));
  process.exit(error instanceof CommanderError ? error.exitCode : 1);
}

async function overHttp(server: EverythingServer, port: number): Promise<void> {
  const http = await serveHttp(server, port);
  stopOnSignals(server, http);
  console.log(JSON.stringify({ url: http.url, pid: process.pid }));
}

function overStdio(server: EverythingServer): void {
  const stop = stopOnSignals(server, server.connect(new StdioServerTransport()));
  // Then the client is gone, and nobody is left to serve.
  process.stdin.once('end', stop).once('close', stop);
}

/** The returned function stops at once. A second signal ends the process the hard way, as by default. */
function stopOnSignals(server: EverythingServer, connection: { close(): Promise<void> }): () => void {
  const stop = (): void => {
    // First the streams end with their final frame, then what carries them.
    const stopped = server.close().then(() => connection.close());
    stopped.then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(explain(error));
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
  return stop;
}

function explain(error: unknown): string {
  const { syscall, message } = error as NodeJS.ErrnoException;
  // The port is taken, or kept for others.
  if (syscall === 'listen') return `error: ${message}; choose another port with --port, such as 0 for a free one`;
  return `error: ${message}`;
}

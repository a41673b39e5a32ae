import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Events, internalError, systemClock } from '@mcp-events/server';
import { defineCommitEvents } from './events/commitEvents.ts';
import { defineRefEvents } from './events/refEvents.ts';
import { RefWatcher } from './events/refWatcher.ts';
import { openRepository } from './git/repository.ts';
import { localCallbacks } from './webhooks/localCallbacks.ts';
import type { LocalCallbacks } from './webhooks/localCallbacks.ts';

/** A server that is listening. */
export interface GitServer {
  /** Where MCP clients connect. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the events of a local repository over Streamable HTTP, to this machine only. It reads the repository and never
 * writes to it.
 *
 * @param port 0 for any free one
 * @param callbacks where webhooks go; without them they are not offered
 * @throws GitError if there is no repository at `path`; an error with the code `EADDRINUSE` if the port is taken
 */
export async function serveRepository(path: string, port = 0, callbacks?: LocalCallbacks): Promise<GitServer> {
  const repository = await openRepository(path);
  const events = new Events({
    // There is no authentication: everybody who can reach the server is the user of this machine.
    principal: () => 'local-user',
    ...(callbacks !== undefined && { webhooks: await localCallbacks(callbacks) }),
  });
  const commits = defineCommitEvents(events, repository);
  const refUpdates = defineRefEvents(events);

  const watcher = new RefWatcher({
    repository,
    clock: systemClock,
    onChanges: async (changes) => {
      if (changes.some(({ kind }) => kind === 'branch')) commits.wake();
      for (const change of changes) await refUpdates.emit(change);
    },
    onFailure: (error) => {
      console.error(error);
      refUpdates.reportFailure(internalError('The refs of the repository cannot be read at the moment'));
    },
  });
  await watcher.start();

  const handler = events.http(
    createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'git-watcher', version: '0.1.0' });
      events.attach(mcp, { era });
      return mcp;
    }),
  );
  const serve = toNodeHandler(handler);
  const isLocalHost = localhostHostValidation();
  const isLocalOrigin = localhostOriginValidation();
  const http = createServer((request, response) => {
    // Guards against web pages that reach for servers of this machine; a refused request is answered already.
    if (isLocalHost(request, response) && isLocalOrigin(request, response)) void serve(request, response);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(port, '127.0.0.1', resolve);
    });
  } catch (error) {
    await watcher.close();
    throw error;
  }

  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    close: async () => {
      await watcher.close();
      await events.close();
      await handler.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

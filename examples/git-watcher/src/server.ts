import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Events, internalError, systemClock } from '@mcp-events/server';
import { mcpNodeHandler } from '@mcp-events/server/node';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { defineCommitEvents } from './events/commitEvents.ts';
import { defineRefEvents } from './events/refEvents.ts';
import { RefMemory } from './events/refMemory.ts';
import { RefWatcher } from './events/refWatcher.ts';
import { openRepository } from './git/repository.ts';
import { localCallbacks } from './webhooks/localCallbacks.ts';
import type { LocalCallbacks } from './webhooks/localCallbacks.ts';

/** A server that is listening. */
export interface GitServer {
  /** Where MCP clients connect. */
  readonly url: string;
  /** What a restart goes on with. */
  readonly storageFile: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** 0, the default, for any free one. */
  readonly port?: number;
  /** Keeps what a restart must not forget. Default: a file of the repository's name beside it, with `.events.db`. */
  readonly storageFile?: string;
  /** Where webhooks go; without them they are not offered. */
  readonly callbacks?: LocalCallbacks;
}

/**
 * Serves the events of a local repository over Streamable HTTP, to this machine only. It reads the repository and never
 * writes to it.
 *
 * @throws GitError if there is no repository at `path`; StorageError if the storage cannot be used, for example because
 * another server does; an error with the code `EADDRINUSE` if the port is taken
 */
export async function serveRepository(path: string, options: ServeOptions = {}): Promise<GitServer> {
  const { port = 0, callbacks } = options;
  const repository = await openRepository(path);
  const webhooks = callbacks && (await localCallbacks(callbacks));
  // Beside the repository, which is left as it is.
  const storageFile = options.storageFile ?? `${repository.path}.events.db`;
  const storage = await openSqliteStorage({ file: storageFile, onWarning: (message) => console.error(message) });
  const events = new Events({
    // There is no authentication: everybody who can reach the server is the user of this machine.
    principal: () => 'local-user',
    storage,
    ...(webhooks !== undefined && { webhooks }),
  });
  const commits = defineCommitEvents(events, repository);
  const refUpdates = defineRefEvents(events);

  const watcher = new RefWatcher({
    repository,
    memory: new RefMemory(storage.notes),
    clock: systemClock,
    onChanges: async (changes) => {
      if (changes.some(({ data }) => data.kind === 'branch')) commits.wake();
      for (const { eventId, data } of changes) await refUpdates.emit(data, { eventId });
    },
    onFailure: (error) => {
      console.error(error);
      refUpdates.reportFailure(internalError('The refs of the repository cannot be read at the moment'));
    },
  });

  const handler = events.http(
    createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'git-watcher', version: '0.1.0' });
      events.attach(mcp, { era });
      return mcp;
    }),
  );
  const serve = mcpNodeHandler(handler);
  const isLocalHost = localhostHostValidation();
  const isLocalOrigin = localhostOriginValidation();
  const http = createServer((request, response) => {
    // Guards against web pages that reach for servers of this machine; a refused request is answered already.
    if (isLocalHost(request, response) && isLocalOrigin(request, response)) serve(request, response);
  });
  const close = async (): Promise<void> => {
    await watcher.close();
    // Closes the storage as well, so that the next server can have it.
    await events.close();
    await handler.close();
  };
  try {
    await watcher.start();
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(port, '127.0.0.1', resolve);
    });
  } catch (error) {
    await close();
    throw error;
  }

  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    storageFile,
    close: async () => {
      await close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

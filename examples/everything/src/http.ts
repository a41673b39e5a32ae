import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { nodeHandler } from '@mcp-events/server/node';
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';
import type { EverythingServer } from './everythingServer.ts';

export interface HttpServer {
  readonly url: string;
  /** Waits for answers on their way, but not for clients that do not read them. */
  close(): Promise<void>;
}

const PATH = '/mcp';

/** Time for the final frames of streams to leave. */
const FLUSH_MS = 2_000;

/** Serves on 127.0.0.1. Rejects when the port cannot be had. */
export async function serveHttp(server: EverythingServer, port: number): Promise<HttpServer> {
  // Tokens are looked at before a body is read.
  const handle = nodeHandler((request) => server.fetch(request), { onError: console.error });
  // Without them, any web page the user opens could reach this server through a name of its own.
  const isLocalHost = localhostHostValidation();
  const isLocalOrigin = localhostOriginValidation();
  const answering = new Set<ServerResponse>();
  const listener = createServer((request, response) => {
    if (!isLocalHost(request, response) || !isLocalOrigin(request, response)) return;
    if (request.url?.split('?')[0] !== PATH) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`Not found. The endpoint is ${PATH}\n`);
      return;
    }
    answering.add(response);
    response.once('close', () => answering.delete(response));
    handle(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, '127.0.0.1', resolve);
  });
  const close = async (): Promise<void> => {
    listener.close();
    await Promise.race([
      Promise.all([...answering].map((response) => new Promise((resolve) => response.once('close', resolve)))),
      new Promise((resolve) => setTimeout(resolve, FLUSH_MS).unref()),
    ]);
    listener.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}${PATH}`, close };
}

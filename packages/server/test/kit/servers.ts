import type { CreateMcpHandlerOptions } from '@modelcontextprotocol/server';
import type { EventsOptions } from '@mcp-events/server';
import { afterEach } from 'vitest';
import { TestServer } from './httpServer.ts';
import type { Mounting } from './httpServer.ts';
import { StdioTestServer } from './stdioServer.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

/** A server over HTTP that is closed after the test. */
export function httpServer(
  options?: EventsOptions,
  handlerOptions?: CreateMcpHandlerOptions,
  mounting?: Mounting,
): TestServer {
  const server = new TestServer(options, handlerOptions, mounting);
  open.push(server);
  return server;
}

/** A server on stdio that is closed after the test. */
export function stdioServer(options?: EventsOptions): StdioTestServer {
  const server = new StdioTestServer(options);
  open.push(server);
  return server;
}

/** Payload schema of events that only count. */
export const counted = {
  payload: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
} as const;

/** The `n` of events of {@link counted}, on the wire of any mode. */
export function numbersOf(entries: readonly { readonly data: Readonly<Record<string, unknown>> }[]): unknown[] {
  return entries.map(({ data }) => data['n']);
}

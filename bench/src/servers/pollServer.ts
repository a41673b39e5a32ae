import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '@modelcontextprotocol/node';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { serve } from '../harness/child.ts';

/** Where readers find one implementation of poll. */
export interface PollAddress {
  readonly port: number;
  readonly method: string;
  /** Position before the first event, and after the last one. */
  readonly firstCursor: string;
  readonly lastCursor: string;
}

export interface PollServer {
  /** Puts this many events into the past. */
  start(options: { events: number; dataBytes: number }): Promise<PollAddress>;
  /** CPU time this process has used so far. */
  cpuUs(): Promise<number>;
}

export type PollTarget = Omit<PollAddress, 'port'> & { readonly handler: McpHttpHandler };

/** Runs an implementation as a server process. */
export function servePoll(create: (events: number, dataBytes: number) => Promise<PollTarget>): void {
  serve<PollServer>({
    start: async ({ events, dataBytes }) => {
      const { handler, method, firstCursor, lastCursor } = await create(events, dataBytes);
      const node = toNodeHandler(handler);
      const server = createServer((request, response) => void node(request, response));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      return { port, method, firstCursor, lastCursor };
    },
    cpuUs: async () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
  });
}

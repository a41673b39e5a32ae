import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Events } from '@mcp-events/server';
import type { EventHandle, EventsOptions } from '@mcp-events/server';
import * as z from 'zod';
import { listen } from './support/listen.ts';

/** A server of builds. */
export interface BuildServer {
  /** Where MCP clients connect. */
  readonly url: string;
  readonly finished: EventHandle<Record<string, unknown>, Record<string, unknown>, { build: string }>;
  close(): Promise<void>;
}

/** Everybody who reaches it is the same principal: authentication is the subject of other examples. */
export async function startServer(webhooks: EventsOptions['webhooks']): Promise<BuildServer> {
  const events = new Events({ webhooks, principal: () => 'workbench' });
  const finished = events.define('build.finished', {
    description: 'A build has finished',
    payload: z.object({ build: z.string() }),
  });
  const handler = events.http(
    createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'builds', version: '0.1.0' });
      events.attach(mcp, { era });
      return mcp;
    }),
  );
  const listener = await listen((request) => handler.fetch(request));
  return {
    url: `${listener.origin}/mcp`,
    finished,
    close: async () => {
      await events.close();
      await handler.close();
      await listener.close();
    },
  };
}

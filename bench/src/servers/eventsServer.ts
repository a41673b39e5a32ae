import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Events } from '@mcp-events/server';
import type { EventHandle, EventsOptions, EventTypeDefinition } from '@mcp-events/server';
import { payloadSchema } from './author.ts';
import type { BenchData } from './author.ts';
import { EVENT_NAME } from './frames.ts';
import type { PushTarget } from './pushServer.ts';

type Json = Record<string, unknown>;
type Definition = EventTypeDefinition<Json, Json, BenchData>;

export interface EventsServer {
  readonly events: Events;
  readonly handler: McpHttpHandler;
  readonly handle: EventHandle<Json, Json, BenchData>;
}

/** The packages under test, set up as the documentation says; everything not named has its default. */
export function createEvents(definition: Partial<Definition> = {}, options: EventsOptions = {}): EventsServer {
  const events = new Events({ heartbeatIntervalMs: 30_000, limits: { subscriptions: 200_000 }, ...options });
  const handle = events.define<Json, Json, BenchData>(EVENT_NAME, {
    payload: payloadSchema,
    ...definition,
  });
  const handler = events.http(
    createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'bench', version: '1.0.0' });
      events.attach(mcp, { era });
      return mcp;
    }),
  );
  return { events, handler, handle };
}

/** Push over HTTP through the SDK's adapter for Node.js. */
export function createEventsTarget(options: EventsOptions = {}): PushTarget {
  const { handler, handle } = createEvents({}, options);
  const node = toNodeHandler(handler);
  return {
    server: createServer((request, response) => void node(request, response)),
    emit: (data) => handle.emit(data),
  };
}

import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Events } from '@mcp-events/server';
import { defineCommitEvents } from '../../src/events/commitEvents.ts';
import type { CommitPayload } from '../../src/events/commitEvents.ts';
import { openRepository } from '../../src/git/repository.ts';

export interface PollAnswer {
  events: { eventId: string; timestamp: string; data: CommitPayload }[];
  cursor: string;
  truncated: boolean;
  hasMore: boolean;
}

export interface PollRequest {
  arguments?: Record<string, unknown>;
  maxEvents?: number;
}

/** The JSON-RPC answer to one poll of `git.commit`, by a server that is new each time: it cannot remember anything. */
export async function pollRaw(
  path: string,
  cursor: string | null,
  request: PollRequest = {},
): Promise<{ result?: PollAnswer; error?: { code: number; message: string } }> {
  const reported: unknown[] = [];
  const events = new Events({ onError: (error) => reported.push(error) });
  defineCommitEvents(events, await openRepository(path));
  const handler = events.http(
    createMcpHandler(({ era }) => {
      const mcp = new McpServer({ name: 'test', version: '1.0.0' });
      events.attach(mcp, { era });
      return mcp;
    }),
  );
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/events': {} } },
  };
  const params = { name: 'git.commit', cursor, ...request, _meta: meta };
  const answer = await handler.fetch(
    new Request('http://localhost/mcp', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'events/poll',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'events/poll', params }),
    }),
  );
  await events.close();
  await handler.close();
  if (reported.length > 0) throw reported[0];
  return (await answer.json()) as { result?: PollAnswer };
}

/** The result of one poll; fails the test on an error answer. */
export async function poll(path: string, cursor: string | null, request?: PollRequest): Promise<PollAnswer> {
  const { result, error } = await pollRaw(path, cursor, request);
  if (result === undefined) throw new Error(`poll failed: ${error?.message}`);
  return result;
}

/** The position now. */
export async function now(path: string, args?: Record<string, unknown>): Promise<string> {
  return (await poll(path, null, { arguments: args })).cursor;
}

export function subjects(answer: PollAnswer): string[] {
  return answer.events.map(({ data }) => data.subject);
}

import { CLIENT_CAPABILITIES_META_KEY, PROTOCOL_VERSION_META_KEY } from '@modelcontextprotocol/server';
import type { McpHandlerRequestOptions } from '@modelcontextprotocol/server';
import { authInfoOf } from './authentication.ts';

/** Answers a request in the name of a caller, without a socket. */
export type Answer = (request: Request, options: McpHandlerRequestOptions) => Promise<Response>;

interface Message {
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

const PROTOCOL_VERSION = '2026-07-28';

/** Makes a request the way a client of that principal does, with the same checks. Rejects with the server's message. */
export async function callAs<Result>(
  answer: Answer,
  principal: string | undefined,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<Result> {
  const _meta = {
    [PROTOCOL_VERSION_META_KEY]: PROTOCOL_VERSION,
    [CLIENT_CAPABILITIES_META_KEY]: { extensions: { 'io.modelcontextprotocol/events': {} } },
  };
  const request = new Request('http://localhost/mcp', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': PROTOCOL_VERSION,
      'mcp-method': method,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
  });
  const response = await answer(request, principal === undefined ? {} : { authInfo: authInfoOf(principal) });
  const { result, error } = (await response.json()) as Message;
  if (result === undefined) throw new Error(error?.message ?? `${method} failed with HTTP status ${response.status}`);
  return result as Result;
}

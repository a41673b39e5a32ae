import {
  CLIENT_CAPABILITIES_META_KEY,
  EXTENSION_ID,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_META_KEY,
} from '@mcp-events/protocol';

export interface McpRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request of a client that declares the extension. */
export function mcpRequest(id: number, method: string, params: Readonly<Record<string, unknown>>): McpRequest {
  const _meta = {
    [PROTOCOL_VERSION_META_KEY]: PROTOCOL_VERSION,
    [CLIENT_CAPABILITIES_META_KEY]: { extensions: { [EXTENSION_ID]: {} } },
  };
  return {
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': PROTOCOL_VERSION,
      'mcp-method': method,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }),
  };
}

/** The request as it goes over a socket. */
export function httpText({ headers, body }: McpRequest): string {
  const lines = Object.entries({ host: '127.0.0.1', ...headers, 'content-length': String(Buffer.byteLength(body)) });
  return `POST /mcp HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

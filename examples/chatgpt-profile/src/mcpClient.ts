import { CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY } from '@mcp-events/protocol';

const PROTOCOL_VERSION = '2026-07-28';

/** An answer that is an error. */
class RpcFailure extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor({ code, message, data }: { code: number; message: string; data?: unknown }) {
    super(`${message} (${code})`);
    this.code = code;
    this.data = data;
  }
}

/** Who asks, and as whom. */
export interface ClientOptions {
  readonly token: string;
  readonly name: string;
  /** What the client says of itself with each request. */
  readonly capabilities: object;
}

/** As much of an MCP client as Events need: one POST per request, no session. */
export class McpClient {
  /** Where the server is at the moment. */
  url: string;
  readonly #options: ClientOptions;
  #requests = 0;

  constructor(url: string, options: ClientOptions) {
    this.url = url;
    this.#options = options;
  }

  /** Rejects with {@link RpcFailure} when the answer is an error. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what the server answers is for the story to look at
  async request(method: string, params: object = {}): Promise<any> {
    const { token, name, capabilities } = this.#options;
    const response = await fetch(this.url, {
      method: 'POST',
      headers: {
        Accept: 'application/json, text/event-stream',
        'Content-Type': 'application/json',
        'MCP-Protocol-Version': PROTOCOL_VERSION,
        'Mcp-Method': method,
        Authorization: `Bearer ${token}`,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: ++this.#requests,
        method,
        params: {
          ...params,
          _meta: {
            [PROTOCOL_VERSION_META_KEY]: PROTOCOL_VERSION,
            [CLIENT_CAPABILITIES_META_KEY]: capabilities,
            [CLIENT_INFO_META_KEY]: { name, version: '1.0.0' },
          },
        },
      }),
    });
    if (response.status === 401) throw new Error('HTTP 401: the token is not accepted');
    const answer = (await response.json()) as { result?: unknown; error?: { code: number; message: string } };
    if (answer.error !== undefined) throw new RpcFailure(answer.error);
    return answer.result;
  }
}

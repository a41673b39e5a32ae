import { authFor } from './httpServer.ts';
import type { TestServer } from './httpServer.ts';
import { FrameReader } from './frames.ts';
import type { Message } from './frames.ts';

/** A client that connects by `initialize`, as revisions of 2025 do: no envelope, none of the newer headers. */
export class OlderSession {
  readonly #server: TestServer;
  readonly #version: string;
  readonly #as: string | undefined;
  readonly #headers: Readonly<Record<string, string>>;
  #initialized = false;
  #nextId = 0;

  /** @param headers sent with each request besides the usual ones */
  constructor(server: TestServer, version: string, as?: string, headers: Readonly<Record<string, string>> = {}) {
    this.#server = server;
    this.#version = version;
    this.#as = as;
    this.#headers = headers;
  }

  /** Opens the session; the answer of the server. */
  async initialize(): Promise<Message> {
    const answer = await this.call('initialize', {
      protocolVersion: this.#version,
      capabilities: {},
      clientInfo: { name: 'older client', version: '1.0.0' },
    });
    this.#initialized = true;
    const told = await this.post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    if (told.status !== 202) throw new Error(`initialized: ${told.status}`);
    return answer;
  }

  /** One request, and the answer to it from the event stream of the POST. */
  async call(method: string, params: object = {}): Promise<Message> {
    const frames = new FrameReader((await this.request(method, params)).body!);
    const message = await frames.next();
    if (message === undefined) throw new Error(`${method} was not answered`);
    return message;
  }

  /** The result of a request; fails the test on an error answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into results of every shape
  async result(method: string, params: object = {}): Promise<any> {
    const { result, error } = await this.call(method, params);
    if (result === undefined) throw new Error(`${method} failed: ${JSON.stringify(error)}`);
    return result;
  }

  /** Opens `events/stream`. */
  async stream(params: object, signal?: AbortSignal): Promise<FrameReader> {
    const response = await this.request('events/stream', params, signal);
    return new FrameReader(response.body!);
  }

  request(method: string, params: object, signal?: AbortSignal): Promise<Response> {
    return this.post({ jsonrpc: '2.0', id: ++this.#nextId, method, params }, signal);
  }

  /** Posts a message, or several at once, which the first of these revisions allowed. */
  post(message: object, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...this.#headers,
    };
    // The header came with the revision after 2025-03-26.
    if (this.#initialized && this.#version > '2025-03-26') headers['mcp-protocol-version'] = this.#version;
    const body = JSON.stringify(message);
    const request = new Request('http://localhost/mcp', {
      method: 'POST',
      headers,
      body,
      ...(signal === undefined ? {} : { signal }),
    });
    return this.#server.handler.fetch(request, this.#as === undefined ? {} : { authInfo: authFor(this.#as) });
  }
}

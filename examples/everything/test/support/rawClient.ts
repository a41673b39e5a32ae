import { request, toolAnswer } from './messages.ts';
import type { Message, ToolAnswer } from './messages.ts';

type Params = Readonly<Record<string, unknown>>;

/** What {@link RawClient.subscribe} has messages signed with. */
export const SECRET = `whsec_${'A'.repeat(32)}`;

/** An open stream, message by message. */
export class Stream {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = '';
  readonly #frames: string[] = [];

  constructor(body: ReadableStream<Uint8Array>) {
    const decoder = new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>;
    this.#reader = body.pipeThrough(decoder).getReader();
  }

  /** The next message, `undefined` at the end. */
  async next(): Promise<Message | undefined> {
    while (this.#frames.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      const frames = (this.#rest + value).split('\n\n');
      this.#rest = frames.pop() ?? '';
      this.#frames.push(...frames.filter((frame) => !frame.startsWith(':')));
    }
    const data = this.#frames
      .shift()
      ?.split('\n')
      .find((line) => line.startsWith('data:'));
    return JSON.parse(data?.slice('data:'.length) ?? 'null') as Message;
  }

  /** The next message with this method; heartbeats and the like before it are skipped. */
  async find(method: string): Promise<Message> {
    for (;;) {
      const message = await this.next();
      if (message === undefined) throw new Error(`the stream ended without ${method}`);
      if (message.method === method) return message;
    }
  }

  /** Everything up to the end. */
  async rest(): Promise<Message[]> {
    const messages: Message[] = [];
    for (let message = await this.next(); message !== undefined; message = await this.next()) messages.push(message);
    return messages;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Hand-written requests over HTTP, with or without a socket: nothing of a client library is in between. */
export class RawClient {
  readonly #fetch: (request: Request) => Promise<Response>;
  readonly #url: string;
  readonly #token: string | undefined;
  #nextId = 1;

  constructor(fetch: (request: Request) => Promise<Response>, url = 'http://localhost/mcp', token?: string) {
    this.#fetch = fetch;
    this.#url = url;
    this.#token = token;
  }

  /** The same with a bearer token. */
  as(token: string): RawClient {
    return new RawClient(this.#fetch, this.#url, token);
  }

  post(method: string, params: Params = {}): Promise<Response> {
    const named = { 'tools/call': params['name'], 'resources/read': params['uri'] }[method];
    return this.#fetch(
      new Request(this.#url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': method,
          ...(typeof named === 'string' ? { 'mcp-name': named } : {}),
          ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        },
        body: JSON.stringify(request(this.#nextId++, method, params)),
      }),
    );
  }

  async call(method: string, params?: Params): Promise<Message> {
    return (await (await this.post(method, params)).json()) as Message;
  }

  async result(method: string, params?: Params): Promise<any> {
    const { result, error } = await this.call(method, params);
    if (error !== undefined) throw new Error(`${method} failed: ${JSON.stringify(error)}`);
    return result;
  }

  async error(method: string, params?: Params): Promise<Message['error']> {
    return (await this.call(method, params)).error;
  }

  poll(name: string, cursor: string | null = null, rest: Params = {}): Promise<any> {
    return this.result('events/poll', { name, cursor, ...rest });
  }

  async stream(name: string, params: Params = {}): Promise<Stream> {
    return this.#open('events/stream', { name, ...params });
  }

  /** Subscribes a callback. */
  subscribe(name: string, url: string, params: Params = {}): Promise<any> {
    return this.result('events/subscribe', { name, delivery: { url, secret: SECRET }, ...params });
  }

  async listen(): Promise<Stream> {
    return this.#open('subscriptions/listen', { notifications: { eventsListChanged: true } });
  }

  async tool(name: string, args: Params = {}): Promise<ToolAnswer> {
    return toolAnswer(await this.call('tools/call', { name, arguments: args }));
  }

  /** The answer of a tool that has to succeed. */
  async text(name: string, args?: Params): Promise<string> {
    const { text, isError } = await this.tool(name, args);
    if (isError) throw new Error(text);
    return text;
  }

  async #open(method: string, params: Params): Promise<Stream> {
    const response = await this.post(method, params);
    if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true || response.body === null) {
      throw new Error(`no stream: ${await response.text()}`);
    }
    return new Stream(response.body);
  }
}

import { EventEmitter } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BODY_ALREADY_READ, type FetchHandler, nodeHandler, type NodeHandlerOptions } from '../src/nodeHttp/index.ts';

type Handler = FetchHandler<IncomingMessage, ServerResponse>;

/** Timers that pass when the test says so; those of zero milliseconds pass with the turn. */
class ManualTimers {
  readonly waiting = new Map<object, () => void>();

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer = {};
    if (delayMs > 0) this.waiting.set(timer, callback);
    else setImmediate(callback);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.waiting.delete(timer as object);
  }
}

const open: { closeAllConnections?: () => void; close: () => unknown }[] = [];

afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
});

async function serve(handle: Handler, options?: NodeHandlerOptions): Promise<{ url: string; server: Server }> {
  const server = createServer(nodeHandler(handle, options));
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const never = (): Promise<never> => new Promise(() => {});

describe('requests of node:http', () => {
  it('RECV-11 bytes reach the handler as they were sent', async () => {
    const { url } = await serve(async (request) => new Response(await request.arrayBuffer()));
    const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0xff, 0xfe, 0x00, 0x7d);
    const echo = await fetch(url, { method: 'POST', body: bytes });
    expect(new Uint8Array(await echo.arrayBuffer())).toEqual(bytes);
  });

  it('has method, URL and headers as they were sent, a repeated one among them', async () => {
    const seen: Request[] = [];
    const { url } = await serve((request) => {
      seen.push(request);
      return new Response(null);
    });
    await new Promise<void>((resolve) => {
      const headers = ['Host', 'agent.example:81', 'X-A', '1', 'X-A', '2'];
      request(`${url}//elsewhere/a%20b?c=d`, { method: 'PUT', headers }, (response) => {
        response.resume().on('end', resolve);
      }).end();
    });
    expect(seen[0]).toMatchObject({ method: 'PUT', url: 'http://agent.example:81//elsewhere/a%20b?c=d' });
    expect(seen[0]!.headers.get('x-a')).toBe('1, 2');
  });

  it('takes the whole path where a router took a part of it away, and https from the socket', async () => {
    const seen: string[] = [];
    const handler = nodeHandler((request) => {
      seen.push(request.url);
      return new Response(null);
    });
    const server = createServer((incoming, outgoing) => {
      Object.assign(incoming, { originalUrl: incoming.url, url: '/' });
      Object.assign(incoming.socket, { encrypted: true });
      handler(incoming, outgoing);
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await fetch(`http://127.0.0.1:${port}/hooks/a`);
    expect(seen).toEqual([`https://127.0.0.1:${port}/hooks/a`]);
  });

  it.each([
    ['a host that is none', { Host: 'a b' }, 'GET'],
    ['a method that no handler may see', {}, 'TRACE'],
  ])('refuses %s with 400', async (_, headers, method) => {
    const { url } = await serve(() => new Response('here'));
    const status = await new Promise((resolve) => {
      request(url, { method, headers }, (response) => resolve(response.resume().statusCode)).end();
    });
    expect(status).toBe(400);
  });

  it('says what is wrong where something in front has read the body', async () => {
    const names: string[] = [];
    const handler = nodeHandler(async (request) => {
      await request.text().catch((error: Error) => names.push(error.name));
      return new Response('x');
    });
    const server = createServer((incoming, outgoing) => {
      incoming.resume().on('end', () => handler(incoming, outgoing));
    });
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect((await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: 'abc' })).status).toBe(200);
    expect(names).toEqual([BODY_ALREADY_READ]);
  });

  it('RECV-11 answers from the headers while a body without end is being sent, and reads on for a bounded time and length', async () => {
    for (const bound of ['bytes', 'time']) {
      const timers = new ManualTimers();
      let didRead: boolean | undefined;
      const { url } = await serve(
        (_, { incoming }) => {
          didRead = incoming.readableDidRead;
          return new Response('no', { status: 503 });
        },
        { timers },
      );
      const result = await new Promise<{ status: number | undefined; text: string }>((resolve) => {
        let status: number | undefined;
        let text = '';
        const posting = request(url, { method: 'POST' }, (response) => {
          status = response.statusCode;
          response.on('data', (chunk) => (text += String(chunk)));
          response.on('end', () => {
            // The whole answer is here, although the connection is still open.
            if (bound === 'time') for (const pass of timers.waiting.values()) pass();
          });
        });
        const piece = Buffer.alloc(bound === 'bytes' ? 65_536 : 1);
        const more = (): void => {
          if (!posting.destroyed) posting.write(piece, bound === 'bytes' ? more : undefined);
        };
        more();
        posting.on('error', () => {});
        posting.on('close', () => resolve({ status, text }));
      });
      expect(result).toEqual({ status: 503, text: 'no' });
      expect(didRead).toBe(false);
      expect(timers.waiting.size).toBe(0);
    }
  });

  it('RECV-11 reads no more of a body than the handler asks for, and loses nothing of it', async () => {
    const sent = Buffer.alloc(8 * 1024 * 1024, 'a few bytes of a long body ');
    let readAhead = 0;
    const { url } = await serve(async (request, { incoming }) => {
      const reader = request.body!.getReader();
      const chunks = [(await reader.read()).value!];
      for (let turns = 0; turns < 200; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      readAhead = incoming.socket.bytesRead;
      for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
      return new Response(String(Buffer.concat(chunks).equals(sent)));
    });
    expect(await (await fetch(url, { method: 'POST', body: sent })).text()).toBe('true');
    expect(readAhead).toBeLessThan(1024 * 1024);
  });

  it('uses a connection again after a short body that was not read, or read in part', async () => {
    for (const isPartly of [false, true]) {
      const sockets = new Set<unknown>();
      const { url } = await serve(async (request, { incoming }) => {
        sockets.add(incoming.socket);
        if (isPartly) {
          const reader = request.body!.getReader();
          await reader.read();
        }
        return new Response('x');
      });
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const post = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const headers = { 'content-length': 40_000 };
          const posting = request(url, { method: 'POST', agent, headers }, (response) => {
            response.resume().on('end', () => {
              posting.end(Buffer.alloc(39_999));
            });
            response.on('close', resolve);
          });
          posting.on('error', reject);
          posting.write('a');
        });
      await post();
      await post();
      agent.destroy();
      expect(sockets.size).toBe(1);
    }
  });

  it('fails a body that is still read when the response is sent, and one whose sender goes away', async () => {
    const failures: Promise<string>[] = [];
    const failureOf = (request: Request): Promise<string> =>
      request.text().then(
        () => 'none',
        (error: Error) => error.message,
      );
    let arrived = (): void => {};
    const { url } = await serve((request) => {
      failures.push(failureOf(request));
      arrived();
      return failures.length === 1 ? new Response('early') : never();
    });
    for (const goesAway of [false, true]) {
      const isThere = new Promise<void>((resolve) => (arrived = resolve));
      const posting = request(url, { method: 'POST', headers: { 'content-length': '1000' } });
      posting.on('error', () => {});
      posting.on('response', (response) => response.resume());
      posting.write('abc');
      await isThere;
      if (goesAway) posting.destroy();
      await failures.at(-1);
      posting.destroy();
    }
    expect(await Promise.all(failures)).toEqual([
      'The response was sent before the body was read.',
      'The connection ended before the body did.',
    ]);
  });
});

describe('responses of node:http', () => {
  it('sends a short body with its length, and an event stream at once', async () => {
    const { url } = await serve((request) =>
      request.url.endsWith('/stream')
        ? new Response(new ReadableStream({ pull: never }), { headers: { 'content-type': 'text/event-stream' } })
        : Response.json({ a: 1 }),
    );
    const short = await fetch(url);
    expect(short.headers.get('content-length')).toBe('7');
    expect(await short.json()).toEqual({ a: 1 });
    const abort = new AbortController();
    const stream = await fetch(`${url}/stream`, { signal: abort.signal });
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    abort.abort();
  });

  it('sends bodies of any number of chunks, cookies one by one, and none where there is none', async () => {
    const chunked = (texts: string[]): ReadableStream =>
      new ReadableStream({
        async pull(controller) {
          const text = texts.shift();
          if (text === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(text));
          await Promise.resolve();
        },
      });
    const { url } = await serve((request) => {
      const count = Number(new URL(request.url).searchParams.get('chunks'));
      if (count < 0) return new Response(null, { status: 204 });
      const headers = new Headers([
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ]);
      return new Response(chunked(Array.from({ length: count }, (_, at) => `${at}`)), { headers });
    });
    for (const [chunks, text] of Object.entries(['', '0', '01', '012'])) {
      const response = await fetch(`${url}?chunks=${chunks}`);
      expect(await response.text()).toBe(text);
      expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    }
    expect((await fetch(`${url}?chunks=-1`)).status).toBe(204);
    expect(await (await fetch(`${url}?chunks=3`, { method: 'HEAD' })).text()).toBe('');
  });

  it('aborts the request and cancels the body when the client goes away', async () => {
    let cancelled!: () => void;
    const isCancelled = new Promise<void>((resolve) => (cancelled = resolve));
    let signal!: AbortSignal;
    const { url } = await serve((request) => {
      ({ signal } = request);
      const body = new ReadableStream({ pull: never, cancel: () => cancelled() }, { highWaterMark: 0 });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    });
    const abort = new AbortController();
    await fetch(url, { signal: abort.signal });
    expect(signal.aborted).toBe(false);
    abort.abort();
    await isCancelled;
    expect(signal.aborted).toBe(true);
  });

  it('answers 500 for a handler or body that fails, and cuts a response that has begun', async () => {
    const errors: unknown[] = [];
    const failing = (first: boolean): ReadableStream =>
      new ReadableStream({
        pull(controller) {
          if (first) controller.enqueue(Uint8Array.of(97));
          else controller.error(new Error('the body'));
          first = false;
        },
      });
    const options = {
      onError: (error: unknown) => {
        errors.push((error as Error).message);
        throw new Error('the log');
      },
    };
    const { url } = await serve((request) => {
      if (request.url.endsWith('/throws')) throw new Error('the handler');
      if (request.url.endsWith('/none')) return undefined as never;
      const headers = { 'content-type': 'text/event-stream' };
      return request.url.endsWith('/body') ? new Response(failing(false)) : new Response(failing(true), { headers });
    }, options);
    for (const path of ['/throws', '/none', '/body']) expect((await fetch(url + path)).status).toBe(500);
    const begun = await fetch(`${url}/begun`);
    await expect(begun.text()).rejects.toThrow();
    expect(errors).toEqual(['the handler', expect.any(String), 'the body', 'the body']);
  });

  it('EMIT-18 a log that rejects ends nothing', async () => {
    const unhandled: unknown[] = [];
    const catchIt = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', catchIt);
    const { url } = await serve(
      () => {
        throw new Error('the handler');
      },
      { onError: (): unknown => Promise.reject(new Error('the log')) },
    );
    expect((await fetch(url)).status).toBe(500);
    process.off('unhandledRejection', catchIt);
    expect(unhandled).toEqual([]);
  });

  it('works in the place of node:http2', async () => {
    const server = createSecureServer(
      nodeHandler(async (request) => new Response(await request.text(), { headers: { connection: 'close' } })),
    );
    open.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = client.request({ ':method': 'POST', ':path': '/a' });
    stream.end('over two');
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    client.close();
    expect(text).toBe('over two');
  });
});

describe('a client that is slower than its response', () => {
  /** A response whose client takes nothing until it is told to. */
  class SlowResponse extends EventEmitter {
    headersSent = false;
    writableEnded = false;
    writableFinished = false;
    destroyed = false;
    written = 0;
    writeHead(): void {
      this.headersSent = true;
    }
    flushHeaders(): void {}
    write(): boolean {
      this.written += 1;
      return false;
    }
    end(): void {
      this.writableEnded = true;
    }
    destroy(): void {
      this.destroyed = true;
    }
  }

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('is waited for with one listener, however often, and a body with its own iterator is asked by that', async () => {
    let asked = 0;
    let isReturned = false;
    class Own extends ReadableStream<Uint8Array> {
      override [Symbol.asyncIterator](): never {
        return {
          next: async () => {
            asked += 1;
            return { done: false, value: Uint8Array.of(1) };
          },
          return: async () => {
            isReturned = true;
            return { done: true, value: undefined };
          },
        } as never;
      }
    }
    const incoming = new EventEmitter() as unknown as IncomingMessage;
    Object.assign(incoming, { method: 'GET', rawHeaders: [], socket: null, pause: () => {}, resume: () => {} });
    const outgoing = new SlowResponse();
    const body = new Own();
    const response = new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    nodeHandler(() => response)(incoming, outgoing);
    for (let round = 1; round <= 50; round += 1) {
      await turn();
      expect([asked, outgoing.written]).toEqual([round, round]);
      expect(outgoing.listenerCount('drain') + outgoing.listenerCount('close')).toBe(2);
      outgoing.emit('drain');
    }
    await turn();
    outgoing.destroyed = true;
    outgoing.emit('close');
    await turn();
    expect(isReturned).toBe(true);
    expect(asked).toBe(51);
  });
});

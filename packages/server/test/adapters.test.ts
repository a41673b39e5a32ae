import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { toNodeHandler } from '@modelcontextprotocol/node';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { mcpNodeHandler } from '@mcp-events/server/node';
import { afterEach, describe, expect, it } from 'vitest';
import { FrameReader, kindsOf, pushedNumbers } from './kit/frames.ts';
import { EXTENSION } from './kit/httpServer.ts';
import type { TestServer } from './kit/httpServer.ts';
import { counted, httpServer } from './kit/servers.ts';

/** A listening server with the handler mounted as its framework's users do it. */
interface Mounted {
  readonly url: string;
  close(): Promise<void>;
}

function mounted(server: Server, path: string, close = () => closed(server)): Mounted {
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, close };
}

async function listening(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** The adapter of this package, as its users mount it. */
const own: Readonly<Record<string, (handler: McpHttpHandler) => Promise<Mounted>>> = {
  'node:http, own adapter': async (handler) => mounted(await listening(createServer(mcpNodeHandler(handler))), '/'),
  'Express with a body parser, own adapter': async (handler) => {
    const app = express();
    app.use(express.json());
    app.post('/mcp', mcpNodeHandler(handler));
    return mounted(await listening(createServer(app)), '/mcp');
  },
  'Fastify, own adapter': async (handler) => {
    const app = fastify();
    const node = mcpNodeHandler(handler);
    // What Fastify has parsed is on its own request.
    app.post('/mcp', (request, reply) => {
      reply.hijack();
      node(Object.assign(request.raw, { body: request.body }), reply.raw);
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return mounted(app.server, '/mcp', async () => {
      app.server.closeAllConnections();
      await app.close();
    });
  },
};

const adapters: Readonly<Record<string, (handler: McpHttpHandler) => Promise<Mounted>>> = {
  ...own,
  'node:http': async (handler) => {
    const node = toNodeHandler(handler);
    return mounted(await listening(createServer((request, response) => void node(request, response))), '/');
  },
  Express: async (handler) => {
    const app = express();
    app.post('/mcp', toNodeHandler(handler));
    return mounted(await listening(createServer(app)), '/mcp');
  },
  'Express with a body parser': async (handler) => {
    const app = express();
    app.use(express.json());
    const node = toNodeHandler(handler);
    app.post('/mcp', (request, response) => void node(request, response, request.body));
    return mounted(await listening(createServer(app)), '/mcp');
  },
  Hono: async (handler) => {
    const app = new Hono();
    app.post('/mcp', (context) => handler.fetch(context.req.raw));
    const server = await new Promise<Server>((resolve) => {
      const started = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () => resolve(started as Server));
    });
    return mounted(server, '/mcp');
  },
  Fastify: async (handler) => {
    const app = fastify();
    const node = toNodeHandler(handler);
    app.post('/mcp', async (request, reply) => {
      reply.hijack();
      await node(request.raw, reply.raw, request.body);
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    return mounted(app.server, '/mcp', async () => {
      app.server.closeAllConnections();
      await app.close();
    });
  },
};

const open: Mounted[] = [];
afterEach(async () => {
  for (const mount of open.splice(0)) await mount.close();
});

async function mountedServer(name: string): Promise<{ server: TestServer; post: Post }> {
  const server = httpServer();
  const mount = await (adapters[name] as (handler: McpHttpHandler) => Promise<Mounted>)(server.handler);
  open.push(mount);
  let id = 0;
  const post: Post = (method, params, signal) => {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { extensions: { [EXTENSION]: {} } },
    };
    return fetch(mount.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params: { ...params, _meta } }),
      signal,
    });
  };
  return { server, post };
}

type Post = (method: string, params?: Record<string, unknown>, signal?: AbortSignal) => Promise<Response>;

function framesOf(response: Response): FrameReader {
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return new FrameReader(response.body as ReadableStream<Uint8Array>);
}

describe.each(Object.keys(adapters))('%s', (name) => {
  it('LIST-01 POLL-02 PUSH-01 answers list, poll and refusals', async () => {
    const { server, post } = await mountedServer(name);
    const type = server.events.define('counted', counted);
    const listed = (await (await post('events/list')).json()) as { result: { events: object[] } };
    expect(listed.result.events).toHaveLength(1);
    const start = (await (await post('events/poll', { name: 'counted' })).json()) as { result: { cursor: string } };
    await type.emit({ n: 1 });
    const { cursor } = start.result;
    expect(await (await post('events/poll', { name: 'counted', cursor })).json()).toMatchObject({
      result: { events: [{ data: { n: 1 } }], truncated: false },
    });
    const refused = await post('events/stream', { name: 'nothing' });
    expect(refused.headers.get('content-type')).toContain('application/json');
    expect(await refused.json()).toMatchObject({ error: { code: -32023 } });
  });

  it('PUSH-02 PUSH-05 PUSH-13 streams, and ends with the result when the server shuts down', async () => {
    const { server, post } = await mountedServer(name);
    const type = server.events.define('counted', counted);
    const stream = framesOf(await post('events/stream', { name: 'counted' }));
    expect(kindsOf(await stream.take(1))).toEqual(['active']);
    for (const n of [1, 2, 3]) {
      await type.emit({ n });
      // Each arrives while the stream is open: nothing on the way gathers them.
      expect(pushedNumbers(await stream.take(1))).toEqual([n]);
    }
    await server.clock.advance(15_000);
    expect(kindsOf(await stream.take(1))).toEqual(['heartbeat']);
    await server.handler.close();
    expect(kindsOf(await stream.rest())).toEqual(['result']);
  });

  it('PUSH-14 HOOK-02 frees the stream when the client aborts', async () => {
    const { server, post } = await mountedServer(name);
    const timers = server.clock.pendingTimers;
    let freed = (): void => {};
    const ended = new Promise<void>((resolve) => (freed = resolve));
    server.events.define('counted', { ...counted, onUnsubscribe: () => freed() });
    const controller = new AbortController();
    const stream = framesOf(await post('events/stream', { name: 'counted' }, controller.signal));
    await stream.take(1);
    expect(server.events.subscriptions()).toHaveLength(1);
    controller.abort();
    await ended;
    expect(server.events.subscriptions()).toEqual([]);
    // The time limit of the hook itself is the last to go.
    await server.clock.advance(0);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('PUSH-12 ORDER-01 holds back for a client that does not read, and loses nothing', async () => {
    const { server, post } = await mountedServer(name);
    const type = server.events.define('text', { payload: { type: 'object' } });
    const stream = framesOf(await post('events/stream', { name: 'text' }));
    const padding = 'x'.repeat(10_000);
    for (let n = 0; n < 500; n++) await type.emit({ n, padding });
    const messages = await stream.take(501);
    expect(pushedNumbers(messages)).toEqual(Array.from({ length: 500 }, (_, n) => n));
    await stream.cancel();
  });
});

describe('who is refused', () => {
  it('AUTH-12 is refused by its headers, before the body is there', async () => {
    const server = httpServer();
    let reached = 0;
    const refusing = mcpNodeHandler(
      { fetch: (request, options) => (reached++, server.handler.fetch(request, options)) },
      {
        authenticate: ({ headers }) =>
          headers.get('authorization') === 'Bearer known'
            ? { token: 'known', clientId: 'c', scopes: [], extra: { sub: 'alice' } }
            : new Response('who are you?', { status: 401 }),
      },
    );
    const mount = mounted(await listening(createServer(refusing)), '/');
    open.push(mount);
    const { port } = new URL(mount.url);
    const socket = connect(Number(port), '127.0.0.1');
    // Four megabytes are promised, and none is sent.
    socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer).toContain('who are you?');
    expect(reached).toBe(0);
  });

  it('AUTH-12 and who is let in is known by what was authenticated, or by what middleware found', async () => {
    const auth = { token: 't', clientId: 'c', scopes: [], extra: { sub: 'alice' } };
    for (const mount of [
      (handler: McpHttpHandler) => createServer(mcpNodeHandler(handler, { authenticate: async () => auth })),
      (handler: McpHttpHandler) => {
        const app = express();
        app.use((request, _, next) => {
          Object.assign(request, { auth });
          next();
        });
        app.use(mcpNodeHandler(handler));
        return createServer(app);
      },
    ]) {
      const server = httpServer();
      const seen: unknown[] = [];
      server.events.define('counted', { ...counted, authorize: ({ principal }) => (seen.push(principal), true) });
      const mountedAt = mounted(await listening(mount(server.handler)), '/');
      open.push(mountedAt);
      const _meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
      };
      const response = await fetch(mountedAt.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28',
          'mcp-method': 'events/poll',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'events/poll', params: { name: 'counted', _meta } }),
      });
      expect(await response.json()).toMatchObject({ result: { events: [] } });
      expect(seen).toEqual(['alice']);
    }
  });
});

import type { McpHttpHandler } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { FrameReader, kindsOf } from './kit/frames.ts';
import type { TestServer } from './kit/httpServer.ts';
import { OlderSession } from './kit/olderSession.ts';
import { counted, httpServer } from './kit/servers.ts';

const VERSION = '2026-07-28';

/** A request of the newer revision, by its members. */
function requestOf(method: string, params: object, headers: Readonly<Record<string, string>> = {}): Request {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': VERSION,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return new Request('http://localhost/mcp', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': VERSION,
      'mcp-method': method,
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta, ...params } }),
  });
}

/** The same server with something between the wrapper and the SDK. */
function between(server: TestServer, around: (answer: Promise<Response>) => Promise<Response>): McpHttpHandler {
  const { handler } = httpServerParts(server);
  return server.events.http({ ...handler, fetch: (request, options) => around(handler.fetch(request, options)) });
}

/** The handler of a server that is not wrapped. */
function httpServerParts(server: TestServer): { handler: McpHttpHandler } {
  return { handler: server.handler };
}

describe('a stream and the request it answers', () => {
  const failures: [string, (answer: Promise<Response>) => Promise<Response>][] = [
    [
      'is lost',
      async (answer) => {
        await answer;
        throw new Error('the middleware broke');
      },
    ],
    [
      'is replaced by an error',
      async (answer) => {
        await answer;
        return new Response('no', { status: 500 });
      },
    ],
    [
      'is replaced by something else',
      async (answer) => {
        await answer;
        return Response.json({ jsonrpc: '2.0', id: 1, error: { code: 1, message: 'no' } });
      },
    ],
    [
      'breaks off',
      async (answer) => {
        await answer;
        const body = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) });
        return new Response(body, { headers: { 'content-type': 'application/json' } });
      },
    ],
    ['is lost before the stream is open', () => Promise.reject(new Error('the middleware broke at once'))],
  ];

  it.each(failures)('PUSH-20 ends with an answer that %s', async (_, around) => {
    const server = httpServer({}, {}, { wrap: false });
    server.events.define('counted', counted);
    const timers = server.clock.pendingTimers;
    const handler = between(server, around);
    await handler.fetch(requestOf('events/stream', { name: 'counted' })).catch(() => {});
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(server.clock.pendingTimers).toBe(timers);
  });

  it('PUSH-20 is answered although the body it takes the place of cannot be cancelled', async () => {
    const server = httpServer({}, {}, { wrap: false });
    const handle = server.events.define('counted', counted);
    const handler = between(server, async (answer) => {
      const text = await (await answer).text();
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(`data: ${text}\n\n`)),
        cancel: () => Promise.reject(new Error('no')),
      });
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    });
    const response = await handler.fetch(requestOf('events/stream', { name: 'counted' }));
    const frames = new FrameReader(response.body!);
    await frames.take(1);
    await handle.emit({ n: 1 });
    expect(kindsOf(await frames.take(1))).toEqual(['event']);
    await frames.cancel();
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('PUSH-20 ends when the middleware fails while its subscription is still being authorized', async () => {
    const server = httpServer({}, {}, { wrap: false });
    let allow: (value: boolean) => void = () => {};
    const ended: string[] = [];
    server.events.define('counted', {
      ...counted,
      authorize: () => new Promise<boolean>((resolve) => (allow = resolve)),
      onUnsubscribe: ({ subscriptionId }) => void ended.push(subscriptionId),
    });
    const handler = between(server, async (answer) => {
      answer.catch(() => {});
      await settle();
      throw new Error('the middleware gave up');
    });
    await expect(handler.fetch(requestOf('events/stream', { name: 'counted' }))).rejects.toThrow('gave up');
    allow(true);
    await settle();
    expect(server.events.subscriptions()).toEqual([]);
    expect(ended).toHaveLength(1);
  });

  it('PUSH-13 passes on a stream that somebody between wrapper and SDK made of another request', async () => {
    const server = httpServer({}, {}, { wrap: false });
    const handle = server.events.define('counted', counted);
    const handler = server.events.http({
      ...server.handler,
      fetch: (request) => server.handler.fetch(new Request(request)),
    });
    const response = await handler.fetch(requestOf('events/stream', { name: 'counted' }));
    const frames = new FrameReader(response.body!);
    await frames.take(1);
    await handle.emit({ n: 1 });
    expect(kindsOf(await frames.take(1))).toEqual(['event']);
    await frames.cancel();
  });
});

describe('Mcp-Name', () => {
  const base64 = (name: string): string => `=?base64?${Buffer.from(name).toString('base64')}?=`;
  const delivery = { url: 'https://hooks.example/a', secret: `whsec_${Buffer.alloc(32).toString('base64')}` };
  const requests: [string, object][] = [
    ['events/poll', {}],
    ['events/stream', {}],
    ['events/subscribe', { delivery }],
    ['events/unsubscribe', { delivery }],
  ];

  it.each(requests)('CAP-13 that contradicts the name is refused, %s', async (method, params) => {
    for (const wrap of [true, false]) {
      const server = httpServer({}, {}, { wrap });
      server.events.define('größe', counted);
      for (const header of [
        'other',
        'gr%C3%B6%C3%9Fe',
        '',
        base64('other'),
        '=?base64?*?=',
        '=?base64?/w==?=',
        '=?base64??=',
      ]) {
        const request = requestOf(method, { name: 'größe', ...params }, { 'mcp-name': header });
        const response = await server.handler.fetch(request);
        // Without the wrapper the SDK decides the status of an error that a handler answers.
        expect(response.status).toBe(wrap ? 400 : 200);
        expect(await response.json()).toMatchObject({ id: 1, error: { code: -32020 } });
      }
      expect(server.events.subscriptions()).toEqual([]);
    }
  });

  it.each(requests)('CAP-12 CAP-13 that is right, or left out, is accepted, %s', async (method, params) => {
    const server = httpServer();
    const answers: unknown[] = [];
    for (const [name, header] of [
      ['plain', 'plain'],
      ['plain', ' plain '],
      ['plain', base64('plain')],
      ['größe', base64('größe')],
      ['\ufeffmarked', base64('\ufeffmarked')],
      ['plain', undefined],
    ] as const) {
      // No such type, so that all four methods answer alike: with what comes after the header.
      const headers: Record<string, string> = header === undefined ? {} : { 'mcp-name': header };
      const response = await server.handler.fetch(requestOf(method, { name, ...params }, headers));
      answers.push([response.status, ((await response.json()) as { error: { code: number } }).error.code]);
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).not.toEqual([400, -32020]);
  });

  it('CAP-13 means nothing where there is no name, and nothing in older sessions', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const list = await server.fetch('events/list', {}, { headers: { 'mcp-name': 'anything' } });
    expect(list.status).toBe(200);
    const nameless = await server.fetch('events/poll', {}, { headers: { 'mcp-name': 'anything' } });
    expect(await nameless.json()).toMatchObject({ error: { code: -32602 } });
    expect((await new OlderSession(server, '2025-11-25').call('events/list')).result).toBeDefined();
  });
});

describe('bounds of requests', () => {
  const MAX = 2_000;

  it('ERR-09 refuses a body that is too large before it is read, and takes one at the bound', async () => {
    const server = httpServer({ limits: { maxRequestBytes: MAX } });
    server.events.define('counted', counted);
    const bare = await requestOf('events/poll', { name: 'counted', pad: '' }).text();
    const sized = (bytes: number): Request =>
      requestOf('events/poll', { name: 'counted', pad: 'x'.repeat(bytes - bare.length) });
    expect((await sized(MAX).text()).length).toBe(MAX);
    expect((await server.handler.fetch(sized(MAX))).status).toBe(200);
    const refused = await server.handler.fetch(sized(MAX + 1));
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ error: { code: -32000, message: expect.stringContaining('2000') } });
  });

  it('ERR-09 refuses an endless body after so much of it', async () => {
    const server = httpServer({ limits: { maxRequestBytes: MAX } });
    let pulled = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => controller.enqueue(new Uint8Array(1_000).fill(0x20)),
        cancel: () => void (cancelled = true),
      },
      { highWaterMark: 0, size: () => (pulled++, 1) },
    );
    const { headers } = requestOf('events/poll', {});
    const request = new Request('http://localhost/mcp', {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    } as RequestInit);
    expect((await server.handler.fetch(request)).status).toBe(413);
    expect(pulled).toBeLessThan(5);
    expect(cancelled).toBe(true);
  });

  it('ERR-09 leaves requests for others to the SDK, whatever their size', async () => {
    const server = httpServer({ limits: { maxRequestBytes: MAX } }, {}, { tool: true });
    const call = requestOf(
      'tools/call',
      { name: 'noop', arguments: { a: 'x'.repeat(10_000) } },
      { 'mcp-name': 'noop' },
    );
    expect(await (await server.handler.fetch(call)).json()).toMatchObject({ result: { content: [] } });
    const session = new OlderSession(server, '2025-11-25');
    const large = { name: 'noop', arguments: { a: 'x'.repeat(10_000) } };
    expect((await session.call('tools/call', large)).result).toMatchObject({ content: [] });
    const refused = await session.request('events/poll', { name: 'counted', pad: 'x'.repeat(MAX) });
    expect(refused.status).toBe(413);
  });

  it('ERR-09 passes on what is larger than anything of ours, byte for byte', async () => {
    const server = httpServer({}, { maxRequestBodySize: 16 * 1024 * 1024 }, { tool: true });
    const session = new OlderSession(server, '2025-11-25');
    const large = { name: 'noop', arguments: { a: 'ü'.repeat(3 * 1024 * 1024) } };
    expect((await session.call('tools/call', large)).result).toMatchObject({ content: [] });
  });

  it.each([
    ['levels', 128, (depth: number) => nested(depth)],
    ['values', 16_384, (count: number) => Array.from({ length: count }, () => 1)],
  ] as const)('ERR-09 refuses more %s than %i before anything is validated', async (_, bound, valueOf) => {
    const server = httpServer();
    server.events.define('counted', counted);
    const poll = (size: number): ReturnType<TestServer['call']> =>
      server.call('events/poll', { name: 'counted', size: valueOf(size) });
    // The envelope around it takes its share of both.
    expect((await poll(bound - 40)).error).toBeUndefined();
    const refused = await server.fetch('events/poll', { name: 'counted', size: valueOf(bound + 1) }, { id: 'mine' });
    expect(refused.status).toBe(200);
    expect(await refused.json()).toMatchObject({
      id: 'mine',
      error: { code: -32602, message: 'params: expected at most 128 levels of nesting and 16384 values' },
    });
    const older = await new OlderSession(server, '2025-11-25').request('events/poll', {
      name: 'counted',
      size: valueOf(bound + 1),
    });
    expect(await older.text()).toContain('-32602');
  });

  it.each(['', '{', 'null', '[]', '"text"', '{"jsonrpc":"2.0"}'])(
    'ERR-09 leaves a body that is no request to the SDK: %s',
    async (body) => {
      const answers: unknown[] = [];
      for (const wrap of [true, false]) {
        const server = httpServer({}, {}, { wrap });
        for (const method of ['events/poll', undefined]) {
          const headers = new Headers(requestOf('events/poll', {}).headers);
          if (method === undefined) headers.delete('mcp-method');
          const request = new Request('http://localhost/mcp', { method: 'POST', headers, body });
          const response = await server.handler.fetch(request);
          answers.push([method, response.status, await response.text()]);
        }
      }
      expect(answers.slice(0, 2)).toEqual(answers.slice(2));
    },
  );
});

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

describe('many requests at once', () => {
  it('CAP-14 are spread over turns, and callers take theirs in turn', async () => {
    const server = httpServer();
    const begun: string[] = [];
    let turn = 0;
    const turns: number[] = [];
    const handler = server.events.http({
      ...server.handler,
      fetch: async (_, options) => {
        begun.push(options?.authInfo?.token ?? '');
        turns.push(turn);
        return new Response();
      },
    });
    const as = (token: string): Promise<Response> =>
      handler.fetch(new Request('http://localhost/mcp'), { authInfo: { token, clientId: 'c', scopes: [] } });
    const answers = Array.from({ length: 200 }, () => as('many'));
    answers.push(as('one'), as('two'));
    let counting = true;
    const count = (): void => {
      turn++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all(answers);
    counting = false;
    expect(begun).toHaveLength(202);
    expect(begun.indexOf('one')).toBeLessThan(24);
    expect(begun.indexOf('two')).toBeLessThan(24);
    const most = Math.max(...turns.map((each) => turns.filter((other) => other === each).length));
    expect(most).toBeLessThanOrEqual(16);
  });
});

import { McpServer } from '@modelcontextprotocol/server';
import { Events, memoryStorage } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { EXTENSION } from './kit/httpServer.ts';
import { counted, httpServer, stdioServer } from './kit/servers.ts';

const EVENTS_METHODS = ['events/list', 'events/poll', 'events/stream', 'events/subscribe', 'events/unsubscribe'];

function rawRequest(body: unknown, headers: Record<string, string>): Request {
  return new Request('http://localhost/mcp', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify(body),
  });
}

describe('discovery', () => {
  it('CAP-01 CAP-02 declares the extension, with list changes where the transport is wrapped', async () => {
    const { capabilities } = await httpServer().result('server/discover');
    expect(capabilities.extensions[EXTENSION]).toEqual({ listChanged: true });
  });

  it('CAP-02 declares the extension without settings where nothing can carry list changes, and serves it', async () => {
    const server = httpServer({}, {}, { wrap: false });
    server.events.define('counted', counted);
    const { capabilities } = await server.result('server/discover');
    expect(capabilities.extensions[EXTENSION]).toEqual({});
    expect((await server.result('events/list')).events).toHaveLength(1);
  });

  it('CAP-01 CAP-02 declares the extension on stdio', async () => {
    const answer = await stdioServer().request(1, 'server/discover');
    expect(answer?.result.capabilities.extensions[EXTENSION]).toEqual({ listChanged: true });
  });

  it.each([
    ['auto', true],
    ['sketch', true],
    ['final', false],
  ] as const)('DIALECT-02 under the dialect %s advertises the older key: %s', async (dialect, older) => {
    const { capabilities } = await httpServer({ dialect }).result('server/discover');
    expect(capabilities.extensions[EXTENSION]).toEqual({ listChanged: true });
    expect('events' in capabilities).toBe(older);
    if (older) expect(capabilities.events).toEqual({ listChanged: true });
  });

  it('CAP-01 keeps the capabilities that the server has otherwise', async () => {
    const server = httpServer();
    const other = new McpServer({ name: 'other', version: '1.0.0' });
    other.server.registerCapabilities({ extensions: { 'com.example/other': {} } });
    server.events.attach(other, { era: 'modern' });
    expect(other.server.getCapabilities().extensions).toEqual({
      'com.example/other': {},
      [EXTENSION]: { listChanged: true },
    });
  });

  it('CAP-01 refuses to be attached to a server that is connected already', async () => {
    const events = new Events();
    const connected = new McpServer({ name: 'late', version: '1.0.0' });
    const transport = { start: async () => {}, send: async () => {}, close: async () => {} };
    await connected.connect(transport);
    expect(() => events.attach(connected, { era: 'modern' })).toThrow('before the server is connected');
    await Promise.all([connected.close(), events.close()]);
  });

  it('CAP-01 attaches to the same server only once', async () => {
    const events = new Events();
    const mcp = new McpServer({ name: 'test', version: '1.0.0' });
    events.attach(mcp, { era: 'modern' });
    expect(() => events.attach(mcp, { era: 'modern' })).not.toThrow();
    await events.close();
  });
});

describe('who is served', () => {
  it('CAP-04 serves clients that did not declare the extension', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const answer = await server.call('events/list', {}, { declare: false });
    expect(answer.error).toBeUndefined();
    expect(answer.result.events).toHaveLength(1);
    expect((await server.poll('counted', null, {}, { declare: false })).events).toEqual([]);
  });

  it.each(EVENTS_METHODS)('CAP-06 a server without Events answers %s with 404 and -32601', async (method) => {
    const response = await httpServer({}, {}, { attach: false, wrap: false }).fetch(method, { name: 'counted' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', error: { code: -32601 } });
  });

  it('CAP-07 gives clients of the 2025 revision nothing over HTTP', async () => {
    const server = httpServer({ dialect: 'final' });
    server.events.define('counted', counted);
    const headers = { 'mcp-protocol-version': '2025-11-25' };
    const response = await server.handler.fetch(
      rawRequest({ jsonrpc: '2.0', id: 1, method: 'events/list', params: {} }, headers),
    );
    expect(await response.text()).toContain('"code":-32601');
    const stream = await server.handler.fetch(
      rawRequest({ jsonrpc: '2.0', id: 2, method: 'events/stream', params: { name: 'counted' } }, headers),
    );
    expect(await stream.text()).toContain('"code":-32601');
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('CAP-07 gives clients of the 2025 revision nothing on stdio', async () => {
    const server = stdioServer({ dialect: 'final' });
    server.events.define('counted', counted);
    const initialized = await server.raw({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'old', version: '1' } },
    });
    expect(initialized?.result.capabilities.extensions).toBeUndefined();
    await server.raw({ jsonrpc: '2.0', method: 'notifications/initialized' });
    const answer = await server.raw({ jsonrpc: '2.0', id: 2, method: 'events/list', params: {} });
    expect(answer?.error?.code).toBe(-32601);
  });
});

describe('requests and results', () => {
  it('CAP-10 answers a mirrored header that is wrong or missing with 400 and -32020', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    for (const method of ['events/list', undefined]) {
      const response = await server.fetch('events/stream', { name: 'counted' }, { headers: { 'mcp-method': method } });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code: -32020 } });
    }
    const response = await server.fetch(
      'events/poll',
      { name: 'counted' },
      { headers: { 'mcp-method': 'events/stream' } },
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: -32020 } });
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('CAP-10 answers an unknown protocol version with 400, -32022 and the versions', async () => {
    const response = await httpServer().fetch('events/list', {}, { version: '1900-01-01' });
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { code: number; data: Record<string, unknown> } };
    expect(error.code).toBe(-32022);
    expect(error.data).toMatchObject({ requested: '1900-01-01' });
    expect(error.data['supported']).toContain('2026-07-28');
  });

  it('CAP-11 marks every result as complete', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    expect((await server.result('events/list')).resultType).toBe('complete');
    expect((await server.poll('counted', null)).resultType).toBe('complete');
    const unsubscribe = { name: 'counted', delivery: { url: 'https://client.example/hook' } };
    const old = { as: 'ada', declare: false };
    expect((await server.result('events/unsubscribe', unsubscribe, old)).resultType).toBe('complete');
    const stream = await server.stream('counted');
    await server.handler.close();
    expect((await stream.rest()).at(-1)?.result.resultType).toBe('complete');
  });

  it('CAP-12 accepts requests without an Mcp-Name header', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const response = await server.fetch('events/poll', { name: 'counted' }, { headers: { 'mcp-name': undefined } });
    expect(await response.json()).toMatchObject({ result: { events: [] } });
    await server.stream('counted', {}, { headers: { 'mcp-name': undefined } });
  });

  it.each(['events/subscriptions', 'events/get', 'events/refresh'])('SUB-16 knows no method %s', async (method) => {
    const response = await httpServer().fetch(method, {}, { as: 'ada' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: -32601 } });
  });
});

it('a storage that was not waited for, or that is none, is refused at once', () => {
  for (const storage of [Promise.resolve(memoryStorage()), 'events.db', {}]) {
    const create = (): Events => new Events({ storage: storage as never });
    expect(create).toThrow(TypeError);
    expect(create).toThrow('storage: await openSqliteStorage(');
  }
});

import { describe, expect, it } from 'vitest';
import { settle } from './kit/fakeClock.ts';
import { counted, httpServer } from './kit/servers.ts';
import { authFor } from './kit/httpServer.ts';
import type { TestServer } from './kit/httpServer.ts';
import { secretOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';

/** A request of the 2025 revision: no envelope, no headers of the newer one. */
function legacyFetch(server: TestServer, method: string, params: object, principal?: string): Promise<Response> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...(method === 'initialize' ? {} : { 'mcp-protocol-version': '2025-11-25' }),
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const request = new Request('http://localhost/mcp', { method: 'POST', headers, body });
  return server.handler.fetch(request, principal === undefined ? {} : { authInfo: authFor(principal) });
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
async function legacyCall(...args: Parameters<typeof legacyFetch>): Promise<any> {
  const response = await legacyFetch(...args);
  const text = await response.text();
  return JSON.parse(text.startsWith('event:') ? /^data: (.*)$/m.exec(text)![1]! : text);
}

const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'test', version: '1.0.0' },
};

describe('sessions of the 2025 revision', () => {
  it('CAP-07 get no events unless the operator says so', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    const { result } = await legacyCall(server, 'initialize', initialize);
    expect(result.capabilities).not.toHaveProperty('events');
    expect(result.capabilities.extensions ?? {}).toEqual({});
    expect((await legacyCall(server, 'events/list', {})).error.code).toBe(-32601);
  });

  it('DIALECT-15 get them in the older dialect where the operator says so', async () => {
    const server = webhookServer({}, { legacySessions: true });
    const handle = server.events.define('counted', counted);
    const { result } = await legacyCall(server, 'initialize', initialize);
    expect(result.capabilities.events).toEqual({ listChanged: true });
    expect(result.capabilities.extensions ?? {}).toEqual({});
    const list = await legacyCall(server, 'events/list', {}, 'alice');
    expect(list.result.events).toMatchObject([{ name: 'counted', delivery: ['poll', 'webhook'] }]);
    const delivery = { mode: 'webhook', url: `${TRUSTED}/a`, secret: secretOf() };
    const subscribed = await legacyCall(server, 'events/subscribe', { name: 'counted', delivery }, 'alice');
    expect(subscribed.result).toMatchObject({ refreshBefore: expect.any(String), truncated: false });
    await settle();
    const { eventId } = await handle.emit({ n: 1 });
    await settle();
    expect(server.recorder.events[0]!.headers['webhook-id']).toBe(eventId);
    const { error } = await legacyCall(server, 'events/poll', { name: 'missing' });
    expect(error.code).toBe(-32011);
  });

  it('DIALECT-15 do not see streams, which their transport cannot carry', async () => {
    const server = httpServer({ legacySessions: true });
    server.events.define('counted', counted);
    server.events.define('live', { ...counted, replay: false });
    const list = await legacyCall(server, 'events/list', {});
    expect(list.result.events).toMatchObject([{ name: 'counted', delivery: ['poll'] }]);
    const { error } = await legacyCall(server, 'events/stream', { name: 'counted' });
    expect(error).toMatchObject({ code: -32014, data: { feature: 'deliveryMode', value: 'push' } });
  });

  it('cannot be had without the dialect they speak', () => {
    expect(() => httpServer({ legacySessions: true, dialect: 'final' })).toThrow(/legacySessions/);
  });
});

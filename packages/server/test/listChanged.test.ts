import type { Transport } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import { ListChanged } from '../src/transport/listChanged.ts';
import { StdioEventsTransport } from '../src/transport/stdio.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { FrameReader, kindsOf } from './kit/frames.ts';
import type { TestServer } from './kit/httpServer.ts';
import { SUBSCRIPTION_ID } from './kit/httpServer.ts';
import { counted, httpServer, stdioServer } from './kit/servers.ts';

interface Listener extends FrameReader {
  readonly abort: () => void;
}

async function listen(
  server: TestServer,
  notifications: Record<string, boolean>,
  id: string | number = 'listen',
): Promise<Listener> {
  const controller = new AbortController();
  const options = { id, signal: controller.signal };
  const response = await server.fetch('subscriptions/listen', { notifications }, options);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  return Object.assign(new FrameReader(response.body as ReadableStream<Uint8Array>), {
    abort: () => controller.abort(),
  });
}

describe('over HTTP', () => {
  it('LIST-09 LIST-10 LIST-11 confirms the filter and tells a change of the list', async () => {
    const server = httpServer();
    const listener = await listen(server, { eventsListChanged: true }, 7);
    const [acknowledged] = await listener.take(1);
    expect(acknowledged?.method).toBe('notifications/subscriptions/acknowledged');
    expect(acknowledged?.params.notifications).toEqual({ eventsListChanged: true });
    server.events.define('counted', counted);
    expect(await listener.take(1)).toEqual([
      {
        jsonrpc: '2.0',
        method: 'notifications/events/list_changed',
        params: { _meta: { [SUBSCRIPTION_ID]: 7 } },
      },
    ]);
    expect(listener.ended).toBe(false);
  });

  it('LIST-09 tells removal and every change of a descriptor, once each', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const listener = await listen(server, { eventsListChanged: true });
    await listener.take(1);
    type.update({ ...counted, description: 'Counts' });
    expect(kindsOf(await listener.arrived())).toEqual(['list_changed']);
    type.update({ ...counted, description: 'Counts', delivery: ['poll'] });
    expect(kindsOf(await listener.arrived())).toEqual(['list_changed']);
    type.update({ ...counted, payload: { ...counted.payload, title: 'A number' }, delivery: ['poll'] });
    expect(kindsOf(await listener.arrived())).toEqual(['list_changed']);
    type.remove();
    expect(kindsOf(await listener.arrived())).toEqual(['list_changed']);
    type.remove();
    expect(() => type.update(counted)).toThrow();
    expect(kindsOf(await listener.arrived())).toEqual([]);
  });

  it('LIST-10 tells only those that asked for it', async () => {
    const server = httpServer({}, {}, { tool: true });
    const asked = await listen(server, { eventsListChanged: true }, 1);
    const others = [
      await listen(server, { toolsListChanged: true }, 2),
      await listen(server, { eventsListChanged: false, toolsListChanged: true }, 3),
    ];
    server.events.define('counted', counted);
    expect(kindsOf(await asked.arrived())).toEqual(['acknowledged', 'list_changed']);
    for (const listener of others) {
      const messages = await listener.arrived();
      expect(kindsOf(messages)).toEqual(['acknowledged']);
      expect(messages[0]?.params.notifications).not.toHaveProperty('eventsListChanged');
    }
  });

  it('LIST-10 LIST-11 joins the list changes of tools on the same stream', async () => {
    const server = httpServer({}, {}, { tool: true });
    const listener = await listen(server, { eventsListChanged: true, toolsListChanged: true }, 'both');
    const [acknowledged] = await listener.take(1);
    expect(acknowledged?.params.notifications).toEqual({ eventsListChanged: true, toolsListChanged: true });
    server.handler.notify.toolsChanged();
    server.events.define('counted', counted);
    const methods = (await listener.take(2)).map(({ method }) => method);
    expect(new Set(methods)).toEqual(
      new Set(['notifications/events/list_changed', 'notifications/tools/list_changed']),
    );
    await server.handler.close();
    expect(kindsOf(await listener.rest())).toEqual(['result']);
  });

  it('LIST-11 leaves the member out where list changes are not declared', async () => {
    const server = httpServer({}, {}, { wrap: false });
    const listener = await listen(server, { eventsListChanged: true });
    const messages = await listener.arrived();
    expect(messages[0]?.params.notifications).not.toHaveProperty('eventsListChanged');
    server.events.define('counted', counted);
    expect(kindsOf(await listener.arrived())).not.toContain('list_changed');
  });

  it('LIST-10 ends with the result of the request when the server closes', async () => {
    const server = httpServer();
    const listener = await listen(server, { eventsListChanged: true }, 'mine');
    await server.handler.close();
    const messages = await listener.rest();
    expect(kindsOf(messages)).toEqual(['acknowledged', 'result']);
    expect(messages[1]).toMatchObject({ id: 'mine', result: { resultType: 'complete' } });
  });

  it('LIST-10 LIST-11 confirms before it tells a change that comes at once', async () => {
    const server = httpServer();
    const listener = await listen(server, { eventsListChanged: true });
    const type = server.events.define('counted', counted);
    type.remove();
    const kinds = kindsOf(await listener.arrived());
    expect(kinds[0]).toBe('acknowledged');
    expect(kinds.slice(1)).toContain('list_changed');
  });

  it('LIST-10 frees everything when the client aborts or cancels the body', async () => {
    const server = httpServer();
    const timers = server.clock.pendingTimers;
    const [first, second] = [
      await listen(server, { eventsListChanged: true }, 1),
      await listen(server, { eventsListChanged: true }, 2),
    ];
    await settle();
    expect(server.clock.pendingTimers).toBe(timers + 2);
    first.abort();
    await second.cancel();
    await settle();
    expect(server.clock.pendingTimers).toBe(timers);
    server.events.define('counted', counted);
    expect(kindsOf(await first.rest())).not.toContain('list_changed');
  });

  it('LIST-10 keeps an idle stream open with comments', async () => {
    const server = httpServer();
    const listener = await listen(server, { eventsListChanged: true });
    await listener.take(1);
    await server.clock.advance(30_000);
    expect(await listener.arrived()).toEqual([]);
    expect(listener.raw.join('').match(/^: keepalive$/gm)?.length).toBeGreaterThanOrEqual(2);
  });

  it('LIST-10 passes a body on untouched that is not the request it claims to be', async () => {
    const server = httpServer();
    const headers = { 'mcp-method': 'subscriptions/listen' };
    const response = await server.fetch('events/list', {}, { headers });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: -32020 } });
  });
});

describe('with much to tell', () => {
  const updated = (n: number): object => ({
    jsonrpc: '2.0',
    method: 'notifications/resources/updated',
    params: { uri: `file:///${String(n).padStart(100, '0')}` },
  });

  /** A listen stream whose other end, the SDK's, the test writes itself. */
  async function relayed(
    server: TestServer,
  ): Promise<{ listener: FrameReader; send: (message: object) => void; end: () => void }> {
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
    const answer = new Response(body, { headers: { 'content-type': 'text/event-stream' } });
    const handler = server.events.http({ ...server.handler, fetch: async () => answer });
    const response = await handler.fetch(
      new Request('http://localhost/mcp', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'mcp-method': 'subscriptions/listen' },
        body: JSON.stringify({
          id: 1,
          method: 'subscriptions/listen',
          params: { notifications: { eventsListChanged: true } },
        }),
      }),
    );
    const send = (message: object): void =>
      controller.enqueue(new TextEncoder().encode(`event: message\ndata: ${JSON.stringify(message)}\n\n`));
    send({
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { resourceSubscriptions: ['file:///a'] } },
    });
    return { listener: new FrameReader(response.body!), send, end: () => controller.close() };
  }

  it('LIST-15 passes on everything the SDK sends, in its order, to a client that reads late', async () => {
    const server = httpServer();
    const { listener, send, end } = await relayed(server);
    for (let n = 0; n < 2_000; n++) send(updated(n));
    await settle();
    end();
    await settle();
    const messages = await listener.rest();
    expect(messages.slice(1)).toEqual(Array.from({ length: 2_000 }, (_, n) => updated(n)));
  });

  it('LIST-15 tells a change of the list, though the client had no room for it when it came', async () => {
    const server = httpServer();
    const { listener, send, end } = await relayed(server);
    for (let n = 0; n < 2_000; n++) send(updated(n));
    await settle();
    for (const name of ['a', 'b', 'c']) server.events.define(name, counted);
    await settle();
    end();
    await settle();
    const kinds = kindsOf(await listener.rest());
    expect(kinds.filter((kind) => kind === 'updated')).toHaveLength(2_000);
    // The first fits into what is left of the buffer, the others do not: one more is owed for them.
    expect(kinds.filter((kind) => kind === 'list_changed')).toHaveLength(2);
  });

  it('LIST-15 has at most one change wait for a stdio client that does not read', async () => {
    const server = stdioServer();
    await server.request(7, 'subscriptions/listen', { notifications: { eventsListChanged: true } });
    const { unblock } = server.pipe.block();
    const type = server.events.define('counted', counted);
    for (let n = 0; n < 100; n++) type.update({ ...counted, description: `Version ${n}` });
    await server.idle();
    server.pipe.blocked = undefined;
    unblock();
    await server.idle();
    const told = server.sent.filter(({ method }) => method === 'notifications/events/list_changed');
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told.length).toBeLessThanOrEqual(2);
    // The last of them comes after the last change, and further changes are told.
    type.remove();
    await server.idle();
    expect(server.sent.filter(({ method }) => method === 'notifications/events/list_changed')).toHaveLength(
      told.length + 1,
    );
  });

  it('LIST-10 leaves no listener behind when an id is used again on stdio', async () => {
    const server = stdioServer();
    for (let n = 0; n < 3; n++) {
      await server.request(7, 'subscriptions/listen', { notifications: { eventsListChanged: true } });
    }
    const before = server.sent.length;
    server.events.define('counted', counted);
    await server.idle();
    expect(kindsOf(server.sent.slice(before))).toEqual(['list_changed']);
    await server.cancel(7);
    server.events.define('another', counted);
    await server.idle();
    expect(kindsOf(server.sent.slice(before))).toEqual(['list_changed']);
  });
});

describe('on stdio', () => {
  it('LIST-09 LIST-10 LIST-11 confirms the filter and tells a change under the id of the request', async () => {
    const server = stdioServer();
    await server.request(7, 'subscriptions/listen', { notifications: { eventsListChanged: true } });
    await server.request('7', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
    const type = server.events.define('counted', counted);
    await server.idle();
    const listed = server.sent.filter(({ method }) => method === 'notifications/events/list_changed');
    expect(listed.map(({ params }) => params._meta[SUBSCRIPTION_ID])).toEqual([7]);
    const acknowledged = server.sent.filter(({ method }) => method === 'notifications/subscriptions/acknowledged');
    expect(acknowledged.map(({ params }) => params.notifications.eventsListChanged)).toEqual([true, undefined]);
    await server.cancel(7);
    type.remove();
    await server.idle();
    expect(server.sent.filter(({ method }) => method === 'notifications/events/list_changed')).toHaveLength(1);
  });
});

it.each([1, 3])(
  'LIST-10 over stdio a request that is repeated under its id leaves no listener behind: %d times',
  async (times) => {
    const listChanged = new ListChanged();
    const sent: unknown[] = [];
    const wire: Transport = {
      start: async () => {},
      send: async (message) => void sent.push(message),
      close: async () => {},
    };
    const transport = new StdioEventsTransport(wire, listChanged, new FakeClock());
    await transport.start();
    const params = { notifications: { eventsListChanged: true } };
    const confirmed = { notifications: {}, _meta: { [SUBSCRIPTION_ID]: 1 } };
    for (let n = 0; n < times; n++) {
      wire.onmessage?.({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params });
      for (let confirmation = 0; confirmation < 2; confirmation++) {
        await transport.send({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: confirmed });
      }
    }
    expect(listChanged.listenerCount).toBe(1);
    sent.length = 0;
    listChanged.notify();
    await settle();
    expect(sent).toHaveLength(1);
    await transport.close();
    expect(listChanged.listenerCount).toBe(0);
  },
);

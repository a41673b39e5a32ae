import { CLIENT_CAPABILITIES_META_KEY, EXTENSION_ID, Methods, PROTOCOL_VERSION_META_KEY } from '@mcp-events/protocol';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { EventsClient, EventsNotSupportedError } from '../src/index.ts';
import { batch } from './support/rawServer.ts';
import { noJitter, settle, world } from './support/world.ts';

/** Connected to a server that speaks an earlier revision; what the server receives goes to `received`. */
async function legacyClient(received: string[] = []): Promise<Client> {
  const [near, far] = InMemoryTransport.createLinkedPair();
  far.onmessage = (message) => {
    if (!('method' in message)) return;
    received.push(message.method);
    if (message.method !== 'initialize' || !('id' in message)) return;
    void far.send({
      jsonrpc: '2.0',
      id: message.id,
      result: {
        protocolVersion: '2025-11-25',
        capabilities: { extensions: { [EXTENSION_ID]: {} } },
        serverInfo: { name: 'old', version: '1' },
      },
    });
  };
  await far.start();
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(near);
  return client;
}

describe('capability', () => {
  it('CAP-05 sends no events request to a server that does not declare the extension', async () => {
    const { server, events } = await world();
    server.capabilities = { tools: {} };
    await expect(events.list()).rejects.toBeInstanceOf(EventsNotSupportedError);
    await expect(events.subscribe('incident.opened')).rejects.toMatchObject({ code: 'EVENTS_NOT_SUPPORTED' });
    expect(server.received.filter(({ method }) => method.startsWith('events/'))).toEqual([]);
    await events.close();
  });

  it('CAP-05 sends no events request on a connection of an earlier protocol revision', async () => {
    const received: string[] = [];
    const events = new EventsClient(await legacyClient(received));
    await expect(events.list()).rejects.toThrow(/2025-11-25.*versionNegotiation/);
    expect(received).toEqual(['initialize', 'notifications/initialized']);
    await events.close();
  });

  it('PUSH-19 takes an older revision for a bad connection once the server has been known to offer Events', async () => {
    const { server, clock } = await world();
    // The SDK's client takes a stdio server that is slow to start, or cannot start yet, for one of an older revision.
    let isSlow = false;
    const connect = async (): Promise<Client> => (isSlow ? legacyClient() : server.client());
    const events = new EventsClient(connect, { clock, random: noJitter });
    const subscription = await events.subscribe('incident.opened');
    await settle();
    server.stream().active('c0');
    isSlow = true;
    await server.die();
    await clock.advance(5_000);
    expect(subscription.status).toMatchObject({ state: 'waiting', error: { code: 'SERVER_UNREACHABLE' } });
    isSlow = false;
    await clock.advance(60_000);
    expect(server.stream().request.params['cursor']).toBe('c0');
    await events.close();
  });

  it('DIALECT-03 accepts either capability key and notes which one it saw', async () => {
    const final = await world();
    expect(await final.events.capability()).toEqual({ dialect: 'final', listChanged: false });

    const both = await world();
    both.server.capabilities = { events: {}, extensions: { [EXTENSION_ID]: { listChanged: true } } };
    expect(await both.events.capability()).toEqual({ dialect: 'final', listChanged: true });

    const sketch = await world();
    sketch.server.capabilities = { events: { listChanged: true } };
    const known = await sketch.server.client();
    sketch.server.withResultType = false;
    const reused = new EventsClient(known);
    expect(await reused.capability()).toEqual({ dialect: 'sketch', listChanged: true });
    await reused.close();
    sketch.server.withResultType = true;
    expect(await sketch.events.capability()).toEqual({ dialect: 'sketch', listChanged: true });
    expect(await sketch.events.list()).toHaveLength(1);

    const strict = await world({ acceptSketch: false });
    strict.server.capabilities = { events: {} };
    await expect(strict.events.list()).rejects.toBeInstanceOf(EventsNotSupportedError);
    expect(strict.server.requests(Methods.list)).toEqual([]);
    for (const { events } of [final, both, sketch, strict]) await events.close();
  });

  it('CAP-03 CAP-08 sends protocol version, client capabilities and the declaration with every events request', async () => {
    const { server, events } = await world();
    server.on(Methods.poll, () => batch([], 'c0'));
    await events.subscribe('incident.opened', {}, { delivery: 'push' });
    await events.subscribe('incident.opened', { n: 1 }, { delivery: 'poll' });
    await settle();
    const sent = server.received.filter(({ method }) => method.startsWith('events/'));
    expect(new Set(sent.map(({ method }) => method))).toEqual(new Set([Methods.list, Methods.stream, Methods.poll]));
    for (const { params } of sent) {
      expect(params['_meta'][PROTOCOL_VERSION_META_KEY]).toBe('2026-07-28');
      expect(params['_meta'][CLIENT_CAPABILITIES_META_KEY].extensions[EXTENSION_ID]).toEqual({});
    }
    await events.close();
  });

  it('DIALECT-14 reads results without resultType as complete', async () => {
    const { server, events } = await world();
    server.withResultType = false;
    server.on(Methods.poll, () => batch([], 'c0'));
    expect(await events.list()).toHaveLength(1);
    const polled = await events.subscribe('incident.opened', {}, { delivery: 'poll' });
    const pushed = await events.subscribe('incident.opened', { n: 1 }, { delivery: 'push' });
    await settle();
    expect(polled.status.state).toBe('active');
    expect(polled.cursor).toBe('c0');
    server.stream().end();
    await settle();
    expect(pushed.status).toMatchObject({ state: 'waiting', error: { code: 'STREAM_DROPPED' } });
    await events.close();
  });

  it('picks up a client that the application connected again', async () => {
    const { server, clock } = await world();
    const client = await server.client();
    const events = new EventsClient(client, { clock, random: noJitter });
    const subscription = await events.subscribe('incident.opened');
    await settle();
    server.stream().active('c0');
    await server.die();
    await clock.advance(1_000);
    expect(subscription.status).toMatchObject({ state: 'waiting', error: { code: 'NOT_CONNECTED' } });
    await client.connect(server.transport());
    await clock.advance(2_000);
    expect(server.streams()).toHaveLength(2);
    expect(server.stream().request.params['cursor']).toBe('c0');
    await events.close();
    expect(client.transport).toBeDefined();
  });

  it('leaves the transport as it was after close', async () => {
    const { server } = await world();
    const client = await server.client();
    const transport = client.transport!;
    const { send, onmessage, onclose } = transport;
    const events = new EventsClient(client);
    await events.list();
    expect(transport.send).not.toBe(send);
    await events.close();
    expect(transport.send).toBe(send);
    expect(transport.onmessage).toBe(onmessage);
    expect(transport.onclose).toBe(onclose);
    await expect(events.list()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('does not disturb the application: its handlers, its requests and its errors', async () => {
    const { server } = await world();
    server.capabilities = { extensions: { [EXTENSION_ID]: {} }, tools: {} };
    server.on('tools/list', () => ({ tools: [], ttlMs: 0, cacheScope: 'private' }));
    const client = await server.client();
    const heard: string[] = [];
    client.fallbackNotificationHandler = async ({ method }) => {
      heard.push(method);
    };
    const events = new EventsClient(client);
    await events.subscribe('incident.opened');
    await settle();
    server.send({ jsonrpc: '2.0', method: 'notifications/custom', params: {} });
    server.stream().heartbeat('c1');
    await settle();
    expect(heard).toEqual(['notifications/custom']);
    expect(await client.listTools()).toMatchObject({ tools: [] });
    await events.close();
  });
});

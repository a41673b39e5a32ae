import { Methods, Notifications, PROTOCOL_VERSION_META_KEY } from '@mcp-events/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { EventsClient } from '../src/index.ts';
import { FakeClock } from './support/fakeClock.ts';
import { HttpServer, until } from './support/httpServer.ts';
import { occurrence } from './support/rawServer.ts';
import { noJitter, Reader, settle } from './support/world.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const resource of open.splice(0)) await resource.close();
});

async function connected(): Promise<{
  server: HttpServer;
  events: EventsClient;
  clock: FakeClock;
  warnings: string[];
}> {
  const server = await HttpServer.start();
  const clock = new FakeClock();
  const warnings: string[] = [];
  const events = new EventsClient(await server.client(), {
    clock,
    random: noJitter,
    onWarning: (message) => warnings.push(message),
  });
  open.push(events, server);
  return { server, events, clock, warnings };
}

describe('over HTTP', () => {
  it('CAP-09 mirrors version and method in the headers and accepts JSON and SSE', async () => {
    const { server, events } = await connected();
    await events.subscribe('incident.opened', {}, { delivery: 'push' });
    await events.subscribe('incident.opened', { n: 1 }, { delivery: 'poll' });
    await until(() => server.requests(Methods.stream).length + server.requests(Methods.poll).length === 2);
    for (const method of [Methods.list, Methods.poll, Methods.stream]) {
      const { verb, headers, body } = server.requests(method)[0]!;
      expect(verb).toBe('POST');
      expect(headers['mcp-protocol-version']).toBe(body.params._meta[PROTOCOL_VERSION_META_KEY]);
      expect(headers['mcp-method']).toBe(method);
      expect(headers['accept']).toContain('application/json');
      expect(headers['accept']).toContain('text/event-stream');
    }
  });

  it('PUSH-17 PUSH-19 notices a dropped stream without a result and reopens it with the last cursor', async () => {
    for (const end of ['destroy', 'end'] as const) {
      const { server, events, clock, warnings } = await connected();
      const subscription = await events.subscribe('incident.opened', { end });
      const reader = new Reader(subscription);
      await until(() => server.streams.length === 1);
      server.numbered = true;
      server.notify(Notifications.active, { cursor: 'c0', truncated: false });
      server.notify(Notifications.event, { ...occurrence('e1'), cursor: 'c1' });
      await until(() => reader.ids.length === 1);
      if (end === 'end') server.streams[0]!.response.end();
      else server.streams[0]!.response.destroy();
      await until(() => subscription.status.state === 'waiting');
      expect(subscription.status.error).toMatchObject({ code: 'STREAM_DROPPED' });
      await clock.advance(1_000);
      await until(() => server.streams.length === 2);
      expect(server.requests(Methods.stream)[1]!.body.params.cursor).toBe('c1');
      server.notify(Notifications.event, { ...occurrence('e2'), cursor: 'c2' });
      await until(() => reader.ids.length === 2);
      // No GET, no Last-Event-ID; and a server that invites them is reported once.
      expect(server.received.filter(({ verb, headers }) => verb !== 'POST' || 'last-event-id' in headers)).toEqual([]);
      expect(warnings.filter((warning) => warning.includes('Last-Event-ID'))).toHaveLength(1);
    }
  });

  it('PUSH-17 PUSH-18 a request answered by a dropped response fails, and other streams go on', async () => {
    const { server, events, clock } = await connected();
    const first = await events.subscribe('incident.opened', { n: 1 });
    await until(() => server.streams.length === 1);
    const second = await events.subscribe('incident.opened', { n: 2 });
    await until(() => server.streams.length === 2);
    server.notify(Notifications.active, { cursor: 'c0', truncated: false });
    await until(() => second.status.state === 'active');
    await clock.advance(59_000);
    server.notify(Notifications.heartbeat, { cursor: 'c1' });
    await until(() => second.cursor === 'c1');
    await clock.advance(1_001);
    // The silent one is closed on the wire too, and comes back; the other one stays.
    await until(() => server.streams[0]!.closed);
    await clock.advance(1_000);
    await until(() => server.streams.length === 3);
    expect(server.requests(Methods.stream)[2]!.body.params.arguments).toEqual({ n: 1 });
    expect(server.streams[1]!.closed).toBe(false);
    expect(first.status.state).toBe('active');
  });

  it('CLIENT-07 cancel closes the response of its stream', async () => {
    const { server, events } = await connected();
    const subscription = await events.subscribe('incident.opened');
    await until(() => server.streams.length === 1);
    await subscription.cancel();
    await until(() => server.streams[0]!.closed);
    await settle();
    expect(server.received.filter(({ body }) => body?.method === 'notifications/cancelled')).toEqual([]);
  });
});

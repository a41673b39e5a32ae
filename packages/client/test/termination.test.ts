import { EventsError, Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { EventsClient, type Gap, memoryStore } from '../src/index.ts';
import { batch, eventType, pending, type RawRequest, RpcFailure } from './support/rawServer.ts';
import { Reader, settle, world } from './support/world.ts';

const FORBIDDEN = { final: -32024, sketch: -32012 };
const NOT_FOUND = { final: -32023, sketch: -32011 };
const UNSUPPORTED = { final: -32026, sketch: -32014 };

describe('termination', () => {
  for (const [dialect, code] of Object.entries(FORBIDDEN)) {
    it(`TERM-07 TERM-08 DIALECT-09 Forbidden (${dialect}) ends a stream without retry, after what was received before`, async () => {
      const told: Error[] = [];
      const store = memoryStore();
      const { server, events, clock } = await world({ store });
      const subscription = await events.subscribe('incident.opened', {}, { onTerminated: (error) => told.push(error) });
      await settle();
      server.stream().active('c0');
      server.stream().event('e1', 'c1');
      server.stream().terminated(code, { reason: 'revoked' });
      server.stream().event('late', 'c2');
      server.stream().end();
      await clock.advance(600_000);
      expect(told).toMatchObject([{ errorName: 'Forbidden', data: { reason: 'revoked' } }]);
      expect(events.subscriptions).toEqual([]);
      const reader = new Reader(subscription);
      await settle();
      expect(reader.ids).toEqual(['e1']);
      expect(reader.error).toBe(told[0]);
      expect(subscription.status).toMatchObject({ state: 'terminated', error: told[0] });
      expect(await subscription.next()).toEqual({ done: true, value: undefined });
      expect(server.streams()).toHaveLength(1);
      expect(server.requests(Methods.list)).toHaveLength(1);
      // Kept, so that access which comes back costs no events; but not resumed by itself.
      expect(await store.list()).toMatchObject([{ cursor: 'c1', ended: true }]);
      expect(await events.resume()).toEqual([]);
      await events.subscribe('incident.opened');
      await settle();
      expect(server.stream().request.params['cursor']).toBe('c1');
      expect(await store.list()).not.toMatchObject([{ ended: true }]);
      await events.close();
    });
  }

  it('TERM-08 close() does not wait for a list of types that was asked for to go on', async () => {
    const { server, events, clock } = await world();
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32023, { kind: 'event' });
    });
    const errors: Error[] = [];
    await events.subscribe('incident.opened', {}, { from: 'c0', onError: (error) => errors.push(error) });
    server.on(Methods.list, () => pending);
    await clock.advance(1_000);
    expect(server.requests(Methods.list)).toHaveLength(2);
    let isClosed = false;
    void events.close().then(() => (isClosed = true));
    await settle();
    expect([isClosed, errors.length]).toEqual([true, 1]);
  });

  it('TERM-08 ERR-07 Forbidden as the answer to a poll or a stream ends it, whatever the message says', async () => {
    for (const [delivery, method] of [
      ['push', Methods.stream],
      ['poll', Methods.poll],
    ] as const) {
      const { server, events, clock } = await world();
      server.on(method, () => {
        throw new RpcFailure(-32024, undefined, 'NotFound: please retry in a second');
      });
      const reader = new Reader(await events.subscribe('incident.opened', {}, { delivery }));
      await clock.advance(600_000);
      expect(reader.error).toMatchObject({ errorName: 'Forbidden' });
      expect(server.requests(method)).toHaveLength(1);
      await events.close();
    }
  });

  it('tells the end to a reader that waits, and only once', async () => {
    const { server, events } = await world();
    const subscription = await events.subscribe('incident.opened');
    const waiting = subscription.next();
    await settle();
    server.stream().terminated(-32024);
    await expect(waiting).rejects.toBeInstanceOf(EventsError);
    expect(await subscription.next()).toMatchObject({ done: true });
    await events.close();
  });

  for (const [name, code, data] of [
    ['NotFound', NOT_FOUND.final, { kind: 'event' }],
    ['NotFound', NOT_FOUND.sketch, undefined],
    ['Unsupported', UNSUPPORTED.final, { feature: 'payloadSchema', reason: 'schema_changed' }],
    ['Unsupported', UNSUPPORTED.sketch, { feature: 'deliveryMode', value: 'push' }],
  ] as const) {
    it(`TERM-08 ${name} (${code}) lists again and subscribes anew from the kept cursor`, async () => {
      let ended = 0;
      const { server, events, clock } = await world();
      const subscription = await events.subscribe('incident.opened', {}, { onTerminated: () => void (ended += 1) });
      const reader = new Reader(subscription);
      await settle();
      server.stream().event('e1', 'c1');
      server.stream().terminated(code, data);
      await clock.advance(1_000);
      expect(server.requests(Methods.list)).toHaveLength(2);
      expect(server.streams()).toHaveLength(2);
      expect(server.stream().request.params['cursor']).toBe('c1');
      server.stream().event('e2', 'c2');
      await settle();
      expect(reader.ids).toEqual(['e1', 'e2']);
      expect(ended).toBe(0);
      await events.close();
    });
  }

  it('TERM-07 TERM-08 ends when the type is not listed any more, or in no usable mode', async () => {
    for (const types of [[], [eventType('incident.opened', ['webhook'])]]) {
      const { server, events, clock } = await world();
      const reader = new Reader(await events.subscribe('incident.opened'));
      await settle();
      server.types = types;
      server.stream().terminated(-32023, { kind: 'event' });
      await clock.advance(600_000);
      expect(reader.error).toMatchObject({ errorName: 'NotFound' });
      expect(events.subscriptions).toEqual([]);
      expect(server.streams()).toHaveLength(1);
      expect(server.requests(Methods.list)).toHaveLength(2);
      await events.close();
    }
  });

  it('TERM-08 changes to a mode the type still offers', async () => {
    const { server, events, clock } = await world();
    server.on(Methods.poll, () => batch(['e2'], 'c2'));
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    server.stream().event('e1', 'c1');
    server.types = [eventType('incident.opened', ['poll'])];
    server.stream().terminated(-32026, { feature: 'deliveryMode', value: 'push' });
    await clock.advance(1_000);
    expect(server.requests(Methods.poll)[0]!.params['cursor']).toBe('c1');
    expect(reader.ids).toEqual(['e1', 'e2']);
    await events.close();
  });

  it('TERM-08 stops subscribing anew when a listed type refuses again and again', async () => {
    const { server, events, clock } = await world();
    server.on(Methods.poll, () => {
      throw new RpcFailure(-32023);
    });
    const reader = new Reader(await events.subscribe('incident.opened', {}, { delivery: 'poll' }));
    await clock.advance(600_000);
    expect(reader.error).toMatchObject({ errorName: 'NotFound' });
    expect(server.requests(Methods.poll)).toHaveLength(4);
    expect(server.requests(Methods.list)).toHaveLength(4);
    await events.close();
  });

  it('goes on from now, and tells the gap, when the kept cursor belongs to a schema that is gone', async () => {
    const gaps: Gap[] = [];
    const { server, events, clock } = await world();
    server.on(Methods.poll, ({ params }: RawRequest) => {
      if (params['cursor'] !== 'old') return batch([], 'new');
      throw new RpcFailure(-32026, { feature: 'payloadSchema', reason: 'schema_changed' });
    });
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { delivery: 'poll', from: 'old', onGap: (gap) => void gaps.push(gap) },
    );
    await clock.advance(10_000);
    expect(
      server
        .requests(Methods.poll)
        .map(({ params }) => params['cursor'])
        .slice(0, 3),
    ).toEqual(['old', 'old', null]);
    expect(gaps).toEqual([{ reason: 'restarted', cursor: 'new' }]);
    expect(subscription.cursor).toBe('new');
    await events.close();
  });

  it('keeps trying while the list cannot be read', async () => {
    const { server, events, clock } = await world();
    const subscription = await events.subscribe('incident.opened');
    await settle();
    server.on(Methods.list, () => {
      throw new RpcFailure(-32603);
    });
    server.stream().terminated(-32023);
    await clock.advance(1_000);
    expect(server.streams()).toHaveLength(2);
    server.stream().heartbeat('c1');
    await settle();
    expect(events.subscriptions).toEqual([subscription]);
    await events.close();
  });
});

describe('other errors', () => {
  it('ERR-08 reports unknown and internal errors, keeps the subscription and tries again with backoff', async () => {
    for (const code of [-32603, -32050, -32601, -32025, 12345]) {
      const errors: Error[] = [];
      const { server, events, clock } = await world();
      let polls = 0;
      server.on(Methods.poll, () => {
        polls += 1;
        if (polls < 3) throw new RpcFailure(code, 'odd data');
        return batch([], 'c0');
      });
      const subscription = await events.subscribe(
        'incident.opened',
        {},
        { delivery: 'poll', onError: (error) => errors.push(error) },
      );
      await clock.advance(999);
      expect(polls).toBe(1);
      expect(subscription.status).toMatchObject({ state: 'waiting', error: { code } });
      await clock.advance(2_001);
      expect(polls).toBe(3);
      expect(errors).toHaveLength(2);
      expect(subscription.status.state).toBe('active');
      await events.close();
    }
  });

  it('DIALECT-09 leaves the codes of other requests alone', async () => {
    const { server } = await world();
    server.capabilities = { ...server.capabilities, tools: {} };
    server.on('tools/call', () => {
      throw new RpcFailure(-32012);
    });
    const client = await server.client();
    const events = new EventsClient(client);
    await events.list();
    const refused = client.callTool({ name: 'x', arguments: {} });
    await expect(refused).rejects.toMatchObject({ code: -32012 });
    await expect(refused).rejects.not.toBeInstanceOf(EventsError);
    await events.close();
  });

  it('InvalidParams ends the subscription: the same request would be refused again', async () => {
    const { server, events, clock } = await world();
    server.on(Methods.stream, () => {
      throw new RpcFailure(-32602);
    });
    const reader = new Reader(await events.subscribe('incident.opened', { wrong: true }));
    await clock.advance(600_000);
    expect(reader.error).toMatchObject({ errorName: 'InvalidParams' });
    expect(server.streams()).toHaveLength(1);
    await events.close();
  });
});

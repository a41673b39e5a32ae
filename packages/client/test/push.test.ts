import { EventsError, Methods, Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { type Gap, memoryStore } from '../src/index.ts';
import { pending, type RawServer } from './support/rawServer.ts';
import { Reader, settle, world } from './support/world.ts';

function cursors(server: RawServer): unknown[] {
  return server.requests(Methods.stream).map(({ params }) => params['cursor']);
}

describe('push', () => {
  it('CLIENT-05 hands out events in order, with the same members as in other modes', async () => {
    const { server, events } = await world();
    const subscription = await events.subscribe<{ id: string }>('incident.opened', { severity: 'P1' });
    const reader = new Reader(subscription);
    await settle();
    expect(server.stream().request.params).toMatchObject({
      name: 'incident.opened',
      arguments: { severity: 'P1' },
      cursor: null,
    });
    const stream = server.stream();
    stream.active('c0');
    stream.event('e1', 'c1', { _meta: { trace: 'x' } });
    stream.event('e2', 'c2');
    await settle();
    expect(reader.events).toEqual([
      {
        eventId: 'e1',
        name: 'incident.opened',
        timestamp: '2026-07-28T12:00:00Z',
        data: { id: 'e1' },
        cursor: 'c1',
        _meta: { trace: 'x' },
        delivery: 'push',
      },
      {
        eventId: 'e2',
        name: 'incident.opened',
        timestamp: '2026-07-28T12:00:00Z',
        data: { id: 'e2' },
        cursor: 'c2',
        delivery: 'push',
      },
    ]);
    expect(subscription.status).toEqual({ state: 'active', delivery: 'push' });
    await events.close();
  });

  it('PUSH-17 PUSH-19 reopens with the last cursor when the stream ends, with or without a result', async () => {
    const { server, events, clock } = await world();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    server.stream().active('c0');
    server.stream().event('e1', 'c1');
    server.stream().end();
    await clock.advance(999);
    expect(server.streams()).toHaveLength(1);
    await clock.advance(1);
    expect(cursors(server)).toEqual([null, 'c1']);
    server.stream().active('c1');
    server.stream().event('e2', 'c2');
    await server.die();
    await clock.advance(1_000);
    expect(cursors(server)).toEqual([null, 'c1', 'c2']);
    server.stream().event('e3', 'c3');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3']);
    await events.close();
  });

  it('PUSH-19 opens every stream again after the server process was replaced', async () => {
    const { server, events, clock } = await world();
    for (const n of [1, 2, 3]) await events.subscribe('incident.opened', { n });
    await settle();
    for (const stream of server.streams()) stream.event(`e${stream.request.params['arguments'].n}`, 'c');
    await server.die();
    await clock.advance(1_000);
    const reopened = server.requests(Methods.stream).slice(3);
    expect(reopened.map(({ params }) => [params['arguments'].n, params['cursor']])).toEqual([
      [1, 'c'],
      [2, 'c'],
      [3, 'c'],
    ]);
    expect(events.subscriptions).toHaveLength(3);
    // One new connection serves all three.
    expect(server.requests('server/discover')).toHaveLength(2);
    await events.close();
  });

  it('PUSH-17 CLIENT-07 cancels one stream and leaves the others delivering', async () => {
    const { server, events, warnings } = await world();
    const subscriptions = [];
    for (const n of [1, 2, 3]) subscriptions.push(await events.subscribe('incident.opened', { n }));
    const readers = subscriptions.map((subscription) => new Reader(subscription));
    await settle();
    const streams = server.streams();
    await subscriptions[1]!.cancel();
    await settle();
    expect(server.cancelled).toEqual([streams[1]!.request.id]);
    for (const [index, stream] of streams.entries()) stream.event(`e${index}`, 'c');
    // PUSH-15 allows a result after the cancel.
    streams[1]!.end();
    await settle();
    expect(readers.map(({ ids }) => ids)).toEqual([['e0'], [], ['e2']]);
    expect(readers[1]!.done).toBe(true);
    expect(warnings).toEqual([]);
    await events.close();
  });

  it('CUR-04 reads members of a message that are null as absent', async () => {
    const { server, events, warnings } = await world();
    server.on(Methods.stream, () => pending);
    const subscribing = events.subscribe('incident.opened');
    await settle();
    server.stream().notify(Notifications.active, { cursor: 'c7', truncated: null });
    server.stream().notify(Notifications.heartbeat, { cursor: null, extra: null });
    expect((await subscribing).cursor).toBe('c7');
    expect(warnings).toEqual([]);
    await events.close();
  });

  it('PUSH-18 takes a stream for dead after more than two heartbeat intervals of silence, not before', async () => {
    const { server, events, clock } = await world({ heartbeatIntervalMs: 30_000 });
    const errors: Error[] = [];
    await events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) });
    await settle();
    server.stream().active('c0');
    await clock.advance(40_000);
    server.stream().heartbeat('c1');
    await clock.advance(60_000);
    expect(server.streams()).toHaveLength(1);
    await clock.advance(1);
    expect(errors).toMatchObject([{ code: 'STREAM_SILENT' }]);
    await clock.advance(1_000);
    expect(cursors(server)).toEqual([null, 'c1']);
    expect(server.cancelled).toEqual([server.streams()[0]!.request.id]);
    await events.close();
  });

  it('PUSH-18 counts any message of the stream as life, and watches the opening too', async () => {
    const { server, events, clock } = await world();
    await events.subscribe('incident.opened', {}, { delivery: 'push' });
    await clock.advance(60_000);
    expect(server.streams()).toHaveLength(1);
    await clock.advance(1_001);
    expect(server.streams()).toHaveLength(2);
    for (const send of [
      () => server.stream().active('c0'),
      () => server.stream().error(-32603),
      () => server.stream().event('e1', 'c1'),
      () => server.stream().heartbeat('c2'),
    ]) {
      send();
      await clock.advance(59_000);
    }
    expect(server.streams()).toHaveLength(2);
    await events.close();
  });

  it('CLIENT-09 backs off exponentially with jitter while the server refuses', async () => {
    const draws: number[] = [];
    const { server, events, clock } = await world({
      random: () => {
        draws.push(0.5);
        return 0.5;
      },
    });
    const at: number[] = [];
    server.on(Methods.stream, () => {
      at.push(clock.now());
      throw { rpc: { code: -32603, message: 'down' } };
    });
    await events.subscribe('incident.opened', {}, { delivery: 'push' });
    await clock.advance(200_000);
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    expect(waits.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(draws.length).toBeGreaterThanOrEqual(waits.length);
    await events.close();
  });

  it('does not hammer a server that accepts each stream and drops it at once', async () => {
    const { server, events, clock } = await world();
    server.on(Methods.stream, (request) => {
      server.stream().active('c0');
      return { _meta: { [SUBSCRIPTION_ID_META_KEY]: request.id } };
    });
    await events.subscribe('incident.opened', {}, { delivery: 'push' });
    await clock.advance(60_000);
    expect(server.streams().length).toBeLessThan(10);
    await events.close();
  });

  it('CUR-01 CLIENT-06 sends back the cursor received last, unchanged, whatever carried it', async () => {
    const { server, events, clock } = await world();
    const strange = '\u0000ÿ \n"\\🙂';
    const steps: [() => void, string][] = [
      [() => server.stream().active(`${strange}a`), `${strange}a`],
      [() => server.stream().event('e1', `${strange}b`), `${strange}b`],
      [() => server.stream().heartbeat(strange), strange],
      [() => server.stream().active('z', true), 'z'],
      [() => server.stream().event('e1', 'again'), 'again'],
    ];
    new Reader(await events.subscribe('incident.opened'));
    for (const [send, expected] of steps) {
      await settle();
      send();
      server.stream().end();
      await clock.advance(9_000);
      expect(cursors(server).at(-1)).toBe(expected);
    }
    await events.close();
  });

  it('CUR-04 CUR-05 reads a missing cursor as null, keeps it from being a position and reconnects with null', async () => {
    const store = memoryStore();
    const { server, events, clock } = await world({ store });
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    const stream = server.stream();
    stream.notify(Notifications.active, {});
    stream.event('e1');
    stream.event('e2', null);
    stream.notify(Notifications.heartbeat, {});
    stream.end();
    await clock.advance(1_000);
    expect(reader.ids).toEqual(['e1', 'e2']);
    expect(cursors(server)).toEqual([null, null]);
    expect(await store.list()).toMatchObject([{ cursor: null, seen: [] }]);
    await events.close();
  });

  it('CUR-13 tells a gap once, at its place, stores the fresh cursor and keeps the stream', async () => {
    const store = memoryStore();
    const order: string[] = [];
    const gaps: Gap[] = [];
    const { server, events } = await world({ store });
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      {
        from: 'stale',
        onGap: (gap) => {
          order.push('gap');
          gaps.push(gap);
        },
      },
    );
    await settle();
    const stream = server.stream();
    stream.active('fresh', true);
    stream.event('e1', 'c1');
    stream.active('after', true);
    stream.event('e2', 'c2');
    await settle();
    expect(gaps).toEqual([{ reason: 'truncated', cursor: 'fresh' }]);
    expect(await store.list()).toMatchObject([{ cursor: 'fresh' }]);
    for (const id of ['e1', 'e2']) {
      const { value } = await subscription.next();
      order.push(value!.eventId);
      expect(value!.eventId).toBe(id);
    }
    expect(order).toEqual(['gap', 'e1', 'gap', 'e2']);
    expect(subscription.cursor).toBe('after');
    expect(server.streams()).toHaveLength(1);
    expect(subscription.status.state).toBe('active');
    await events.close();
  });

  it('CUR-14 ignores truncated for a type without cursors', async () => {
    let gaps = 0;
    const { server, events } = await world();
    await events.subscribe('incident.opened', {}, { onGap: () => void (gaps += 1) });
    await settle();
    server.stream().active(null, true);
    await settle();
    expect(gaps).toBe(0);
    await events.close();
  });

  it('ORDER-04 hands out a repeated event once, also after a reconnect that overlaps', async () => {
    const { server, events, clock } = await world();
    const subscription = await events.subscribe('incident.opened');
    const reader = new Reader(subscription);
    await settle();
    server.stream().event('e1', 'c1');
    server.stream().event('e1', 'c1');
    server.stream().event('e2', 'c2');
    server.stream().end();
    await clock.advance(1_000);
    for (const n of [1, 2, 3]) server.stream().event(`e${n}`, `c${n}`);
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e3']);
    expect(subscription.cursor).toBe('c3');
    await events.close();
  });

  it('DIALECT-16 matches a stream result with empty _meta by its JSON-RPC id', async () => {
    const { server, events, clock } = await world();
    await events.subscribe('incident.opened', { n: 1 });
    const other = await events.subscribe('incident.opened', { n: 2 });
    await settle();
    const [first, second] = server.streams();
    first!.active('c0');
    second!.active('c0');
    server.withResultType = false;
    server.answer(first!.request.id, { _meta: {} });
    await clock.advance(1_000);
    expect(server.requests(Methods.stream).map(({ params }) => params['arguments'].n)).toEqual([1, 2, 1]);
    expect(other.status.state).toBe('active');
    await events.close();
  });

  it('routes by value and JSON type of the subscription id, and reports what belongs to no stream', async () => {
    const { server, events, warnings } = await world();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    const { id } = server.stream().request;
    const event = { eventId: 'e1', name: 'incident.opened', timestamp: 't', data: {}, cursor: 'c1' };
    for (const meta of [{ [SUBSCRIPTION_ID_META_KEY]: String(id) }, {}, { [SUBSCRIPTION_ID_META_KEY]: 99 }]) {
      server.send({ jsonrpc: '2.0', method: Notifications.event, params: { ...event, _meta: meta } });
    }
    await settle();
    expect(typeof id).toBe('number');
    expect(reader.ids).toEqual([]);
    expect(warnings).toHaveLength(3);
    await events.close();
  });

  it('PUSH-07 reports a recoverable error and goes on', async () => {
    const errors: Error[] = [];
    const { server, events } = await world();
    const reader = new Reader(
      await events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) }),
    );
    await settle();
    server.stream().error(-32012, { reason: 'upstream' });
    server.stream().event('e1', 'c1');
    await settle();
    expect(errors).toMatchObject([{ errorName: 'Forbidden', data: { reason: 'upstream' } }]);
    expect(errors[0]).toBeInstanceOf(EventsError);
    expect(reader.ids).toEqual(['e1']);
    expect(server.streams()).toHaveLength(1);
    await events.close();
  });

  it('CLIENT-12 CUR-13 tells a gap for the beginning of a stream that cannot be read: it may have told one', async () => {
    const gaps: Gap[] = [];
    const { server, events } = await world();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { from: 'c0', onGap: (gap) => void gaps.push(gap) },
    );
    await settle();
    for (const truncated of ['true', 1]) {
      server.stream().notify(Notifications.active, { cursor: 'c9', truncated });
      await settle();
    }
    expect(gaps).toEqual([1, 2].map(() => ({ reason: 'unreadable', cursor: 'c9' })));
    expect(subscription.cursor).toBe('c9');
    await events.close();
  });

  it('CLIENT-19 cuts the texts of a server in errors and warnings', async () => {
    const long = 'x'.repeat(100_000);
    const errors: Error[] = [];
    const { server, events, warnings } = await world();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { from: 'c0', onError: (error) => errors.push(error) },
    );
    await settle();
    server.stream().notify(Notifications.error, { error: { code: -32603, message: long } });
    server.stream().notify(`notifications/events/${long}`, {});
    server.send({ jsonrpc: '2.0', method: `notifications/events/${long}`, params: {} });
    const _meta = { [SUBSCRIPTION_ID_META_KEY]: long };
    server.send({ jsonrpc: '2.0', method: Notifications.event, params: { _meta } });
    server.stream().notify(Notifications.terminated, { error: { code: -32024, message: long } });
    await settle();
    const { error } = subscription.status;
    const texts = [...errors, error!].map(({ message }) => message).concat(warnings);
    expect(texts).toHaveLength(5);
    for (const text of texts) expect(text.length).toBeLessThan(1_200);
    await events.close();
  });

  it('survives messages that are not what the protocol describes', async () => {
    const { server, events, warnings } = await world();
    const reader = new Reader(await events.subscribe('incident.opened'));
    await settle();
    const stream = server.stream();
    const bad: [string, Record<string, unknown>][] = [
      [Notifications.event, {}],
      [Notifications.event, { eventId: '', name: 'incident.opened', timestamp: 't', data: {} }],
      [Notifications.event, { eventId: 'x', name: 'other', timestamp: 't', data: {} }],
      [Notifications.event, { eventId: 'x', name: 'incident.opened', timestamp: 't', data: [] }],
      [Notifications.event, { eventId: 'x', name: 'incident.opened', timestamp: 't', data: {}, cursor: 5 }],
      [Notifications.active, { cursor: {}, truncated: 'yes' }],
      [Notifications.heartbeat, { cursor: 7 }],
      [Notifications.error, {}],
      [Notifications.terminated, { error: 'gone' }],
      ['notifications/events/unheard-of', {}],
    ];
    for (const [method, params] of bad) stream.notify(method, params);
    stream.event('good', 'c1');
    await settle();
    expect(warnings).toHaveLength(bad.length);
    expect(reader.ids).toEqual(['good']);
    await events.close();
  });
});

describe('a slow application', () => {
  it('keeps a bounded number of events, stops the stream and resumes from the last one kept', async () => {
    const { server, events, warnings } = await world({ maxBufferedEvents: 4 });
    const subscription = await events.subscribe('incident.opened');
    await settle();
    server.stream().active('c0');
    for (let n = 1; n <= 100; n += 1) server.stream().event(`e${n}`, `c${n}`);
    await settle();
    expect(subscription.status.state).toBe('paused');
    expect(server.cancelled).toHaveLength(1);
    const taken: string[] = [];
    for (let n = 1; n <= 2; n += 1) taken.push((await subscription.next()).value!.eventId);
    await settle();
    expect(cursors(server)).toEqual([null, 'c4']);
    server.stream().active('c4');
    for (let n = 5; n <= 6; n += 1) server.stream().event(`e${n}`, `c${n}`);
    for (let n = 3; n <= 6; n += 1) taken.push((await subscription.next()).value!.eventId);
    expect(taken).toEqual(['e1', 'e2', 'e3', 'e4', 'e5', 'e6']);
    expect(warnings).toEqual([]);
    await events.close();
  });

  it('counts bytes too, and takes an event beyond the bound when nothing else waits', async () => {
    const { server, events } = await world({ maxBufferedBytes: 10_000 });
    const subscription = await events.subscribe('incident.opened');
    await settle();
    server.stream().event('big', 'c1', { data: { text: 'x'.repeat(50_000) } });
    await settle();
    expect(server.cancelled).toEqual([]);
    server.stream().event('next', 'c2');
    await settle();
    expect(server.cancelled).toHaveLength(1);
    expect((await subscription.next()).value!.eventId).toBe('big');
    await settle();
    expect(cursors(server)).toEqual([null, 'c1']);
    await events.close();
  });

  it('drops events of a type without replay and tells one gap at their place', async () => {
    const order: string[] = [];
    const { server, events } = await world({ maxBufferedEvents: 2 });
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      { onGap: ({ reason }) => void order.push(reason) },
    );
    await settle();
    server.stream().active(null);
    for (let n = 1; n <= 10; n += 1) server.stream().event(`e${n}`, null);
    for (let n = 1; n <= 2; n += 1) order.push((await subscription.next()).value!.eventId);
    server.stream().event('e11', null);
    order.push((await subscription.next()).value!.eventId);
    expect(order).toEqual(['e1', 'e2', 'overflow', 'e11']);
    expect(server.streams()).toHaveLength(1);
    await events.close();
  });
});

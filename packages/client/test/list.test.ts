import { EXTENSION_ID, Methods, Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { eventType, pending, type RawRequest, type RawServer } from './support/rawServer.ts';
import { settle, world } from './support/world.ts';

describe('events/list', () => {
  it('LIST-04 follows opaque cursors until nextCursor is missing; the empty string is one', async () => {
    const { server, events } = await world();
    const pages: Record<string, unknown> = {
      first: { events: [eventType('a', ['poll'])], nextCursor: '' },
      '': { events: [eventType('b', ['poll'])], nextCursor: 'ÿ"\\x' },
      'ÿ"\\x': { events: [eventType('c', ['poll'])] },
    };
    server.on(Methods.list, ({ params }: RawRequest) => pages[params['cursor'] ?? 'first']);
    expect((await events.list()).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(server.requests(Methods.list).map(({ params }) => params['cursor'])).toEqual([undefined, '', 'ÿ"\\x']);
    await events.list();
    expect(server.requests(Methods.list)).toHaveLength(3);
    await events.list({ refresh: true });
    expect(server.requests(Methods.list)).toHaveLength(6);
    await events.close();
  });

  it('LIST-04 gives up on a list that does not end', async () => {
    const { server, events } = await world();
    server.on(Methods.list, () => ({ events: [], nextCursor: 'same' }));
    await expect(events.list()).rejects.toMatchObject({ code: 'MALFORMED_ANSWER' });
    let page = 0;
    server.on(Methods.list, () => ({ events: [], nextCursor: String((page += 1)) }));
    await expect(events.list()).rejects.toMatchObject({ code: 'MALFORMED_ANSWER' });
    expect(page).toBe(1_000);
    await events.close();
  });

  it('skips entries that are not event types and says so', async () => {
    const { server, events, warnings } = await world();
    server.types = [{ name: 5 }, eventType('good', ['poll', 'smoke-signal']), null as any];
    expect(await events.list()).toMatchObject([{ name: 'good', delivery: ['poll'] }]);
    expect(warnings).toHaveLength(2);
    server.on(Methods.list, () => ({ events: 'none' }));
    await expect(events.list({ refresh: true })).rejects.toMatchObject({ code: 'MALFORMED_ANSWER' });
    await events.close();
  });

  it('looks for a type missing from a cached list once more before it refuses', async () => {
    const { server, events } = await world();
    await events.list();
    server.types.push(eventType('later', ['push']));
    await events.subscribe('later');
    await expect(events.subscribe('never')).rejects.toMatchObject({ errorName: 'NotFound', data: { kind: 'event' } });
    expect(server.requests(Methods.list)).toHaveLength(3);
    await events.close();
  });
});

describe('changes of the list', () => {
  function announcing(server: RawServer, honoured = true): void {
    server.capabilities = { extensions: { [EXTENSION_ID]: { listChanged: true } } };
    server.on('subscriptions/listen', ({ id }) => {
      const notifications = honoured ? { eventsListChanged: true } : {};
      const _meta = { [SUBSCRIPTION_ID_META_KEY]: id };
      server.send({
        jsonrpc: '2.0',
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications, _meta },
      });
      return pending;
    });
  }
  function announce(server: RawServer): void {
    const { id } = server.requests('subscriptions/listen').at(-1)!;
    const params = { _meta: { [SUBSCRIPTION_ID_META_KEY]: id } };
    server.send({ jsonrpc: '2.0', method: Notifications.listChanged, params });
  }

  it('LIST-12 lists again after list_changed, and after a listen request that was interrupted', async () => {
    const seen: string[][] = [];
    const { server, events, clock } = await world({
      onEventTypesChanged: (types) => seen.push(types.map(({ name }) => name)),
    });
    announcing(server);
    await events.list();
    await settle();
    expect(server.requests('subscriptions/listen')[0]!.params['notifications']).toEqual({ eventsListChanged: true });
    expect(server.requests(Methods.list)).toHaveLength(1);

    server.types.push(eventType('new', ['poll']));
    announce(server);
    await settle();
    expect(seen).toEqual([['incident.opened', 'new']]);
    expect(server.requests(Methods.list)).toHaveLength(2);
    await events.list();
    expect(server.requests(Methods.list)).toHaveLength(2);

    server.answer(server.requests('subscriptions/listen')[0]!.id, {});
    server.types.pop();
    await clock.advance(1_000);
    expect(server.requests('subscriptions/listen')).toHaveLength(2);
    expect(seen.at(-1)).toEqual(['incident.opened']);
    await events.close();
    expect(server.cancelled).toContain(server.requests('subscriptions/listen')[1]!.id);
  });

  it('LIST-12 CLIENT-09 a server that accepts each listen request and ends it is not asked every second', async () => {
    const { server, events, clock } = await world({ onEventTypesChanged: () => {} });
    announcing(server);
    await events.list();
    await settle();
    for (let second = 0; second < 600; second += 1) {
      server.answer(server.requests('subscriptions/listen').at(-1)!.id, {});
      await clock.advance(1_000);
    }
    expect(server.requests('subscriptions/listen').length).toBeLessThan(20);
    // One that lasted is asked again soon.
    await clock.advance(120_000);
    const before = server.requests('subscriptions/listen').length;
    server.answer(server.requests('subscriptions/listen').at(-1)!.id, {});
    await clock.advance(1_000);
    expect(server.requests('subscriptions/listen')).toHaveLength(before + 1);
    await events.close();
  });

  it('LIST-12 does not watch a server that does not announce changes, or does not honour the wish', async () => {
    const silent = await world({ onEventTypesChanged: () => {} });
    await silent.events.list();
    await settle();
    expect(silent.server.requests('subscriptions/listen')).toEqual([]);
    await silent.events.close();

    const refusing = await world({ onEventTypesChanged: () => {} });
    announcing(refusing.server, false);
    await refusing.events.list();
    await refusing.clock.advance(600_000);
    expect(refusing.server.requests('subscriptions/listen')).toHaveLength(1);
    expect(refusing.warnings.join()).toContain('eventsListChanged');
    await refusing.events.close();
  });
});

import { forbidden, memoryStorage } from '@mcp-events/server';
import type { EventHandle, Storage, StoredDeadLetter, Verdict } from '@mcp-events/server';
import { describe, expect, it, vi } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted, httpServer } from './kit/servers.ts';
import { keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import { TRUSTED, webhookServer } from './kit/webhookServer.ts';
import type { TestWebhookOptions, WebhookTestServer } from './kit/webhookServer.ts';

const input = { type: 'object', properties: { n: { type: 'integer' } } };

/** A server with one webhook subscription to `counted`. */
async function subscribed(
  webhooks: TestWebhookOptions = {},
  definition: object = {},
  options: Parameters<typeof webhookServer>[1] = {},
): Promise<{ server: WebhookTestServer; type: EventHandle; id: string }> {
  const server = webhookServer(webhooks, options);
  const type = server.events.define('counted', { ...counted, ...definition });
  await settle();
  const { id } = await server.subscribe('counted');
  return { server, type, id };
}

async function emitted(type: EventHandle, n: number, options?: Parameters<EventHandle['emit']>[1]): Promise<string> {
  const { eventId } = await type.emit({ n }, options);
  await settle();
  return eventId;
}

describe('why a webhook subscription did not get an event', () => {
  it('DELIV-11 it did: the endpoint acknowledged it, also while events before it are outstanding', async () => {
    const { server, type, id } = await subscribed();
    const first = await emitted(type, 1);
    expect(await server.events.inspect().why(id, first)).toMatchObject({ verdict: 'delivered' });
    server.recorder.answer = ({ body }) => (body.data?.n === 2 ? 'hang' : undefined);
    const second = await emitted(type, 2);
    const third = await emitted(type, 3);
    expect(await server.events.inspect().why(id, third)).toMatchObject({ verdict: 'delivered' });
    expect(await server.events.inspect().why(id, second)).toMatchObject({
      verdict: 'outstanding',
      state: 'sending',
      attempts: 1,
      lastError: null,
    });
  });

  it('DIALECT-06 is asked by the id its author gave it, which may not fit into a header', async () => {
    const { server, type, id } = await subscribed();
    await emitted(type, 1, { eventId: 'Bestellung für Zoë' });
    expect(await server.events.inspect().why(id, 'Bestellung für Zoë')).toMatchObject({ verdict: 'delivered' });
  });

  it('DELIV-05 it is tried again, and when', async () => {
    const { server, type, id } = await subscribed();
    server.recorder.answer = () => 500;
    const eventId = await emitted(type, 1);
    expect(await server.events.inspect().why(id, eventId)).toEqual({
      verdict: 'outstanding',
      state: 'retrying',
      attempts: 1,
      nextAttemptAt: new Date(server.clock.now() + 5_000).toISOString(),
      lastError: 'http_5xx',
      message: expect.stringContaining('tried 1 times'),
    });
  });

  it('DELIV-08 it was given up, and is a dead letter, also when the subscription has ended since', async () => {
    const { server, type, id } = await subscribed({ retry: { attempts: 1 } });
    server.recorder.answer = () => 500;
    const eventId = await emitted(type, 1);
    const expected = { verdict: 'abandoned', number: 1, attempts: 1, reason: 'http_5xx' };
    expect(await server.events.inspect().why(id, eventId)).toMatchObject(expected);
    await server.unsubscribe('counted');
    expect(await server.events.inspect().why(id, eventId)).toMatchObject(expected);
  });

  it('DELIV-13 the subscription is suspended, for what was tried and for what was not', async () => {
    const { server, type, id } = await subscribed({ suspension: { minAttempts: 1 } });
    server.recorder.answer = () => 500;
    const tried = await emitted(type, 1);
    const untried = await emitted(type, 2);
    const since = new Date(server.clock.now()).toISOString();
    for (const eventId of [tried, untried]) {
      expect(await server.events.inspect().why(id, eventId)).toMatchObject({
        verdict: 'suspended',
        since,
        lastError: 'http_5xx',
      });
    }
  });

  it('DELIV-09 DELIV-10 DELIV-14 the endpoint does not want it, or it is too large', async () => {
    const { server, type, id } = await subscribed();
    server.recorder.answer = () => 410;
    const eventId = await emitted(type, 1);
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'refused', reason: 'refused' });
    const large = await type.emit({ n: 1, text: 'x'.repeat(256 * 1024 - 30) });
    await settle();
    expect(await server.events.inspect().why(id, large.eventId)).toMatchObject({
      verdict: 'refused',
      reason: 'too_large',
    });
  });

  it('DELIV-08 DELIV-09 does not claim an acknowledgement where refusals or dead letters may be forgotten', async () => {
    const { server, type, id } = await subscribed();
    const messageOf = async (eventId: string): Promise<string> =>
      (await server.events.inspect().why(id, eventId)).message;
    const acknowledged = await emitted(type, 1);
    expect(await messageOf(acknowledged)).toBe('the endpoint has acknowledged it');
    server.recorder.answer = () => 410;
    const refused = await emitted(type, 2);
    for (let n = 3; n <= 20; n++) await emitted(type, n);
    for (const eventId of [acknowledged, refused]) {
      expect(await messageOf(eventId)).toContain('not among the latest that were refused or given up');
    }
  });

  it('delivery is not there yet', async () => {
    const { server, type, id } = await subscribed({ limits: { outstandingPerSubscription: 1 } });
    server.recorder.answer = () => 'hang';
    await emitted(type, 1);
    await emitted(type, 2);
    const third = await emitted(type, 3);
    expect(await server.events.inspect().why(id, third)).toMatchObject({ verdict: 'notReached', eventsBehind: 3 });
  });

  it('EMIT-04 EMIT-07 the filter, match or the target keeps it away', async () => {
    const match = (_context: unknown, { data }: { data: { n?: number } }): boolean => {
      if (data.n === 13) throw new Error('unlucky');
      // Nobody can make a text of it.
      if (data.n === 14) throw Object.create(null);
      return data.n !== 7;
    };
    const server = webhookServer();
    const type = server.events.define('counted', { ...counted, input, filter: { n: 'n' } });
    const matched = server.events.define('matched', { ...counted, match });
    const filtering = await server.subscribe('counted', { arguments: { n: 1 } });
    const matching = await server.subscribe('matched');
    const why = (id: string, eventId: string) => server.events.inspect().why(id, eventId);
    expect(await why(filtering.id, await emitted(type, 2))).toMatchObject({
      verdict: 'filtered',
      argument: 'n',
      field: 'n',
    });
    expect(await why(filtering.id, await emitted(type, 1, { target: 'sub_other' }))).toMatchObject({
      verdict: 'otherTarget',
    });
    expect(await why(matching.id, await emitted(matched, 7))).toMatchObject({ verdict: 'notMatched' });
    expect(await why(matching.id, await emitted(matched, 13))).toMatchObject({
      verdict: 'undecidable',
      message: expect.stringContaining('unlucky'),
    });
    expect(await why(matching.id, await emitted(matched, 14))).toMatchObject({ verdict: 'undecidable' });
    expect(await why(matching.id, await emitted(matched, 8))).toMatchObject({ verdict: 'delivered' });
  });

  it('happened before the subscription started', async () => {
    const server = webhookServer();
    const type = server.events.define('counted', counted);
    const eventId = await emitted(type, 1);
    const { id } = await server.subscribe('counted');
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'beforeStart' });
  });

  it('EMIT-08 it is not retained any more, or there never was one', async () => {
    const { server, type, id } = await subscribed({}, { retention: { maxCount: 2 } });
    const gone = await emitted(type, 1);
    expect(await server.events.inspect().why(id, 'evt_other')).toMatchObject({ verdict: 'unknownEvent' });
    const kept = [await emitted(type, 2), await emitted(type, 3)];
    expect(await server.events.inspect().why(id, gone)).toMatchObject({
      verdict: 'notRetained',
      keptSince: new Date(server.clock.now()).toISOString(),
    });
    for (const eventId of kept) {
      expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'delivered' });
    }
  });

  it('AUTH-02 its principal may not have it any more', async () => {
    let allowed = true;
    const { server, type, id } = await subscribed(
      { limits: { outstandingPerSubscription: 1 } },
      { authorize: () => allowed },
    );
    server.recorder.answer = () => 'hang';
    await emitted(type, 1);
    const eventId = await emitted(type, 2);
    allowed = false;
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'notAuthorized' });
  });

  it('TERM-01 the subscription has ended, and why; or nobody knows of it', async () => {
    const { server, type, id } = await subscribed();
    const eventId = await emitted(type, 1);
    void server.events.terminate({ id }, forbidden('revoked'));
    const endedAt = new Date(server.clock.now()).toISOString();
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({
      verdict: 'ended',
      endedAt,
      reason: 'Forbidden',
    });
    await server.subscribe('counted');
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'beforeStart' });
    await server.unsubscribe('counted');
    const answer = await server.events.inspect().why(id, eventId);
    expect(answer).toMatchObject({ verdict: 'ended' });
    expect(answer).not.toHaveProperty('reason');
    expect(await server.events.inspect().why('sub_other', eventId)).toMatchObject({ verdict: 'unknownSubscription' });
  });

  it('TTL-10 the subscription is stored and did not come back yet; then an earlier run was past the event', async () => {
    const clock = new FakeClock();
    const store = new TestSubscriptionStore();
    const storage = keptStorage(clock);
    const first = await subscribed({ store }, {}, { clock, storage });
    const eventId = await emitted(first.type, 1);
    await first.server.events.close();
    const next = webhookServer({ store }, { clock, storage });
    await settle();
    expect(await next.events.inspect().why(first.id, eventId)).toMatchObject({ verdict: 'notRestored' });
    next.events.define('counted', counted);
    await settle();
    expect(await next.events.inspect().why(first.id, eventId)).toMatchObject({ verdict: 'delivered' });
  });

  it('its type keeps no log', async () => {
    const { server, type, id } = await subscribed({}, { replay: false });
    const eventId = await emitted(type, 1);
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'notKept' });
    server.recorder.answer = () => 'hang';
    const outstanding = await emitted(type, 2);
    expect(await server.events.inspect().why(id, outstanding)).toMatchObject({ verdict: 'outstanding' });
  });

  it('finds an event among many pages', async () => {
    const { server, type, id } = await subscribed();
    const eventId = await emitted(type, 0);
    for (let n = 1; n <= 1_200; n++) await type.emit({ n });
    await settle(100);
    expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'delivered' });
  });
});

describe('why others did not', () => {
  it('finds an event in a log that gives fewer than it is asked for', async () => {
    const storage = memoryStorage({ clock: new FakeClock() });
    const openLog: Storage['openLog'] = (name, retention) => {
      const log = storage.openLog(name, retention);
      const read = log.read.bind(log);
      return Object.assign(log, { read: (position: number) => read(position, 3) });
    };
    const { server, type, id } = await subscribed(
      {},
      {},
      { storage: Object.assign(Object.create(storage), { openLog }) },
    );
    const ids: string[] = [];
    for (let n = 1; n <= 20; n++) ids.push(await emitted(type, n));
    for (const eventId of ids) {
      expect(await server.events.inspect().why(id, eventId)).toMatchObject({ verdict: 'delivered' });
    }
    expect(await server.events.inspect().why(id, 'another')).toMatchObject({ verdict: 'unknownEvent' });
  });

  it('a stream got it, or is not read fast enough', async () => {
    const server = httpServer({ limits: { streamBufferBytes: 1_000 } });
    const type = server.events.define('counted', counted);
    const before = await emitted(type, 0);
    await server.stream('counted');
    const { id } = server.events.subscriptions()[0]!;
    const ids: string[] = [];
    for (let n = 1; n <= 20; n++) ids.push(await emitted(type, n));
    const verdicts: Verdict[] = [];
    for (const eventId of [before, ids[0]!, ids.at(-1)!]) {
      verdicts.push((await server.events.inspect().why(id, eventId)).verdict);
    }
    expect(verdicts).toEqual(['beforeStart', 'sent', 'notReached']);
  });

  it('a poll got it, or has not come since', async () => {
    const server = httpServer();
    const type = server.events.define('counted', counted);
    const before = await emitted(type, 0);
    const { cursor } = await server.poll('counted', null);
    const { id } = server.events.subscriptions()[0]!;
    const eventId = await emitted(type, 1);
    const inspection = server.events.inspect();
    expect(await inspection.why(id, before)).toMatchObject({ verdict: 'beforeStart' });
    const lastPollAt = new Date(server.clock.now()).toISOString();
    await server.clock.advance(1_000);
    expect(await inspection.why(id, eventId)).toMatchObject({ verdict: 'notPolled', lastPollAt });
    await server.poll('counted', cursor);
    expect(await inspection.why(id, eventId)).toMatchObject({ verdict: 'sent' });
  });
});

describe('what a server holds', () => {
  it('STATUS-03 subscriptions with their positions and deliveries', async () => {
    const { server, type, id } = await subscribed({ tellAbandoned: false });
    await server.poll('counted', null);
    await server.stream('counted', {}, { as: 'ada' });
    server.recorder.answer = () => 500;
    const eventId = await emitted(type, 1);
    const inspection = server.events.inspect();
    const { entries } = inspection.subscriptions();
    expect(entries.map(({ mode, principal, lag }) => [mode, principal, lag])).toEqual([
      ['webhook', 'alice', 1],
      ['poll', undefined, 1],
      ['push', 'ada', 0],
    ]);
    const nowIso = new Date(server.clock.now()).toISOString();
    const nextAttemptAt = new Date(server.clock.now() + 5_000).toISOString();
    expect(inspection.subscription(id)).toEqual(entries[0]);
    expect(entries[0]).toEqual({
      id,
      mode: 'webhook',
      name: 'counted',
      principal: 'alice',
      arguments: {},
      cursor: expect.stringMatching(/\.0$/),
      lag: 1,
      lane: {
        url: `${TRUSTED}/a`,
        host: expect.stringContaining('hooks.test'),
        ordered: false,
        refreshBefore: new Date(server.clock.now() + 3_600_000).toISOString(),
        suspendedSince: null,
        failingSince: nowIso,
        lastError: 'http_5xx',
        owesGap: false,
        deliveries: [
          {
            kind: 'event',
            eventId,
            webhookId: expect.stringMatching(/^msg_event_/),
            state: 'waiting',
            attempts: 1,
            nextAttemptAt,
            lastError: 'http_5xx',
            localFault: null,
          },
        ],
      },
    });
    expect(entries[1]).toMatchObject({ lastPollAt: nowIso, cursor: expect.stringMatching(/\.0$/) });
    expect(inspection.subscription('sub_other')).toBeUndefined();
  });

  it('in pages that neither repeat nor leave out what stays', async () => {
    const server = httpServer();
    server.events.define('counted', counted);
    for (let n = 0; n < 5; n++) await server.poll('counted', null, { arguments: { n } });
    const inspection = server.events.inspect();
    const first = inspection.subscriptions({}, { limit: 2 });
    void server.events.terminate({ id: first.entries[1]!.id }, forbidden());
    const second = inspection.subscriptions({}, { limit: 2, after: first.next });
    const third = inspection.subscriptions({}, { limit: 2, after: second.next });
    const numbers = [first, second, third].map(({ entries }) => entries.map((entry) => entry.arguments['n']));
    expect(numbers).toEqual([[0, 1], [2, 3], [4]]);
    expect(third.next).toBeUndefined();
    expect(() => inspection.subscriptions({}, { limit: 0 })).toThrow('limit');
    expect(() => inspection.subscriptions({}, { limit: 1_001 })).toThrow('limit');
  });

  it('those of one mode, name or principal', async () => {
    const { server } = await subscribed();
    await server.stream('counted', {}, { as: 'ada' });
    const inspection = server.events.inspect();
    expect(inspection.subscriptions({ mode: 'push' }).entries.map(({ principal }) => principal)).toEqual(['ada']);
    expect(inspection.subscriptions({ principal: 'alice' }).entries.map(({ mode }) => mode)).toEqual(['webhook']);
    expect(inspection.subscriptions({ name: 'other' }).entries).toEqual([]);
  });

  it('event types with their logs, and queues', async () => {
    const { server, type } = await subscribed({}, { retention: { maxCount: 2 } });
    server.events.define('live', { ...counted, replay: false });
    server.events.define('checked', { ...counted, check: () => ({ events: [], cursor: '0' }) });
    server.recorder.answer = () => 'hang';
    for (let n = 1; n <= 3; n++) await emitted(type, n);
    expect(server.events.inspect().types()).toEqual([
      { name: 'counted', source: 'log', subscriptions: 1, log: { head: 3, oldest: 2, retained: 2 } },
      { name: 'live', source: 'live', subscriptions: 0 },
      { name: 'checked', source: 'check', subscriptions: 0 },
    ]);
    expect(server.events.inspect().queues()).toEqual({
      outbox: 0,
      attempts_running: 3,
      attempts_waiting: 0,
      retries: 0,
    });
  });

  it('DELIV-08 dead letters in pages, without payloads', async () => {
    const { server, type, id } = await subscribed({ retry: { attempts: 1 }, tellAbandoned: false });
    server.recorder.answer = () => 500;
    for (let n = 1; n <= 3; n++) await emitted(type, n);
    const inspection = server.events.inspect();
    const first = await inspection.deadLetters({ subscriptionId: id }, { limit: 2 });
    const second = await inspection.deadLetters({ subscriptionId: id }, { limit: 2, after: first.next });
    expect([...first.entries, ...second.entries].map(({ number, reason }) => [number, reason])).toEqual([
      [1, 'http_5xx'],
      [2, 'http_5xx'],
      [3, 'http_5xx'],
    ]);
    expect(first.entries[0]).not.toHaveProperty('dataJson');
    expect(second.next).toBeUndefined();
    expect((await inspection.deadLetters({ name: 'other' })).entries).toEqual([]);
  });
});

describe('events of a log', () => {
  it('EMIT-19 are listed without payloads, the newest first and in pages, with gaps, so that why() can be asked', async () => {
    const { server, type, id } = await subscribed();
    const ids = [await emitted(type, 1), await emitted(type, 2, { target: id })];
    await type.reportLoss();
    ids.push(await emitted(type, 3, { timestamp: '2025-12-31T23:59:59Z' }));
    const inspection = server.events.inspect();
    const first = await inspection.events('counted', { limit: 3 });
    const second = await inspection.events('counted', { limit: 3, after: first.next });
    expect(first.entries).toMatchObject([
      { kind: 'event', position: 4, eventId: ids[2], timestamp: '2025-12-31T23:59:59Z', target: null },
      { kind: 'gap', position: 3, eventId: null, timestamp: null, target: null },
      { kind: 'event', position: 2, eventId: ids[1], target: id },
    ]);
    expect(second).toMatchObject({ entries: [{ position: 1, eventId: ids[0] }] });
    expect([first.next, second.next, JSON.stringify(first).includes('"n":')]).toEqual([2, undefined, false]);
    const polled = await server.poll('counted', first.entries[2]!.cursor, {}, { as: 'ada' });
    expect([polled.events.map(({ eventId }: { eventId: string }) => eventId), polled.truncated]).toEqual([
      [ids[2]],
      true,
    ]);
    expect(await inspection.why(id, first.entries[0]!.eventId as string)).toMatchObject({ verdict: 'delivered' });
  });

  it('EMIT-19 are none of an empty log, and of a type without one', async () => {
    const server = httpServer();
    server.events.define('counted', { ...counted, retention: { maxCount: 2 } });
    server.events.define('live', { ...counted, replay: false });
    const inspection = server.events.inspect();
    expect(await inspection.events('counted')).toEqual({ entries: [] });
    await expect(inspection.events('live')).rejects.toThrow('live keeps no log');
    await expect(inspection.events('none')).rejects.toThrow('there is no event type "none"');
    for (const limit of [0, 1_001, Number.NaN, 1.5]) {
      await expect(inspection.events('counted', { limit })).rejects.toThrow(
        'limit must be a whole number from 1 to 1000',
      );
    }
  });
});

describe('dead letters', () => {
  const blank: Partial<StoredDeadLetter> = Object.fromEntries(
    ['subscriptionId', 'principal', 'name', 'eventId', 'timestamp', 'dataJson', '_meta', 'cursor'].map((member) => [
      member,
      undefined,
    ]),
  );
  /** Two events, of which the later one was given up first. */
  async function givenUp(): Promise<Awaited<ReturnType<typeof subscribed>>> {
    const made = await subscribed({ retry: { attempts: 1 } });
    made.server.recorder.answer = ({ body }) => (body.data?.n === 1 ? 'hang' : { status: 500 });
    for (const n of [1, 2]) await emitted(made.type, n);
    await made.server.clock.advance(60_000);
    const numbers = (await made.server.events.deadLetters()).map(({ data }) => data['n']);
    expect(numbers).toEqual([2, 1]);
    made.server.recorder.answer = () => undefined;
    return made;
  }

  it('DELIV-08 are delivered again in the order of their events', async () => {
    const { server } = await givenUp();
    const before = server.recorder.events.length;
    expect(await server.events.redrive()).toBe(2);
    await settle();
    expect(server.recorder.events.slice(before).map(({ body }) => body.data.n)).toEqual([1, 2]);
  });

  it('DELIV-08 are forgotten when they are named, and only then', async () => {
    const { server, id } = await givenUp();
    await expect(server.events.discardDeadLetters({})).rejects.toThrow('{ all: true } names all of them');
    await expect(server.events.discardDeadLetters({ name: undefined })).rejects.toThrow(TypeError);
    const [letter] = await server.events.deadLetters();
    expect(await server.events.discardDeadLetters({ number: letter!.number })).toBe(1);
    expect(await server.events.discardDeadLetters({ subscriptionId: 'another' })).toBe(0);
    expect((await server.events.deadLetters({ subscriptionId: id })).map(({ data }) => data['n'])).toEqual([1]);
    expect(await server.events.discardDeadLetters({ all: true })).toBe(1);
    expect(await server.events.deadLetters()).toEqual([]);
  });

  it.each([
    [{ subscription: 'x' }, '"subscription"'],
    [{ principal: undefined, name: 'counted' }, 'principal'],
    [{ number: '1' }, 'number'],
    [{ all: true, name: 'counted' }, '"all"'],
    [{ all: 'yes' }, '"all"'],
    [null, 'filter'],
  ])('DELIV-08 are not forgotten by a filter that does not say which: %j', async (filter, word) => {
    const { server } = await givenUp();
    await expect(server.events.discardDeadLetters(filter as never)).rejects.toThrow(word);
    expect(await server.events.deadLetters()).toHaveLength(2);
  });

  it('DELIV-08 are not looked for by a filter that does not exist', async () => {
    const { server } = await givenUp();
    const filter = { subscription: 'x' } as never;
    for (const asked of [server.events.deadLetters(filter), server.events.redrive(filter)]) {
      await expect(asked).rejects.toThrow('"subscription"');
    }
    await expect(server.events.inspect().deadLetters(filter)).rejects.toThrow('"subscription"');
  });

  it.each<[string, object, string]>([
    ['a payload', { dataJson: 'private' }, 'dataJson: '],
    ['a payload that is no object', { dataJson: '["private"]' }, 'dataJson: '],
    ['metadata', { _meta: 'private' }, '_meta: '],
    ['a reason', { reason: 'private' }, 'reason: '],
    ['everything but the number', { ...blank, number: 1 }, 'eventId: '],
  ])('EMIT-11 DELIV-08 with %s damaged keep back no other, and are reported', async (_what, damage, told) => {
    const storage = memoryStorage();
    const { server, type, id } = await subscribed({ retry: { attempts: 1 }, tellAbandoned: false }, {}, { storage });
    server.recorder.answer = () => 500;
    const first = await emitted(type, 1);
    await emitted(type, 2);
    const find = storage.deadLetters.find.bind(storage.deadLetters);
    vi.spyOn(storage.deadLetters, 'find').mockImplementation(async (...asked) =>
      (await find(...asked)).map((letter) => (letter.number === 1 ? { ...letter, ...damage } : letter)),
    );
    const { events } = server;
    server.recorder.answer = () => undefined;
    const asked: [() => Promise<unknown>, unknown][] = [
      [async () => (await events.deadLetters()).map(({ number }) => number), [2]],
      [async () => (await events.inspect().deadLetters({}, { limit: 1 })).next, 1],
      [async () => (await events.inspect().deadLetters()).entries.map(({ number }) => number), [2]],
      [async () => (await events.inspect().why(id, first)).verdict, 'delivered'],
      [async () => events.redrive(), 1],
    ];
    for (const [ask, answer] of asked) {
      server.errors.length = 0;
      expect(await ask()).toEqual(answer);
      expect(server.errors.map(({ stage }) => stage)).toEqual(['storage']);
      const message = String(server.errors[0]?.error);
      for (const word of ['1 (', told, 'discardDeadLetters({ number: 1 })']) expect(message).toContain(word);
      expect(message).not.toContain('private');
    }
    await settle();
    expect(await events.discardDeadLetters({ number: 1 })).toBe(1);
    server.errors.length = 0;
    expect(await events.deadLetters()).toEqual([]);
    expect(server.errors).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { boundedFetch, EventsClient, eventsTransport, memoryStore } from '../src/index.ts';
import { fileInboxStore, fileStore, nodeHandler } from '../src/node.ts';
import { ArrivalOrder, receiverDocument, WebhookInbox, WebhookReceiver } from '../src/receiver/index.ts';
import { sqliteInbox } from '../src/sqlite.ts';
import { eventType } from './support/rawServer.ts';
import { openDatabase, processWorld } from './support/processWorld.ts';
import { settle, world } from './support/world.ts';

const url = 'https://agent.example/hooks';
const client = (): Promise<never> => Promise.reject(new Error('not asked'));
const make = (options: object): unknown => new EventsClient(client, options);
const clock = { now: () => 0, monotonicMs: () => 0, setTimeout: () => 0, clearTimeout: () => {} };
const register = (more: object): unknown =>
  new WebhookReceiver().register({ secret: 'whsec_', accept: () => 'accepted', ...more } as never);

describe('a member that does not exist is refused', () => {
  it.each<[string, () => unknown]>([
    ['the options of EventsClient has no member "stor"; did you mean "store"?', () => make({ stor: memoryStore() })],
    ['backoff has no member "maxMS"; did you mean "maxMs"?', () => make({ backoff: { maxMS: 5 } })],
    [
      'webhook has no member "ttl"; did you mean "ttlMs"?',
      () => make({ webhook: { url, receiver: new WebhookReceiver(), ttl: 5 } }),
    ],
    [
      'has no member "limit", only maxBodyBytes, toleranceMs, clock, onWarning',
      () => new WebhookReceiver({ limit: 300_000 } as never),
    ],
    ['has no member "tolerance"; did you mean "toleranceMs"?', () => new WebhookReceiver({ tolerance: 5 } as never)],
    ['a callback has no member "Id"; did you mean "id"?', () => register({ Id: 'sub_1' })],
    [
      'ArrivalOrder has no member "maxWait"; did you mean "maxWaitMs"?',
      () => new ArrivalOrder({ maxWait: 1 } as never),
    ],
    ['boundedFetch has no member "Fetch"; did you mean "fetch"?', () => boundedFetch({ Fetch: 5 } as never)],
    ['eventsTransport has no member "fetsh"; did you mean "fetch"?', () => eventsTransport(url, { fetsh: 5 } as never)],
    [
      'eventsTransport has no member "maxMessageByte"; did you mean "maxMessageBytes"?',
      () => eventsTransport(url, { maxMessageByte: 5 } as never),
    ],
    ['sqliteInbox has no member "maxPark"; did you mean', () => sqliteInbox(openDatabase(), { maxPark: 5 } as never)],
    [
      'nodeHandler has no member "onerror"; did you mean',
      () => nodeHandler(() => new Response(), { onerror: 1 } as never),
    ],
  ])('CLIENT-25 %s', (told, act) => {
    expect(act).toThrow(TypeError);
    expect(act).toThrow(told);
  });

  it('CLIENT-25 of what answers later', async () => {
    const { events, server } = await world();
    for (const [told, act] of [
      [
        'subscription has no member "onGaps"; did you mean "onGap"?',
        () => events.subscribe('x', {}, { onGaps() {} } as never),
      ],
      ['list() has no member "refreshed"; did you mean "refresh"?', () => events.list({ refreshed: true } as never)],
      ['the options of a subscription must be an object, not null', () => events.subscribe('x', {}, null as never)],
      ['what is given to resume() must be a function', () => events.resume({} as never)],
      ['WebhookInbox has no member "maxByte"', () => WebhookInbox.open({ maxByte: 1 } as never)],
      ['parked() has no member "limits"', () => sqliteInbox(openDatabase()).parked({ limits: 1 } as never)],
    ] as [string, () => Promise<unknown>][]) {
      await expect(act(), told).rejects.toThrow(told);
    }
    expect(server.received).toEqual([]);
    await events.close();
  });

  it('CLIENT-25 an option of the transport that a later SDK may add is left to it', () => {
    expect(() => eventsTransport(url, { somethingQuiteNew: true } as never)).not.toThrow();
  });

  it('CLIENT-25 what optionsFor returns is read like options, but for a position, which the store has', async () => {
    const { events, server } = await world();
    server.types = [eventType('incident.opened', ['push'])];
    const subscription = await events.subscribe('incident.opened');
    subscription.stop();
    await settle();
    for (const [options, told] of [
      [{ from: null }, 'what optionsFor returned has no member "from"'],
      [{ onGaps: () => {} }, 'did you mean "onGap"?'],
      [Promise.resolve({}), 'what optionsFor returned must be an object, not a promise'],
      [undefined, 'what optionsFor returned must be an object, not undefined'],
    ] as [never, string][]) {
      await expect(events.resume(() => options)).rejects.toThrow(told);
    }
    await events.close();
  });

  it('CLIENT-25 of process(), and the subscription goes on', async () => {
    const w = await processWorld();
    const subscription = await w.events.subscribe('incident.opened');
    const inbox = sqliteInbox(openDatabase());
    const handle = (): void => {};
    for (const [told, ...args] of [
      ['process() has no member "maxAttempt"; did you mean "maxAttempts"?', handle, { inbox, maxAttempt: 3 }],
      ['the options of process() must be an object, not undefined', handle],
      ['inbox must be an object with the methods', handle, { inbox: memoryStore() }],
      ['inbox must be an object with the methods', handle, {}],
      ['the handler must be a function, or an object', undefined, { inbox }],
      ['the handler must be a function, or an object', { handle }, { inbox }],
      ['the handler has no member "handler"; did you mean "handle"?', { prepare: handle, handler: handle }, { inbox }],
    ] as [string, never, never][]) {
      await expect(subscription.process(...args), told).rejects.toThrow(told);
    }
    expect(subscription.stopped.aborted).toBe(false);
    await w.events.close();
  });
});

describe('what stands in the place of something else is refused', () => {
  it.each<[string, () => unknown]>([
    ['the first argument of EventsClient must be a connected Client', () => new EventsClient(url as never)],
    ['its connect()), not a URL', () => new EventsClient(new URL(url) as never)],
    ['not a promise, which has to be waited for first', () => new EventsClient(client().catch(() => {}) as never)],
    ['not undefined', () => new EventsClient(undefined as never)],
    ['the options of EventsClient must be an object, not null', () => new EventsClient(client, null as never)],
    ['store must be an object with the methods', () => make({ store: Promise.resolve() })],
    ['webhook needs a receiver and the url', () => make({ webhook: {} })],
    ['webhook needs a receiver and the url', () => make({ webhook: { receiver: new WebhookReceiver() } })],
    ['webhook must be an object, not "https://agent', () => make({ webhook: url })],
    ['the url of eventsTransport must be the absolute URL', () => eventsTransport('events.example')],
    ['the options of eventsTransport must be an object', () => eventsTransport(url, 5 as never)],
    ['the path given to fileStore must be a text', () => fileStore(undefined as never)],
    ['not a URL', () => fileStore(new URL('file:///a.json') as never)],
    ['the path given to fileInboxStore must be a text', () => fileInboxStore({} as never)],
    ['must be an array of paths, not "/hooks"', () => receiverDocument('/hooks' as never)],
    ['such as "/hooks", not 5', () => receiverDocument([5 as never])],
    ['such as receiver.handle) must be a function', () => nodeHandler(new WebhookReceiver() as never)],
    ['the database must be an object with the methods exec, prepare', () => sqliteInbox('a.db' as never)],
    ['accept must be a function, not undefined', () => register({ accept: undefined })],
    ['the path to refuse must be a text', () => new WebhookReceiver().refuse(undefined as never)],
    ['clock must be an object with the methods', () => new ArrivalOrder({ release() {}, gap() {} } as never)],
    ['gap must be a function, not undefined', () => new ArrivalOrder({ clock, release() {} } as never)],
    ['passed must be an array', () => new ArrivalOrder({ clock, release() {}, gap() {}, passed: 'a' } as never)],
    ['clock must be an object with the methods now, monotonicMs', () => make({ clock: { ...clock, monotonicMs: 1 } })],
  ])('CLIENT-25 %s', (told, act) => {
    expect(act).toThrow(TypeError);
    expect(act).toThrow(told);
  });

  it('CLIENT-25 a secret that is none is not repeated', () => {
    for (const secret of ['whsec_not base64', 5, undefined]) {
      expect(() => register({ secret })).toThrow(TypeError);
      expect(() => register({ secret })).not.toThrow('not base64');
    }
  });

  it('CLIENT-25 options in the place of arguments', async () => {
    const { events, server } = await world();
    server.types = [eventType('incident.opened', ['push'])];
    for (const [args, told] of [
      [{ onGap: () => {} }, 'onGap of the arguments of a subscription must be a JSON value; options are the third'],
      [{ signal: new AbortController().signal }, 'options are the third argument, as in subscribe(name, {}, {'],
      [{ since: Promise.resolve(1) }, 'must be a JSON value, not a promise, which has to be waited for first'],
      [{ delivery: 'poll', from: null }, 'have the names of options, and the event type knows none of them'],
    ] as [never, string][]) {
      await expect(events.subscribe('incident.opened', args), told).rejects.toThrow(told);
    }
    // They are arguments where the caller knows the difference, or the type has one of them.
    await events.subscribe('incident.opened', { delivery: 'poll' }, {});
    server.types = [
      { ...eventType('incident.opened', ['push']), inputSchema: { type: 'object', properties: { from: {} } } },
    ];
    await events.list({ refresh: true });
    await events.subscribe('incident.opened', { from: 'Paris', maxEvents: 3 });
    await events.close();
  });

  it('CLIENT-25 what was meant as a schema', async () => {
    const { events } = await world();
    for (const [payload, told] of [
      [{ id: z.string() }, 'not an object with schemas in it, such as in "id": put z.object() around it'],
      [z.ZodString, 'not a function or a class: call it'],
      [Promise.resolve(z.object({})), 'not a promise, which has to be waited for first'],
      [{ type: 'object' }, 'payload must be a schema that follows Standard Schema'],
    ] as [never, string][]) {
      await expect(events.subscribe('x', {}, { payload }), told).rejects.toThrow(told);
    }
    await events.close();
  });
});

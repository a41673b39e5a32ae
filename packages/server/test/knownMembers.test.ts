import { Events, forbidden, memoryStorage } from '@mcp-events/server';
import { mcpNodeHandler } from '@mcp-events/server/node';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { refuseUnknown } from '@mcp-events/protocol/options';
import { counted, httpServer } from './kit/servers.ts';

it.each([
  ['the options of Events has no member "webhook"; did you mean "webhooks"?', { webhook: {} }],
  ['the options of Events has no member "onerror"; did you mean "onError"?', { onerror: () => {} }],
  ['limits has no member "maxEventPerPoll"; did you mean "maxEventsPerPoll"?', { limits: { maxEventPerPoll: 5 } }],
  ['webhooks has no member "retries"; did you mean "retry"?', { webhooks: { retries: {} } }],
  ['webhooks has no member "alowedOrigins"; did you mean', { webhooks: { alowedOrigins: ['https://a.example'] } }],
  ['webhooks.ttl has no member "max"; did you mean "maxMs"?', { webhooks: { ttl: { max: 5 } } }],
  [
    'webhooks.limits has no member "outstanding"; did you mean "outstandingPerSubscription"?',
    { webhooks: { limits: { outstanding: 5 } } },
  ],
  ['webhooks.egress has no member "resolver"; did you mean "resolve"?', { webhooks: { egress: { resolver: null } } }],
  ['webhooks.egress.tls has no member "CA"; did you mean "ca"?', { webhooks: { egress: { tls: { CA: '' } } } }],
  ['has no member "xyz", only principal, dialect', { xyz: undefined }],
])('EMIT-22 %s', (told, options) => {
  expect(() => new Events(options as never)).toThrow(told);
});

it.each([
  ['event type "counted" has no member "onSubscribed"; did you mean "onSubscribe"?', { onSubscribed: () => {} }],
  ['event type "counted" has no member "Payload"; did you mean "payload"?', { Payload: counted.payload }],
  ['retention of event type "counted" has no member "maxAge"; did you mean "maxAgeMs"?', { retention: { maxAge: 5 } }],
  ['retention of event type "counted" must be an object, as in', { retention: 1_000 }],
  ['retention.maxBytes of event type "counted" must be a number of at least 1', { retention: { maxBytes: '5' } }],
])('EMIT-22 %s, also when it changes', (told, members) => {
  const { events } = httpServer();
  expect(() => events.define('counted', { ...counted, ...members } as never)).toThrow(told);
  const handle = events.define('counted', counted);
  expect(() => handle.update({ ...counted, ...members } as never)).toThrow(told);
});

it('EMIT-22 a name that is too long is neither repeated nor compared whole', () => {
  const name = `payload${'x'.repeat(1_000_000)}`;
  let told = '';
  try {
    refuseUnknown({ [name]: 1 }, ['payload'], 'it');
  } catch (error) {
    told = (error as Error).message;
  }
  expect(told).toBe(`it has no member "${name.slice(0, 64)}", only payload`);
});

it('EMIT-22 an event whose target is misspelt reaches nobody, and an end with another deadline is none', async () => {
  const { events } = httpServer();
  const handle = events.define('counted', counted);
  await expect(handle.emit({ n: 1 }, { tagret: 'sub_1' } as never)).rejects.toThrow(
    'the options of an event of counted has no member "tagret"; did you mean "target"?',
  );
  expect((await events.inspect().events('counted')).entries).toEqual([]);
  expect(() => void events.close(8_000 as never)).toThrow('close() takes an object of options');
  expect(() => void events.close(null as never)).toThrow('close() takes an object of options');
  expect(() => void events.close({ deadline: 8_000 } as never)).toThrow('did you mean "deadlineMs"?');
  await expect(handle.emit({ n: 1 })).resolves.toBeDefined();
});

it.each<[string, (events: Events) => unknown]>([
  ['the filter has no member "Name"; did you mean "name"?', (events) => events.subscriptions({ Name: 'a' } as never)],
  ['id of the filter must be a string', (events) => events.subscriptions({ id: 5 as never })],
  ['the filter has no member "princpal"; did', (events) => events.terminate({ princpal: 'a' } as never, forbidden())],
  ['has no member "names"; did you mean "name"?', (events) => events.inspect().subscriptions({ names: 'a' } as never)],
  ['mode of the filter must be one of', (events) => events.inspect().subscriptions({ mode: 'pull' } as never)],
  [
    'a page has no member "limits"; did you mean',
    (events) => events.inspect().subscriptions({}, { limits: 5 } as never),
  ],
  ['limit must be a whole number from 1 to 1000', (events) => events.inspect().subscriptions({}, { limit: 1_001 })],
  ['after must be a number of at least 0', (events) => events.inspect().subscriptions({}, { after: NaN })],
  [
    'outbox() has no member "takeover"; did you mean',
    (events) => events.outbox({} as never, { takeover: true } as never),
  ],
  ['memoryStorage has no member "time", only clock', () => memoryStorage({ time: {} } as never)],
  ['telemetry has no member "meters", only api', () => new Events({ telemetry: { api: {}, meters: {} } as never })],
  ['telemetry.api must be an object with the methods', () => new Events({ telemetry: {} as never })],
  ['clock must be an object with the methods now, monotonicMs', () => new Events({ clock: { now: () => 0 } as never })],
  [
    'mcpNodeHandler has no member "onErr"; did you',
    () => mcpNodeHandler({ fetch() {} } as never, { onErr: 1 } as never),
  ],
])('EMIT-22 %s', (told, act) => {
  const { events } = httpServer();
  expect(() => act(events)).toThrow(TypeError);
  expect(() => act(events)).toThrow(told);
});

it.each<[string, (events: Events) => unknown]>([
  ['the handler given to http() must be', (events) => events.http(undefined as never)],
  ['what createMcpHandler(factory) of the SDK returns', (events) => events.http((() => {}) as never)],
  ['the transport given to stdio() must be', (events) => events.stdio(undefined as never)],
  ['the first argument of attach() must be', (events) => events.attach(undefined as never, { era: 'modern' })],
  ['createMcpHandler(({ era }) =>', (events) => (events.attach as (mcp: object) => void)({ isConnected: () => false })],
  ['not "old"', (events) => events.attach({ isConnected: () => false } as never, { era: 'old' as never })],
  ['the handler given to mcpNodeHandler must be', () => mcpNodeHandler((() => {}) as never)],
])('EMIT-23 %s', (told, act) => {
  const { events } = httpServer();
  expect(() => act(events)).toThrow(TypeError);
  expect(() => act(events)).toThrow(told);
});

it.each<[string, unknown]>([
  ['not an object with schemas in it, such as in "id": put z.object() around it', { id: z.string() }],
  ['not a function or a class: call it, as in z.object(', z.ZodObject],
  ['not a promise, which has to be waited for first', Promise.resolve(z.object({}))],
  ['"objekt" is no type of JSON Schema; did you mean "object"?', { type: 'objekt' }],
  [
    '"strnig" is no type of JSON Schema; did you mean "string"?',
    { type: 'object', properties: { a: { type: 'strnig' } } },
  ],
  ['"int" is no type of JSON Schema', { type: 'object', properties: { a: { type: ['int', 'null'] } } }],
])('EMIT-23 a schema: %s', (told, schema) => {
  const { events } = httpServer();
  for (const definition of [{ payload: schema }, { ...counted, input: schema }]) {
    expect(() => events.define('x', definition as never)).toThrow(TypeError);
    expect(() => events.define('x', definition as never)).toThrow(told);
  }
});

it('EMIT-23 what is a promise, or no options, is no event', async () => {
  const { events } = httpServer();
  const handle = events.define('anything', { payload: { type: 'object' } });
  for (const [data, options, told] of [
    [Promise.resolve({ a: 1 }), undefined, 'data of an event of anything is a promise: wait for it first'],
    [{ a: Promise.resolve(1) }, undefined, '"a" of data of an event of anything is a promise: wait for it first'],
    [{ a: { b: Promise.resolve(1) } }, undefined, '"a.b" of data of an event of anything is a promise'],
    [
      { a: [{}, [{ b: {}, c: Promise.resolve(1) }]] },
      undefined,
      '"a.1.0.c" of data of an event of anything is a promise',
    ],
    [{ a: 1 }, { _meta: { b: { c: Promise.resolve(1) } } }, '"b.c" of _meta of an event of anything is a promise'],
    [{ a: 1 }, { _meta: { b: Promise.resolve(1) } }, '"b" of _meta of an event of anything is a promise'],
    [{ a: 1 }, 'sub_1', 'the options of an event of anything must be an object, not "sub_1"'],
    [{ a: 1 }, null, 'the options of an event of anything must be an object, not null'],
  ] as [object, never, string][]) {
    await expect(handle.emit(data as never, options)).rejects.toThrow(told);
  }
  expect((await events.inspect().events('anything')).entries).toEqual([]);
});

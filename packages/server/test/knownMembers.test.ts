import { Events } from '@mcp-events/server';
import { expect, it } from 'vitest';
import { refuseUnknown } from '../src/knownMembers.ts';
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

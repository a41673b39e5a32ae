import { describe, expect, it } from 'vitest';
import {
  activeParamsSchema,
  deliveryModeSchema,
  deliveryStatusSchema,
  emptyResultSchema,
  errorParamsSchema,
  eventParamsSchema,
  eventTypeSchema,
  heartbeatParamsSchema,
  lastErrorSchema,
  listChangedParamsSchema,
  listResultSchema,
  occurrenceSchema,
  pollResultSchema,
  rpcErrorSchema,
  streamResultSchema,
  SUBSCRIPTION_ID_META_KEY,
  subscribeResultSchema,
  subscriptionIdOf,
  terminatedParamsSchema,
  webhookBodySchema,
} from '../src/index.ts';

const occurrence = {
  eventId: 'e1',
  name: 'incident.created',
  timestamp: '2026-07-28T10:00:00Z',
  data: { id: 'INC-1' },
};
const descriptor = { name: 'incident.created', delivery: ['poll'], inputSchema: {}, payloadSchema: {} };
const poll = { events: [], truncated: false, hasMore: false, nextPollMs: 1000 };
const granted = { id: 'sub_a', refreshBefore: '2026-07-28T11:00:00+02:00', truncated: false };

describe('results and notifications', () => {
  it('CUR-04 read a missing cursor as null everywhere', () => {
    expect(pollResultSchema.parse(poll).cursor).toBeNull();
    expect(subscribeResultSchema.parse(granted).cursor).toBeNull();
    expect(activeParamsSchema.parse({ truncated: false }).cursor).toBeNull();
    expect(heartbeatParamsSchema.parse({}).cursor).toBeNull();
    expect(eventParamsSchema.parse(occurrence).cursor).toBeNull();
    expect(webhookBodySchema.parse(occurrence)).toMatchObject({ cursor: null });
  });

  it('keep a cursor as it is, the empty one included', () => {
    for (const cursor of ['', ' ', '\u0000', '{"a":1}']) {
      expect(pollResultSchema.parse({ ...poll, cursor }).cursor).toBe(cursor);
      expect(eventParamsSchema.parse({ ...occurrence, cursor }).cursor).toBe(cursor);
      expect(heartbeatParamsSchema.parse({ cursor }).cursor).toBe(cursor);
    }
  });

  it('DIALECT-14 read a result without resultType as complete, in all five methods', () => {
    const results = [
      listResultSchema.parse({ events: [] }),
      pollResultSchema.parse(poll),
      streamResultSchema.parse({}),
      subscribeResultSchema.parse(granted),
      emptyResultSchema.parse({}),
    ];
    expect(results.map(({ resultType }) => resultType)).toEqual(Array.from({ length: 5 }, () => 'complete'));
  });

  it('OCC-06 hold no occurrence with a top-level type', () => {
    const typed = { ...occurrence, type: 'incident' };
    expect(occurrenceSchema.parse(typed)).not.toHaveProperty('type');
    expect(eventParamsSchema.parse(typed)).not.toHaveProperty('type');
    expect(pollResultSchema.parse({ ...poll, events: [typed] }).events[0]).toEqual(occurrence);
  });

  it('keep unknown members, so that what a later revision adds is passed on', () => {
    expect(occurrenceSchema.parse({ ...occurrence, priority: 1, _meta: { a: [1] } })).toEqual({
      ...occurrence,
      priority: 1,
      _meta: { a: [1] },
    });
    expect(pollResultSchema.parse({ ...poll, ttlMs: 5 })).toMatchObject({ ttlMs: 5 });
  });

  it.each([
    { ...occurrence, eventId: '' },
    { ...occurrence, eventId: 7 },
    { ...occurrence, data: [] },
    { ...occurrence, data: undefined },
    { ...occurrence, timestamp: undefined },
    { ...occurrence, name: undefined },
    null,
  ])('refuse an occurrence like %j', (broken) => {
    expect(occurrenceSchema.safeParse(broken).success).toBe(false);
    expect(eventParamsSchema.safeParse(broken).success).toBe(false);
  });

  it('read flags that a poll result leaves out as false, and its wait as 0', () => {
    expect(pollResultSchema.parse({ events: [] })).toMatchObject({ truncated: false, hasMore: false, nextPollMs: 0 });
  });
});

describe('event type descriptors', () => {
  it('drop delivery words they do not know and read a missing schema as {}', () => {
    expect(eventTypeSchema.parse({ name: 'a', delivery: ['smoke', 'push', 'poll', 'push', 7] })).toEqual({
      name: 'a',
      description: undefined,
      delivery: ['poll', 'push'],
      inputSchema: {},
      payloadSchema: {},
    });
  });

  it('take null for absent, as some languages write it', () => {
    const parsed = listResultSchema.parse({ events: [{ ...descriptor, description: null }], nextCursor: null });
    expect(parsed.nextCursor).toBeUndefined();
    expect(parsed.events[0]?.description).toBeUndefined();
  });

  it('tell an empty nextCursor from a missing one', () => {
    expect(listResultSchema.parse({ events: [], nextCursor: '' }).nextCursor).toBe('');
  });

  it('know three modes', () => {
    for (const mode of ['poll', 'push', 'webhook']) expect(deliveryModeSchema.parse(mode)).toBe(mode);
    expect(deliveryModeSchema.safeParse('smoke').success).toBe(false);
  });
});

describe('subscribe results', () => {
  it('STATUS-01 are read with, without and with a malformed deliveryStatus', () => {
    expect(subscribeResultSchema.parse(granted).deliveryStatus).toBeUndefined();
    expect(subscribeResultSchema.parse({ ...granted, deliveryStatus: null }).deliveryStatus).toBeUndefined();
    expect(
      subscribeResultSchema.parse({ ...granted, deliveryStatus: { active: 'yes' } }).deliveryStatus,
    ).toBeUndefined();
    expect(subscribeResultSchema.parse({ ...granted, deliveryStatus: { active: true } }).deliveryStatus).toMatchObject({
      active: true,
    });
  });

  it('keep the six categories of lastError and drop every other', () => {
    for (const lastError of [
      'connection_refused',
      'timeout',
      'tls_error',
      'http_4xx',
      'http_5xx',
      'challenge_failed',
    ]) {
      expect(lastErrorSchema.parse(lastError)).toBe(lastError);
      expect(deliveryStatusSchema.parse({ active: false, lastError }).lastError).toBe(lastError);
    }
    expect(deliveryStatusSchema.parse({ active: false, lastError: null }).lastError).toBeNull();
    expect(deliveryStatusSchema.parse({ active: false, lastError: 'dns_error' })).toMatchObject({ active: false });
    expect(deliveryStatusSchema.parse({ active: false, lastError: 'dns_error' }).lastError).toBeUndefined();
  });

  it('need a refreshBefore that is a time or null, as a client that misreads it never refreshes', () => {
    expect(subscribeResultSchema.parse({ ...granted, refreshBefore: null }).refreshBefore).toBeNull();
    for (const refreshBefore of [undefined, '', 'soon', 1_790_000_000]) {
      expect(subscribeResultSchema.safeParse({ ...granted, refreshBefore }).success).toBe(false);
    }
  });
});

describe('stream messages', () => {
  it('carry an error with code, message and data', () => {
    const error = { code: -32023, message: 'gone', data: { kind: 'event' } };
    expect(errorParamsSchema.parse({ error }).error).toEqual(error);
    expect(terminatedParamsSchema.parse({ error }).error).toEqual(error);
    expect(terminatedParamsSchema.safeParse({}).success).toBe(false);
    expect(rpcErrorSchema.parse({ code: 1 })).toEqual({ code: 1, message: '' });
    expect(rpcErrorSchema.safeParse({ code: '-32023', message: 'gone' }).success).toBe(false);
  });

  it('give the subscription id in value and JSON type as sent', () => {
    const withId = (id: unknown): unknown => ({ _meta: { [SUBSCRIPTION_ID_META_KEY]: id } });
    expect(subscriptionIdOf(withId(7))).toBe(7);
    expect(subscriptionIdOf(withId('7'))).toBe('7');
    expect(subscriptionIdOf(withId(''))).toBe('');
    for (const id of [undefined, null, true, 1.5, {}]) expect(subscriptionIdOf(withId(id))).toBeUndefined();
    for (const params of [undefined, null, 'text', {}, { _meta: null }])
      expect(subscriptionIdOf(params)).toBeUndefined();
  });

  it('may come without _meta or, for list_changed, without params', () => {
    expect(listChangedParamsSchema.parse(undefined)._meta).toBeUndefined();
    expect(streamResultSchema.parse({ _meta: {} })._meta).toEqual({});
  });
});

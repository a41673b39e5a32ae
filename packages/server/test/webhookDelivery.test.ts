import { describe, expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import type { Answer, RecordedRequest } from './kit/recorder.ts';
import { counted, numbersOf } from './kit/servers.ts';
import { keptStorage } from './kit/storage.ts';
import { isSignedWith, secretOf, signaturesOf, TRUSTED, webhookServer } from './kit/webhookServer.ts';

const isEvent = (n: number) => (request: RecordedRequest) => request.body?.data?.n === n;
const bodies = (requests: readonly RecordedRequest[]): unknown[] => numbersOf(requests.map(({ body }) => body));

/** Answers the event with this number in a way of its own. */
function answering(n: number, answer: Answer): (request: RecordedRequest) => Answer | undefined {
  return (request) => (isEvent(n)(request) ? answer : undefined);
}

describe('acknowledgement', () => {
  it.each([200, 201, 202, 204, 299])('DELIV-03 takes %d as the end of the delivery', async (status) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => status;
    await handle.emit({ n: 1 });
    await server.clock.advance(3_600_000 - 1);
    expect(server.recorder.deliveries).toHaveLength(1);
  });

  it('DELIV-15 sends no credentials, and nothing but the headers of the profile', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { headers: { authorization: 'Bearer of-the-client', cookie: 'a=b' } });
    await handle.emit({ n: 1 });
    await settle();
    expect(Object.keys(server.recorder.deliveries[0]!.headers).toSorted()).toEqual([
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
      'webhook-id',
      'webhook-signature',
      'webhook-timestamp',
      'x-mcp-subscription-id',
    ]);
  });
});

describe('retries', () => {
  it.each<[string, Answer]>([
    ['500', 500],
    ['404', 404],
    ['429', 429],
    ['302', { status: 302, headers: { location: `${TRUSTED}/elsewhere` } }],
    ['a reset', 'reset'],
    ['silence', 'hang'],
  ])('DELIV-04 DELIV-06 repeats after %s with growing waits, then gives up', async (_, answer) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    const timesMs: number[] = [];
    server.recorder.answer = (request) => {
      if (request.body?.type !== undefined) return undefined;
      timesMs.push(server.clock.now());
      return answer;
    };
    await handle.emit({ n: 1 });
    await server.clock.advance(1_800_000);
    const waitsMs = timesMs.slice(1).map((ms, index) => ms - timesMs[index]!);
    expect(timesMs).toHaveLength(5);
    expect(waitsMs).toEqual(waitsMs.toSorted((a, b) => a - b));
    expect(new Set(waitsMs).size).toBe(waitsMs.length);
    expect(timesMs.at(-1)! - timesMs[0]!).toBeLessThanOrEqual(900_000);
    expect(server.recorder.requests.every(({ path }) => path === '/a')).toBe(true);
  });

  it('DELIV-12 SIG-04 OP-14 sends the same bytes under the same id, with a timestamp and signature of its own', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = answering(1, 500);
    await handle.emit({ n: 1 });
    await settle();
    // The watermark moves meanwhile; the frozen body does not follow it.
    await handle.emit({ n: 2 });
    await server.clock.advance(5_000);
    const [first, second] = server.recorder.events.filter(isEvent(1)) as [RecordedRequest, RecordedRequest];
    expect(second.text).toBe(first.text);
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    expect(Number(second.headers['webhook-timestamp'])).toBe(Number(first.headers['webhook-timestamp']) + 5);
    expect(second.headers['webhook-signature']).not.toBe(first.headers['webhook-signature']);
    for (const attempt of [first, second]) expect(isSignedWith(attempt, secretOf())).toBe(true);
  });

  it('DELIV-05 delivers others while one is repeated', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = answering(1, 500);
    await handle.emit({ n: 1 });
    await settle();
    await handle.emit({ n: 2 });
    await settle();
    expect(bodies(server.recorder.events)).toEqual([1, 2]);
    await server.clock.advance(5_000);
    expect(bodies(server.recorder.events)).toEqual([1, 2, 1]);
  });

  it.each([
    ['seconds', '120'],
    ['a date', new Date(Date.parse('2026-01-01T00:02:00Z')).toUTCString()],
  ])('waits as long as Retry-After asks for, in %s', async (_, retryAfter) => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => ({ status: 429, headers: { 'retry-after': retryAfter } });
    await handle.emit({ n: 1 });
    await server.clock.advance(119_999);
    expect(server.recorder.events).toHaveLength(1);
    server.recorder.answer = () => undefined;
    await server.clock.advance(1);
    expect(server.recorder.events).toHaveLength(2);
    await server.clock.advance(600_000);
    expect(server.recorder.events).toHaveLength(2);
  });

  it('tries once more at the end of the window when Retry-After asks for longer', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => ({ status: 503, headers: { 'retry-after': '86400' } });
    await handle.emit({ n: 1 });
    await server.clock.advance(899_999);
    expect(server.recorder.events).toHaveLength(1);
    await server.clock.advance(1);
    expect(server.recorder.events).toHaveLength(2);
  });

  it.each([410, 413])(
    'DELIV-09 DELIV-10 OP-11 gives up at %d at once, without a gap, and goes on with others',
    async (status) => {
      const server = webhookServer();
      const handle = server.events.define('counted', counted);
      await server.subscribe('counted');
      server.recorder.answer = answering(1, status);
      await handle.emit({ n: 1 });
      const { cursor } = await handle.emit({ n: 2 });
      await server.clock.advance(1_200_000);
      expect(bodies(server.recorder.deliveries)).toEqual([1, 2]);
      expect(await server.events.deadLetters()).toEqual([]);
      expect((await server.subscribe('counted')).cursor).toBe(cursor);
    },
  );

  it('DELIV-16 starts no attempt after unsubscribe, also not one that waits for its turn', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await settle();
    await server.unsubscribe('counted');
    await handle.emit({ n: 2 });
    await server.clock.advance(3_600_000);
    expect(bodies(server.recorder.deliveries)).toEqual([1]);
  });
});

describe('watermark', () => {
  it('DELIV-11 SUB-14 stays before what is outstanding, and jumps when it is acknowledged', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const { cursor: start } = await server.subscribe('counted');
    server.recorder.answer = answering(2, 'hang');
    const cursors: (string | null)[] = [];
    for (const n of [1, 2, 3, 4]) {
      cursors.push((await handle.emit({ n })).cursor);
      await settle();
    }
    const sent = server.recorder.events.map(({ body }) => body.cursor);
    // The second is the oldest outstanding one itself: nothing before it is.
    expect(sent).toEqual([cursors[0], cursors[1], cursors[0], cursors[0]]);
    expect((await server.subscribe('counted')).cursor).toBe(cursors[0]);
    server.recorder.release();
    await settle();
    expect((await server.subscribe('counted')).cursor).toBe(cursors[3]);
    const { cursor: last } = await handle.emit({ n: 5 });
    await settle();
    expect(server.recorder.events.at(-1)!.body.cursor).toBe(last);
    expect(start).not.toBe(last);
  });

  it('CUR-07 moves while nothing is for this subscription', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, match: () => false });
    const { cursor: start } = await server.subscribe('counted');
    const { cursor } = await handle.emit({ n: 1 });
    await settle();
    expect((await server.subscribe('counted')).cursor).toBe(cursor);
    expect(cursor).not.toBe(start);
    expect(server.recorder.deliveries).toEqual([]);
  });

  it('DELIV-08 OP-11 passes an event that was given up, which is kept as a dead letter and told as a gap', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const { id } = await server.subscribe('counted');
    server.recorder.answer = answering(1, 500);
    const { eventId } = await handle.emit({ n: 1 });
    const { cursor } = await handle.emit({ n: 2 });
    await server.clock.advance(1_200_000);
    expect(await server.events.deadLetters()).toEqual([
      {
        number: 1,
        subscriptionId: id,
        principal: 'alice',
        name: 'counted',
        eventId,
        timestamp: '2026-01-01T00:00:00.000Z',
        data: { n: 1 },
        attempts: 5,
        reason: 'http_5xx',
        abandonedAt: expect.stringMatching(/^2026-01-01T00:06:/),
      },
    ]);
    expect(server.recorder.envelopes('gap').map(({ body }) => body)).toMatchObject([{ type: 'gap', cursor }]);
    const next = await handle.emit({ n: 3 });
    await settle();
    expect(server.recorder.events.at(-1)!.body.cursor).toBe(next.cursor);
  });

  it('DELIV-11 OP-11 promises no position behind an event that was given up before its gap was told', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const { cursor: start } = await server.subscribe('counted');
    const isGap = (request: RecordedRequest): boolean => request.body?.type === 'gap';
    let isWell = false;
    server.recorder.answer = (request) => (isEvent(1)(request) || (isGap(request) && !isWell) ? 500 : undefined);
    await handle.emit({ n: 1 });
    await handle.emit({ n: 2 });
    const isGivenUp = async (): Promise<boolean> => (await server.events.deadLetters()).length > 0;
    while (!(await isGivenUp())) await server.clock.advance(10_000);
    expect((await server.subscribe('counted')).cursor).toBe(start);
    await server.clock.advance(10_000);
    expect(server.recorder.envelopes('gap').length).toBeGreaterThan(0);
    const third = await handle.emit({ n: 3 });
    await settle();
    expect(server.recorder.events.at(-1)!.body).toMatchObject({ eventId: third.eventId, cursor: start });
    expect((await server.subscribe('counted')).cursor).toBe(start);
    isWell = true;
    await server.clock.advance(60_000);
    expect((await server.subscribe('counted')).cursor).toBe(third.cursor);
  });

  it('ENV-02 tells any number of abandoned events with one gap, under one id', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    let gaps = 0;
    server.recorder.answer = ({ body }) => (body.type === 'gap' && gaps++ > 0 ? undefined : 500);
    for (let n = 1; n <= 10; n++) await handle.emit({ n });
    await server.clock.advance(1_800_000);
    const [first, second, ...others] = server.recorder.envelopes('gap');
    expect(others).toEqual([]);
    expect(first!.headers['webhook-id']).toMatch(/^msg_gap_[\w-]+$/);
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id']);
    expect(second!.text).toBe(first!.text);
    expect(await server.events.deadLetters()).toHaveLength(10);
  });

  it('tells with the next refresh what no gap could tell', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { ttlMs: 3_600_000 });
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await server.clock.advance(1_800_000);
    expect((await server.subscribe('counted')).truncated).toBe(true);
    expect((await server.subscribe('counted')).truncated).toBe(false);
  });

  it('OP-11 tells peers of the older dialect with the next refresh, without an envelope', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { declare: false });
    server.recorder.answer = (request) => (request.body.type === undefined ? 500 : undefined);
    await handle.emit({ n: 1 });
    await server.clock.advance(1_800_000);
    expect(server.recorder.envelopes('gap')).toEqual([]);
    expect((await server.subscribe('counted', { declare: false })).truncated).toBe(true);
  });

  it('keeps what was given up to itself where the operator wants it so', async () => {
    const server = webhookServer({ tellAbandoned: false });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await server.clock.advance(1_800_000);
    expect(server.recorder.envelopes('gap')).toEqual([]);
    expect(await server.events.deadLetters()).toHaveLength(1);
  });
});

describe('dead letters', () => {
  it('are delivered again on request, and found by what is known of them', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    const { id } = await server.subscribe('counted');
    server.recorder.answer = (request) => (request.body.type === undefined ? 500 : undefined);
    for (const n of [1, 2]) await handle.emit({ n });
    await server.clock.advance(1_800_000);
    const [first] = await server.events.deadLetters();
    expect(await server.events.deadLetters({ eventId: first!.eventId, subscriptionId: id, name: 'counted' })).toEqual([
      first,
    ]);
    expect(await server.events.deadLetters({ principal: 'bob' })).toEqual([]);
    server.recorder.answer = () => undefined;
    server.recorder.requests.length = 0;
    expect(await server.events.redrive({ number: first!.number })).toBe(1);
    await settle();
    expect(bodies(server.recorder.events)).toEqual([1]);
    // Outside of the order, which has gone on without it.
    expect(server.recorder.events[0]!.body._meta).toBeUndefined();
    expect((await server.events.deadLetters()).map(({ data }) => data)).toEqual([{ n: 2 }]);
    await server.unsubscribe('counted');
    expect(await server.events.redrive()).toBe(0);
    expect(await server.events.deadLetters()).toHaveLength(1);
  });
});

describe('suspension', () => {
  const rules = { retry: { attempts: 2, firstDelayMs: 1_000 }, limits: { outstandingPerSubscription: 10 } };

  it('DELIV-13 rests on a failure rate over enough attempts', async () => {
    const server = webhookServer({ suspension: { minAttempts: 20 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 500;
    for (let n = 1; n <= 19; n++) await handle.emit({ n });
    await settle();
    expect(server.recorder.events).toHaveLength(19);
    expect((await server.subscribe('counted')).deliveryStatus).toMatchObject({ active: true, lastError: 'http_5xx' });
    await handle.emit({ n: 20 });
    await settle();
    await handle.emit({ n: 21 });
    await server.clock.advance(60_000);
    expect(server.recorder.events).toHaveLength(20);
    expect((await server.subscribe('counted')).deliveryStatus).toMatchObject({ active: false, lastError: 'http_5xx' });
  });

  it('DELIV-13 rests on the attempts of its window, whatever the clock is set to', async () => {
    const server = webhookServer({ suspension: { minAttempts: 3, windowMs: 60_000 }, retry: { attempts: 1 } });
    const handle = server.events.define('counted', counted);
    const { id } = await server.subscribe('counted');
    server.recorder.answer = () => 500;
    const fail = async (n: number): Promise<void> => {
      await handle.emit({ n });
      await settle();
    };
    await fail(1);
    server.clock.jump(-86_400_000);
    await fail(2);
    await server.clock.advance(120_000);
    await fail(3);
    expect(server.events.subscriptions({ id })[0]?.suspended).toBe(false);
    await fail(4);
    await fail(5);
    expect(server.events.subscriptions({ id })[0]?.suspended).toBe(true);
  });

  it('STATUS-02 SUB-13 ends with a refresh, which says so once, and everything that waited is sent', async () => {
    const server = webhookServer({ ...rules, suspension: { minAttempts: 5 } });
    const handle = server.events.define('counted', { ...counted, retention: { maxAgeMs: 86_400_000 } });
    await server.subscribe('counted');
    server.recorder.answer = () => 500;
    for (let n = 1; n <= 30; n++) await handle.emit({ n });
    await settle();
    const before = server.recorder.events.length;
    await server.clock.advance(3_000_000);
    expect(server.recorder.events).toHaveLength(before);
    server.recorder.answer = () => undefined;
    expect((await server.subscribe('counted')).deliveryStatus.active).toBe(false);
    await server.clock.advance(10_000);
    const sent = new Set(bodies(server.recorder.events.slice(before)));
    expect(sent).toEqual(new Set(Array.from({ length: 30 }, (_, index) => index + 1)));
    const { deliveryStatus, cursor } = await server.subscribe('counted');
    expect(deliveryStatus.active).toBe(true);
    expect(cursor).toBe((await handle.emit({ n: 31 })).cursor?.replace(/\d+$/, '30'));
  });

  it('DELIV-07 does not use up the retry window', async () => {
    const server = webhookServer({ suspension: { minAttempts: 3 }, retry: { attempts: 3 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 500;
    for (const n of [1, 2, 3]) await handle.emit({ n });
    await settle();
    expect(server.recorder.events).toHaveLength(3);
    await server.clock.advance(3_500_000);
    expect(server.recorder.events).toHaveLength(3);
    server.recorder.answer = answering(1, 500);
    await server.subscribe('counted');
    // The remaining two attempts of each, although the window has long passed by the clock.
    await server.clock.advance(60_000);
    expect(bodies(server.recorder.events.filter(isEvent(1)))).toEqual([1, 1, 1]);
    expect(await server.events.deadLetters()).toHaveLength(1);
  });

  it('DELIV-07 the retry window is not used up by a clock that is set forward', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { ttlMs: null });
    server.recorder.answer = () => 500;
    await handle.emit({ n: 1 });
    await settle();
    server.clock.jump(1_800_000);
    await server.clock.advance(10_000);
    expect(await server.events.deadLetters()).toEqual([]);
    const { length } = server.recorder.events;
    server.recorder.answer = () => undefined;
    await server.clock.advance(120_000);
    expect(server.recorder.events).toHaveLength(length + 1);
  });

  it('DIALECT-13 is not caused by refused envelopes', async () => {
    const server = webhookServer({ suspension: { minAttempts: 2 }, retry: { attempts: 4, firstDelayMs: 1_000 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { declare: false });
    server.recorder.answer = ({ body }) => (body.type === undefined ? undefined : 400);
    for (let round = 0; round < 3; round++) {
      await handle.reportLoss();
      await server.clock.advance(100_000);
    }
    await handle.emit({ n: 1 });
    await settle();
    expect(server.recorder.envelopes('gap')).toHaveLength(12);
    expect(bodies(server.recorder.events)).toEqual([1]);
  });
});

describe('bounds', () => {
  it('DELIV-14 does not post what is too large, reports it to the author, and tells a gap', async () => {
    const server = webhookServer({}, { limits: { maxPayloadBytes: 400_000, payloadWarningBytes: 400_000 } });
    const handle = server.events.define('text', { payload: { type: 'object' } });
    await server.subscribe('text');
    await handle.emit({ text: 'x'.repeat(300 * 1_024) });
    await handle.emit({ text: 'small' });
    await settle();
    expect(server.recorder.events.map(({ body }) => body.data)).toEqual([{ text: 'small' }]);
    await server.clock.advance(5_000);
    expect(server.recorder.envelopes('gap')).toHaveLength(1);
    expect(server.warnings).toEqual([expect.stringMatching(/makes a body of 307\d{3} bytes, which is not sent/)]);
  });

  it.each([
    ['payload', (text: string) => ({ data: { text } })],
    ['metadata', (text: string) => ({ data: {}, _meta: { text } })],
  ])('G5 holds a bounded size of events of a callback that does not answer, whatever it is in: %s', async (_, made) => {
    const server = webhookServer();
    const handle = server.events.define('text', { payload: { type: 'object' } });
    await server.subscribe('text');
    server.recorder.answer = () => 'hang';
    for (let n = 0; n < 20; n++) {
      const { data, ...options }: { data: object; _meta?: Record<string, string> } = made('x'.repeat(200 * 1_024));
      await handle.emit({ ...data }, options);
    }
    await settle();
    expect(server.recorder.events).toHaveLength(5);
    server.recorder.answer = () => undefined;
    server.recorder.release();
    await settle(60);
    expect(server.recorder.events).toHaveLength(20);
  });

  it('G5 holds a bounded number of events of a callback that does not answer, and reads the rest when it does', async () => {
    const server = webhookServer({ limits: { outstandingPerSubscription: 8 }, retry: { attempts: 50 } });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => 'hang';
    for (let n = 1; n <= 100; n++) await handle.emit({ n });
    await settle();
    expect(server.recorder.events).toHaveLength(8);
    server.recorder.answer = () => undefined;
    server.recorder.release();
    await settle(60);
    expect(new Set(bodies(server.recorder.events))).toEqual(new Set(Array.from({ length: 100 }, (_, n) => n + 1)));
    expect(server.recorder.events).toHaveLength(100);
  });
});

describe('ids of messages', () => {
  it('DIALECT-04 are per delivery and stable over its attempts', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { url: `${TRUSTED}/a` });
    await server.subscribe('counted', { url: `${TRUSTED}/b` });
    server.recorder.answer = ({ path }) => (path === '/a' && server.recorder.events.length <= 2 ? 500 : undefined);
    const { eventId } = await handle.emit({ n: 1 });
    await server.clock.advance(5_000);
    const [a, again] = server.recorder.events
      .filter(({ path }) => path === '/a')
      .map(({ headers }) => headers['webhook-id']);
    const b = server.recorder.events.find(({ path }) => path === '/b')!.headers['webhook-id'];
    expect(again).toBe(a);
    expect(new Set([a, b, eventId]).size).toBe(3);
    expect(a).toMatch(/^msg_event_[0-9a-zA-Z]+$/);
  });

  it('DELIV-17 DIALECT-04 are the same when an event is sent again: by hand, after a lapse, or by a later run', async () => {
    const clock = new FakeClock();
    const storage = keptStorage(clock);
    const ids: unknown[] = [];
    for (const run of ['first', 'second']) {
      const server = webhookServer({ retry: { attempts: 1 }, tellAbandoned: false }, { clock, storage });
      const handle = server.events.define('counted', counted);
      server.recorder.answer = () => (server.recorder.events.length === 1 ? 500 : 204);
      await server.subscribe('counted');
      const { cursor } = await handle.emit({ n: 1 }, { eventId: 'the-event' });
      await settle();
      expect(cursor, run).not.toBe(null);
      await server.events.redrive();
      await server.unsubscribe('counted');
      await server.subscribe('counted', { cursor: run === 'first' ? `${cursor?.split('.')[0]}.0` : null });
      await settle();
      ids.push(...server.recorder.events.map(({ headers }) => headers['webhook-id']));
      await server.close();
    }
    expect(ids.length).toBeGreaterThanOrEqual(4);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^msg_event_[0-9a-f]{32}$/);
  });

  it('DIALECT-05 DIALECT-06 equal the event id for peers of the older dialect, whatever the upstream calls the event', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { declare: false });
    await handle.emit({ n: 1 }, { eventId: 'plain-id' });
    await handle.emit({ n: 2 }, { eventId: 'line\nbreak é' });
    await handle.emit({ n: 2 }, { eventId: 'line\nbreak é' });
    await settle();
    const [plain, mapped, ...others] = server.recorder.events;
    expect(others).toEqual([]);
    expect(plain!.headers['webhook-id']).toBe('plain-id');
    expect(mapped!.headers['webhook-id']).toBe(mapped!.body.eventId);
    expect(mapped!.body.eventId).toMatch(/^[\x21-\x7e]+$/);
    // The same in every mode, so that one event has one id (OCC-07).
    const polled = await server.poll('counted', plain!.body.cursor);
    expect(polled.events[0].eventId).toBe(mapped!.body.eventId);
  });
});

describe('order', () => {
  it('tells each event its place and the one before it', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, match: (_, { data }) => data['n'] !== 2 });
    await server.subscribe('counted');
    const cursors: unknown[] = [];
    for (const n of [1, 2, 3, 4])
      cursors.push((await handle.emit({ n }, { _meta: { 'com.example/trace': n } })).cursor);
    await settle();
    const metas = server.recorder.events.map(({ body }) => body._meta);
    const order = metas.map((meta) => meta['mcp-events/order']);
    expect(order.map(({ position }) => position)).toEqual([cursors[0], cursors[2], cursors[3]]);
    expect(order[0].previous).toBeNull();
    expect(order.slice(1).map(({ previous }) => previous)).toEqual(order.slice(0, -1).map(({ position }) => position));
    expect(metas.map((meta) => meta['com.example/trace'])).toEqual([1, 3, 4]);
  });
});

it('order is told by event ids where there are no cursors', async () => {
  const server = webhookServer();
  const handle = server.events.define('live', { ...counted, replay: false });
  await server.subscribe('live');
  const ids: string[] = [];
  for (const n of [1, 2]) ids.push((await handle.emit({ n })).eventId);
  await settle();
  const order = server.recorder.events.map(({ body }) => body._meta['mcp-events/order']);
  expect(order).toEqual([
    { position: ids[0], previous: null },
    { position: ids[1], previous: ids[0] },
  ]);
});

describe('signatures', () => {
  it('SIG-05 SUB-10 are made with both secrets for a while after a change', async () => {
    const server = webhookServer({ rotationGraceMs: 60_000 });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted', { secret: secretOf(1) });
    await server.subscribe('counted', { secret: secretOf(2) });
    await handle.emit({ n: 1 });
    await server.clock.advance(60_000);
    await handle.emit({ n: 2 });
    await settle();
    const [during, after] = server.recorder.events as [RecordedRequest, RecordedRequest];
    expect(signaturesOf(during.headers)).toHaveLength(2);
    for (const fill of [1, 2]) expect(isSignedWith(during, secretOf(fill))).toBe(true);
    expect(signaturesOf(after.headers)).toHaveLength(1);
    expect(isSignedWith(after, secretOf(2))).toBe(true);
  });
});

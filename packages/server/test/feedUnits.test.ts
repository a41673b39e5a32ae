import { describe, expect, it } from 'vitest';
import { memoryLog } from './kit/storage.ts';
import { decodeCheckCursor, encodeCheckCursor } from '../src/feed/checkCursor.ts';
import type { CheckCursor } from '../src/feed/checkCursor.ts';
import { checkedPage } from '../src/feed/checkedPage.ts';
import { readCheckResult } from '../src/feed/checkedResult.ts';
import type { FeedPage, ReadOptions } from '../src/feed/feed.ts';
import { Dispatcher } from '../src/feed/dispatcher.ts';
import { FeedEvent } from '../src/occurrence/feedEvent.ts';
import type { FeedRecord } from '../src/occurrence/feedEvent.ts';
import { Gap } from '../src/occurrence/gap.ts';
import { LiveFeed } from '../src/feed/liveFeed.ts';
import { SharedCalls } from '../src/feed/sharedCalls.ts';
import { StoredOrder } from '../src/feed/storedOrder.ts';
import { FilterIndex, passesFilter } from '../src/subscription/filterIndex.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';

function eventOf(data: Record<string, unknown> = {}): FeedEvent {
  return new FeedEvent({ eventId: 'e', name: 'counted', timestamp: '2026-01-01T00:00:00Z', data }, null);
}

describe('stored order', () => {
  /** Hands on to `given`; reads what `stored` has, from a log whose answers take a turn or not. */
  function orderOf(given: string[], stored: readonly FeedRecord[], read?: () => Promise<never>): StoredOrder {
    return new StoredOrder({
      head: 0,
      take: ({ kind, position }) => void given.push(`${kind} ${position}`),
      read: read ?? ((after, limit) => stored.filter(({ position }) => position > after).slice(0, limit)),
      gapAt: (position) => new Gap(position),
      report: () => {},
    });
  }

  function eventAt(position: number): FeedEvent {
    return Object.assign(eventOf(), { position });
  }

  it('ORDER-01 EMIT-26 what is stored behind something whose answer does not come is handed on behind it, in order', async () => {
    const given: string[] = [];
    const order = orderOf(given, [eventAt(1)]);
    const answers: ((event: FeedEvent) => void)[] = [];
    const calls = [2, 3].map(() =>
      order.call(
        () => new Promise<FeedEvent>((resolve) => answers.push(resolve)),
        (event) => void order.add(event),
      ),
    );
    answers[0]?.(eventAt(2));
    await settle();
    expect(given).toEqual([]);
    answers[1]?.(eventAt(3));
    await Promise.all(calls.map(async (call) => call));
    expect(given).toEqual(['event 1', 'event 2', 'event 3']);
  });

  it('EMIT-26 what is not there any more, or cannot be read, is a gap, and what is stored meanwhile waits', async () => {
    for (const [stored, expected] of [
      [[], ['gap 4', 'event 5', 'event 6']],
      [
        [eventAt(3), eventAt(4)],
        ['gap 2', 'event 3', 'event 4', 'event 5', 'event 6'],
      ],
    ] as const) {
      const given: string[] = [];
      let fail = (): void => {};
      const failing = (): Promise<never> => new Promise((_resolve, reject) => (fail = () => reject(new Error('disk'))));
      const order = orderOf(given, stored, stored.length === 0 ? failing : undefined);
      const add = (position: number): unknown =>
        order.call(
          () => eventAt(position),
          (event) => void order.add(event),
        );
      add(5);
      add(6);
      fail();
      await settle();
      expect(given).toEqual(expected);
    }
  });

  it('EMIT-26 what is answered twice is handed on once', () => {
    const given: string[] = [];
    const order = orderOf(given, []);
    for (const position of [1, 1, 2, 1])
      void order.call(
        () => eventAt(position),
        (event) => void order.add(event),
      );
    expect(given).toEqual(['event 1', 'event 2']);
  });
});

it('an event whose stored payload is damaged says which it is, and nothing of what is stored', () => {
  const timestamp = '2026-01-01T00:00:00Z';
  const event = new FeedEvent({ eventId: 'e', name: 'counted', timestamp, dataJson: 'private' }, null);
  expect(() => event.data).toThrow('payload of event "e" of counted is damaged');
  expect(() => event.data).not.toThrow(/private/);
});

describe('check cursor', () => {
  it.each([
    ['', 0],
    ['5', 3],
    ['c0.5', 1],
    ['a.b\n.', 999_999_999],
  ])('CUR-12 carries any upstream cursor unchanged: %j, %d', (upstream, skip) => {
    expect(decodeCheckCursor(encodeCheckCursor({ upstream, skip }))).toEqual({ upstream, skip });
  });

  it.each(['', '5', 'c', 'c1', 'c01.5', 'c-1.5', 'c1e3.5', 'c1234567890.5', ' c0.5', 'C0.5'])(
    'CUR-12 refuses what was never handed out: %j',
    (cursor) => {
      expect(decodeCheckCursor(cursor)).toBeUndefined();
    },
  );
});

function idsOf(records: readonly FeedRecord[]): string[] {
  return records.map((record) => (record.kind === 'event' ? record.eventId : 'gap'));
}

function numberOf(record: FeedRecord): unknown {
  return record.kind === 'event' ? record.data['n'] : 'gap';
}

describe('page of a check', () => {
  const context = { name: 'counted', validate: () => {}, maxPayloadBytes: 1_000, eventIdOf: String };
  const pageOf = (position: CheckCursor, answer: object, options: ReadOptions): FeedPage =>
    checkedPage(position, readCheckResult(context, position, answer as never, options), options, () => {});
  const checked = (
    n: number,
    cursor?: string,
  ): { eventId: string; timestamp: string; data: object; cursor?: string } => ({
    eventId: `e${n}`,
    timestamp: `2026-01-01T00:00:0${n}Z`,
    data: { n },
    ...(cursor === undefined ? {} : { cursor }),
  });

  it('PUSH-06 POLL-04 gives every event the cursor after it, and the last one that of the answer', () => {
    const result = { events: [checked(1), checked(2, 'two'), checked(3)], cursor: 'end' };
    const page = pageOf({ upstream: 'start', skip: 0 }, result, { limit: 10 });
    expect(page.records.map(({ cursor }) => cursor)).toEqual(['c1.start', 'c0.two', 'c0.end']);
    expect(page).toMatchObject({ from: 'c0.start', cursor: 'c0.end', truncated: false, hasMore: false });
  });

  it('POLL-04 stands before what did not fit', () => {
    const result = { events: [checked(1), checked(2), checked(3)], cursor: 'end' };
    const page = pageOf({ upstream: 'start', skip: 1 }, result, { limit: 1 });
    expect(idsOf(page.records)).toEqual(['e2']);
    expect(page).toMatchObject({ cursor: 'c2.start', hasMore: true });
  });

  it('CUR-08 CUR-09 starts after what is too old, and says so', () => {
    const result = { events: [checked(1), checked(2), checked(3)], cursor: 'end' };
    const options = { limit: 10, notBeforeMs: Date.parse('2026-01-01T00:00:02Z') };
    const page = pageOf({ upstream: 'start', skip: 0 }, result, options);
    expect(idsOf(page.records)).toEqual(['e2', 'e3']);
    expect(page).toMatchObject({ from: 'c1.start', truncated: true });
    const none = pageOf({ upstream: 'start', skip: 0 }, result, {
      limit: 10,
      notBeforeMs: 9e15,
    });
    expect(none).toMatchObject({ records: [], from: 'c0.end', cursor: 'c0.end', truncated: true });
  });
});

describe('shared calls', () => {
  it('EMIT-10 gives everyone who asks while a call runs the next call, and never the running one', async () => {
    const calls = new SharedCalls<number>();
    const finish: (() => void)[] = [];
    let started = 0;
    const call = (): Promise<number> => {
      const mine = ++started;
      return new Promise((resolve) => finish.push(() => resolve(mine)));
    };
    const first = calls.get('k', call);
    const [second, third] = [calls.get('k', call), calls.get('k', call)];
    const other = calls.get('other', call);
    expect(started).toBe(2);
    finish[0]?.();
    expect(await first).toBe(1);
    await settle();
    expect(started).toBe(3);
    const fourth = calls.get('k', call);
    finish[2]?.();
    expect(await Promise.all([second, third])).toEqual([3, 3]);
    await settle();
    finish[1]?.();
    finish[3]?.();
    expect(await Promise.all([other, fourth])).toEqual([2, 4]);
    await settle();
    expect(calls.size).toBe(0);
  });

  it('EMIT-10 a call that fails does not fail the next', async () => {
    const calls = new SharedCalls<string>();
    const failing = calls.get('k', () => Promise.reject(new Error('down')));
    const next = calls.get('k', async () => 'up');
    await expect(failing).rejects.toThrow('down');
    expect(await next).toBe('up');
    await settle();
    expect(calls.size).toBe(0);
  });
});

describe('dispatcher', () => {
  it('EMIT-03 serves a small audience within the call, and a large one in slices with turns in between', async () => {
    const served: [number, unknown][] = [];
    const finished: unknown[] = [];
    let audience = 3;
    const dispatcher = new Dispatcher<number>(new FakeClock(), {
      candidates: () => Array.from({ length: audience }, (_, index) => index),
      give: (receiver, event) => void served.push([receiver, numberOf(event)]),
      finished: (event) => void finished.push(numberOf(event)),
    });
    expect(dispatcher.add(eventOf({ n: 0 }))).toBeUndefined();
    expect([served.length, finished]).toEqual([3, [0]]);
    audience = 10_000;
    served.length = 0;
    void dispatcher.add(eventOf({ n: 1 }));
    audience = 1;
    void dispatcher.add(eventOf({ n: 2 }));
    const first = served.length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(10_000);
    expect(finished).toEqual([0]);
    await settle(20);
    expect(finished).toEqual([0, 1, 2]);
    expect(served.map(([receiver]) => receiver)).toEqual([...Array.from({ length: 10_000 }, (_, index) => index), 0]);
    expect(served.findIndex(([, n]) => n === 2)).toBe(10_000);
  });

  it('EMIT-03 makes an author wait who runs too far ahead of a large audience', async () => {
    const finished: unknown[] = [];
    const dispatcher = new Dispatcher<number>(new FakeClock(), {
      candidates: () => Array.from({ length: 3_000 }, (_, index) => index),
      give: () => {},
      finished: (event) => void finished.push(numberOf(event)),
    });
    const waits = Array.from({ length: 200 }, (_, n) => dispatcher.add(eventOf({ n })));
    expect(waits[0]).toBeUndefined();
    expect(waits.at(-1)).toBeInstanceOf(Promise);
    await Promise.all(waits.filter((wait) => wait !== undefined));
    await settle(400);
    expect(finished).toEqual(Array.from({ length: 200 }, (_, n) => n));
  });

  it('EMIT-03 lets nobody wait for ever when it is cleared', async () => {
    const dispatcher = new Dispatcher<number>(new FakeClock(), {
      candidates: () => Array.from({ length: 3_000 }, (_, index) => index),
      give: () => {},
      finished: () => {},
    });
    const waits = Array.from({ length: 100 }, () => dispatcher.add(eventOf()));
    dispatcher.clear();
    await Promise.all(waits.filter((wait) => wait !== undefined));
  });
});

describe('filter', () => {
  it.each([
    [{}, { a: 1 }, true],
    [{ x: 1 }, { a: 1 }, true],
    [{ x: 1 }, { a: 2 }, false],
    [{ x: 1 }, { a: '1' }, false],
    [{ x: 1 }, {}, false],
    [{ x: null }, { a: null }, true],
    [{ x: [1, 2] }, { a: 2 }, true],
    [{ x: 2 }, { a: [1, 2] }, true],
    [{ x: [1, 2] }, { a: [3, 4] }, false],
    [{ x: [] }, { a: 1 }, false],
    [{ x: { b: 1 } }, { a: { b: 1 } }, true],
    [{ x: 1, y: 2 }, { a: 1, b: 2 }, true],
    [{ x: 1, y: 2 }, { a: 1, b: 3 }, false],
  ])('EMIT-04 arguments %j pass data %j: %s', (args, data, expected) => {
    const filter = { x: 'a', y: 'b' };
    expect(passesFilter(filter, args, { data })).toBe(expected);
    const index = new FilterIndex<{ subscription: { arguments: Record<string, unknown> } }>(filter);
    const member = { subscription: { arguments: args } };
    index.add(member);
    expect(index.candidates({ data })).toEqual(expected ? [member] : []);
    expect([...index.members()]).toEqual([member]);
    index.delete(member);
    index.delete(member);
    expect([index.size, index.candidates({ data })]).toEqual([0, []]);
  });

  it('EMIT-04 finds a member with many values once, also beyond what is indexed', () => {
    const index = new FilterIndex<{ subscription: { arguments: Record<string, unknown> } }>({ x: 'a', y: 'b' });
    const values = Array.from({ length: 20 }, (_, n) => n);
    const member = { subscription: { arguments: { x: values, y: values } } };
    index.add(member);
    expect(index.candidates({ data: { a: [1, 2, 3], b: [4, 5] } })).toEqual([member]);
    expect(index.candidates({ data: { a: 21, b: 4 } })).toEqual([]);
    index.delete(member);
    expect(index.size).toBe(0);
  });
});

describe('live feed', () => {
  it('PUSH-14 forgets a receiver that detaches, also in the middle of an event', () => {
    const feed = new LiveFeed({}, new FakeClock());
    const seen: string[] = [];
    const subscription = { arguments: {} } as never;
    const receiver = (name: string, then = (): void => {}) => ({
      subscription,
      receive: () => {
        seen.push(name);
        then();
      },
      fail: () => {},
      lose: () => {},
    });
    const second = feed.attach(receiver('b'));
    const first = feed.attach(receiver('a', () => second.detach()));
    void feed.append(eventOf());
    void feed.append(eventOf());
    expect(seen.filter((name) => name === 'a')).toHaveLength(2);
    expect(seen.filter((name) => name === 'b').length).toBeLessThanOrEqual(1);
    first.detach();
    first.detach();
    void feed.append(eventOf());
    expect(seen.filter((name) => name === 'a')).toHaveLength(2);
  });
});

describe('memory log', () => {
  it('EMIT-08 EMIT-17 answers about what it keeps, gaps included', () => {
    const log = memoryLog(new FakeClock(), { maxCount: 3 });
    expect([log.head, log.oldest, log.read(0, 10)]).toEqual([0, 1, []]);
    for (let n = 1; n <= 4; n++) log.append(eventOf({ n }), { byteLength: 10 });
    expect([log.head, log.oldest]).toEqual([4, 2]);
    expect(log.read(2, 1).map(({ position }) => position)).toEqual([3]);
    const gap = log.skip();
    expect([log.head, log.oldest, log.read(4, 10)]).toEqual([5, 3, [gap]]);
    log.append(eventOf(), { byteLength: 10 });
    expect(log.read(0, 10).map(({ position }) => position)).toEqual([4, 5, 6]);
    expect(log.append(eventOf(), { byteLength: 10, unique: true }).position).toBe(6);
  });
});

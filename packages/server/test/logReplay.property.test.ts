import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Attachment, FeedReceiver } from '../src/feed/feed.ts';
import { LogFeed } from '../src/feed/logFeed.ts';
import { FeedEvent } from '../src/occurrence/feedEvent.ts';
import { Gap } from '../src/occurrence/gap.ts';
import type { EventLog } from '../src/storage/eventLog.ts';
import type { Subscription } from '../src/subscription/subscription.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { memoryLog } from './kit/storage.ts';

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('emit' as const), count: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('join' as const), back: fc.nat(700), key: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('detach' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('skip' as const) }) },
);

/** Writes down what it gets. */
class Receiver implements FeedReceiver {
  readonly subscription: Subscription;
  readonly key: number | undefined;
  readonly positions: number[] = [];
  /** Everything up to here was given, told as lost, or is not for it. */
  start: number;
  attachment: Attachment | undefined;

  constructor(id: number, start: number, key: number | undefined) {
    this.start = start;
    this.key = key;
    const args = key === undefined ? {} : { key };
    this.subscription = { id: `sub_${id}`, arguments: args } as unknown as Subscription;
  }

  get cursor(): number {
    return Number(this.attachment?.cursor()?.split('.')[1]);
  }

  receive({ position }: FeedEvent): void {
    this.positions.push(position);
  }

  fail(): void {}

  lose(cursor: string | null): void {
    this.start = Number(cursor?.split('.')[1]);
    this.positions.length = 0;
  }
}

it.each([
  ['at once', (log: EventLog) => log],
  ['later', slow],
])(
  'ORDER-03 TTL-10 those who come back together get what they missed, once and in order, from a log that answers %s',
  async (_when, wrap) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
        const clock = new FakeClock();
        const log = memoryLog(clock, { maxCount: 1_000 });
        const feed = new LogFeed({ log: wrap(log), filter: { key: 'key' }, clock, report: () => {} });
        /** Key of the event at each position; `undefined` where one was skipped. */
        const keys: (number | undefined)[] = [undefined];
        const receivers: Receiver[] = [];
        const detached: { receiver: Receiver; cursor: number }[] = [];
        const check = ({ positions, start, key }: Receiver, end: number): void => {
          const wanted: number[] = [];
          for (let p = start + 1; p <= end; p++) {
            if (keys[p] !== undefined && (key === undefined || keys[p] === key)) wanted.push(p);
          }
          expect(positions).toEqual(wanted);
        };
        for (const s of steps) {
          if (s.kind === 'emit') {
            for (let i = 0; i < s.count; i++) {
              const key = keys.length % 3;
              const occurrence = { eventId: `e${keys.length}`, name: 'n', timestamp: '2026-01-01T00:00:00Z' };
              keys.push(key);
              void feed.append({ ...occurrence, dataJson: JSON.stringify({ key }) }, { byteLength: 10 });
            }
          } else if (s.kind === 'turns') await settle(s.count);
          else if (s.kind === 'skip') {
            keys.push(undefined);
            await feed.lose();
          } else if (s.kind === 'detach') {
            const [receiver] = receivers.splice(s.which, 1);
            if (receiver === undefined) continue;
            detached.push({ receiver, cursor: receiver.cursor });
            receiver.attachment?.detach();
          } else {
            const start = Math.max(log.oldest - 1, log.head - s.back);
            const receiver = new Receiver(receivers.length, start, s.key === 2 ? undefined : s.key);
            const cursor = feed.cursorAt(start);
            expect(feed.resumption.locate(cursor)).toMatchObject({ from: cursor, truncated: false });
            receiver.attachment = feed.attach(receiver, cursor) ?? feed.resumption.attach(receiver, cursor);
            receivers.push(receiver);
          }
          // A cursor that is kept now passes nothing that was not given.
          for (const receiver of receivers) check(receiver, Math.max(receiver.start, receiver.cursor));
        }
        await settle(40);
        for (const receiver of receivers) {
          expect(receiver.cursor).toBe(log.head);
          check(receiver, log.head);
        }
        for (const { receiver, cursor } of detached) check(receiver, Math.max(receiver.start, cursor));
      }),
      { numRuns: 150 },
    );
  },
);

/** A log that answers a turn later. */
function slow(log: EventLog): EventLog {
  return new Proxy(log, {
    get: (target, member) => {
      const value: unknown = Reflect.get(target, member, target);
      if (typeof value !== 'function') return value;
      const call = (...args: unknown[]): unknown => (value as (...args: unknown[]) => unknown).apply(target, args);
      return member === 'read' ? async (...args: unknown[]) => settle(1).then(() => call(...args)) : call;
    },
  });
}

it('ORDER-03 TTL-10 who comes back while others are given an event gets it as well', async () => {
  const clock = new FakeClock();
  const feed = new LogFeed({ log: memoryLog(clock), filter: {}, clock, report: () => {} });
  for (let n = 1; n <= 3; n++) {
    const occurrence = { eventId: `e${n}`, name: 'n', timestamp: '2026-01-01T00:00:00Z' };
    void feed.append({ ...occurrence, dataJson: '{}' }, { byteLength: 10 });
  }
  const [first, late] = [new Receiver(0, 0, undefined), new Receiver(1, 0, undefined)];
  const receive = first.receive.bind(first);
  first.receive = (event) => {
    receive(event);
    late.attachment ??= feed.resumption.attach(late, feed.cursorAt(0));
  };
  first.attachment = feed.resumption.attach(first, feed.cursorAt(0));
  await settle(40);
  expect([first.positions, late.positions]).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
});

it('TTL-10 reads the log once for all who come back together', async () => {
  const clock = new FakeClock();
  const log = memoryLog(clock, { maxCount: 10_000 });
  let reads = 0;
  const counted = new Proxy(log, {
    get: (target, member) => {
      if (member === 'read') reads++;
      const value: unknown = Reflect.get(target, member, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const feed = new LogFeed({ log: counted, filter: { key: 'key' }, clock, report: () => {} });
  for (let n = 1; n <= 2_560; n++) {
    const occurrence = { eventId: `e${n}`, name: 'n', timestamp: '2026-01-01T00:00:00Z' };
    void feed.append({ ...occurrence, dataJson: JSON.stringify({ key: n % 500 }) }, { byteLength: 10 });
  }
  const receivers = Array.from({ length: 500 }, (_, n) => new Receiver(n, n, n));
  for (const receiver of receivers)
    receiver.attachment = feed.resumption.attach(receiver, feed.cursorAt(receiver.start));
  await settle(100);
  for (const { key, start, positions } of receivers) {
    const wanted = Array.from({ length: 2_560 }, (_, index) => index + 1).filter((p) => p > start && p % 500 === key);
    expect(positions).toEqual(wanted);
  }
  expect(reads).toBe(11);
});

it('EMIT-11 ORDER-03 G2 a damaged event holds nobody up: it is passed over and told, once to the operator', async () => {
  const clock = new FakeClock();
  const log = memoryLog(clock, { maxCount: 1_000 });
  const reported: unknown[] = [];
  const feed = new LogFeed({ log, filter: { key: 'key' }, clock, report: (error) => void reported.push(error) });
  for (let n = 1; n <= 6; n++) {
    const occurrence = { eventId: `e${n}`, name: 'n', timestamp: '2026-01-01T00:00:00Z' };
    // As a storage gives back what became of it on a disk: a payload that is none, or what it cannot give back at all.
    void feed.append({ ...occurrence, dataJson: '{"key":1}' }, { byteLength: 10 });
  }
  const read = log.read.bind(log);
  log.read = (...args) =>
    read(...args).map((record) => {
      if (record.position === 2) {
        return Object.assign(new FeedEvent({ eventId: 'e2', name: 'n', timestamp: '', dataJson: '{"ke' }, null), {
          position: 2,
        });
      }
      return record.position === 4 ? new Gap(4, null, new TypeError('the metadata of event 4 is damaged')) : record;
    });
  const receivers = [0, 0, 3].map((start, id) => new Receiver(id, start, 1));
  const told: string[][] = receivers.map(() => []);
  for (const [id, receiver] of receivers.entries()) {
    const lose = receiver.lose.bind(receiver);
    receiver.lose = (cursor) => {
      told[id]?.push(String(cursor));
      lose(cursor);
    };
    receiver.attachment = feed.resumption.attach(receiver, feed.cursorAt(receiver.start));
  }
  await settle(40);
  expect(told).toEqual([['run.2', 'run.4'], ['run.2', 'run.4'], ['run.4']]);
  expect(receivers.map(({ positions }) => positions)).toEqual([
    [5, 6],
    [5, 6],
    [5, 6],
  ]);
  void feed.append(
    { eventId: 'e7', name: 'n', timestamp: '2026-01-01T00:00:00Z', dataJson: '{"key":1}' },
    { byteLength: 10 },
  );
  expect(receivers.map(({ positions }) => positions.at(-1))).toEqual([7, 7, 7]);
  expect(reported.map(String)).toEqual([
    expect.stringContaining('payload of event "e2" of n is damaged'),
    'TypeError: the metadata of event 4 is damaged',
  ]);
});

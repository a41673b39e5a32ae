import type { EventsError } from '@mcp-events/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Pump } from '../src/delivery/pump.ts';
import type { Sink } from '../src/delivery/sink.ts';
import type { FeedEvent } from '../src/occurrence/feedEvent.ts';
import { LogFeed } from '../src/feed/logFeed.ts';
import { memoryLog } from './kit/storage.ts';
import { Selection } from '../src/subscription/selection.ts';
import type { SelectionRules } from '../src/subscription/selection.ts';
import type { Subscription } from '../src/subscription/subscription.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';

/** Takes what fits and refuses the rest, as a slow client makes a stream do. */
class SlowSink implements Sink {
  room = 0;
  readonly taken: (number | 'gap')[] = [];
  readonly failures: EventsError[] = [];

  deliver(event: FeedEvent): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.taken.push(event.position);
    return true;
  }

  lose(): boolean {
    if (this.room === 0) return false;
    this.taken.push('gap');
    return true;
  }

  fail(error: EventsError): void {
    this.failures.push(error);
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('emit' as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('room' as const), count: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('decide' as const) }) },
);

type Step = { kind: 'emit' | 'room'; count: number } | { kind: 'turn' | 'decide' };

/** Whether `match` answers at once or waits to be told to. */
type Style = 'sync' | 'async' | 'mixed';

async function run(steps: readonly Step[], style: Style, maxCount: number): Promise<void> {
  const clock = new FakeClock();
  const log = memoryLog(clock, { maxCount });
  const feed = new LogFeed({ log, filter: {}, clock, report: () => {} });
  const pending: (() => void)[] = [];
  const isWanted = (n: number): boolean => n % 3 !== 0;
  const rules: SelectionRules = {
    name: 'n',
    filter: {},
    match: (_context, event) => {
      const n = event.data['n'] as number;
      if (style === 'sync' || (style === 'mixed' && n % 2 === 0)) return isWanted(n);
      return new Promise((resolve) => pending.push(() => resolve(isWanted(n))));
    },
    transform: undefined,
    validate: () => {},
  };
  const subscription = { id: 's', arguments: {}, context: {} } as unknown as Subscription;
  const sink = new SlowSink();
  const selection = new Selection(clock, 1e9, 1e9);
  const report = (): void => {};
  const pump = new Pump({ subscription, feed, rules: () => rules, selection, sink, clock, report });
  await pump.open(null);
  pump.run();
  let emitted = 0;
  const check = (): void => {
    // The cursor never passes an event that was wanted, is retained, and was not taken (PUSH-12).
    const position = Number((pump.cursor as string).split('.')[1]);
    const wanted = [...Array(emitted).keys()].map((i) => i + 1).filter((n) => isWanted(n) && n <= position);
    const taken = sink.taken.filter((t) => t !== 'gap');
    if (!sink.taken.includes('gap') && emitted <= maxCount) expect(taken).toEqual(wanted);
    // Order holds, nothing twice.
    expect(taken).toEqual([...new Set(taken)].toSorted((a, b) => a - b));
  };
  for (const s of steps) {
    if (s.kind === 'emit') {
      for (let i = 0; i < s.count; i++) {
        const n = ++emitted;
        await feed.append(
          { eventId: `e${n}`, name: 'n', timestamp: new Date(clock.now()).toISOString(), data: { n } },
          { byteLength: 10 },
        );
      }
    } else if (s.kind === 'room') {
      sink.room += s.count;
      pump.resume();
    } else if (s.kind === 'turn') await settle(2);
    else for (const decide of pending.splice(0)) decide();
    check();
  }
  // In the end, with room and answers, everything arrives.
  for (let round = 0; round < 2 * emitted + 10; round++) {
    sink.room = 1_000;
    pump.resume();
    for (const decide of pending.splice(0)) decide();
    await settle(2);
  }
  check();
  expect(Number((pump.cursor as string).split('.')[1])).toBe(emitted);
  const taken = sink.taken.filter((t) => t !== 'gap');
  const missing = [...Array(emitted).keys()].map((i) => i + 1).filter((n) => isWanted(n) && !taken.includes(n));
  // Whatever did not arrive was told as a gap at its place.
  for (const n of missing) {
    const before = sink.taken.findLastIndex((t) => t !== 'gap' && t < n);
    const after = sink.taken.findIndex((t) => t !== 'gap' && t > n);
    expect(sink.taken.slice(before + 1, after === -1 ? undefined : after)).toContain('gap');
  }
  if (emitted <= maxCount) expect(missing).toEqual([]);
  pump.close();
  expect(feed.attachedCount).toBe(0);
  expect(clock.pendingTimers).toBe(0);
}

for (const style of ['sync', 'async', 'mixed'] as const) {
  it(`ORDER-01 PUSH-12 delivers in order, once, and never runs ahead of a slow client (${style} match)`, async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => run(steps, style, 10_000));
    await fc.assert(property, { numRuns: 60 });
  });

  it(`PUSH-08 tells every gap that retention makes, at its place (${style} match)`, async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => run(steps, style, 3));
    await fc.assert(property, { numRuns: 60 });
  });
}

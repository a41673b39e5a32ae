import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Deadline } from '../src/deadlines.ts';
import { Deadlines } from '../src/deadlines.ts';
import { defaultSuspensionRules, FailureRate } from '../src/delivery/webhook/failureRate.ts';
import { grantTtlMs, resolveTtlRules } from '../src/delivery/webhook/grant.ts';
import { defaultRetryRules, nextRetryDelayMs, readRetryAfterMs } from '../src/delivery/webhook/retryPolicy.ts';
import { Fifo } from '../src/delivery/webhook/scheduling/fifo.ts';
import { TokenBucket } from '../src/delivery/webhook/scheduling/tokenBucket.ts';
import { headerSafeId } from '../src/occurrence/headerSafeId.ts';
import { FakeClock } from './kit/fakeClock.ts';

describe('failure rate', () => {
  const minutes = (n: number): number => n * 60_000;

  it('DELIV-13 concludes nothing from 10 failures of 10', () => {
    const rate = new FailureRate(defaultSuspensionRules);
    for (let n = 0; n < 10; n++) expect(rate.count(true, minutes(n))).toBe(false);
  });

  it('DELIV-13 suspends at 96 failures of 100 within the hour, not at 95', () => {
    const countWith = (successes: number): boolean => {
      const rate = new FailureRate(defaultSuspensionRules);
      for (let n = 0; n < successes; n++) rate.count(false, minutes(n));
      let suspended = false;
      for (let n = successes; n < 100; n++) suspended = rate.count(true, minutes(10) + n * 1_000);
      return suspended;
    };
    expect(countWith(4)).toBe(true);
    expect(countWith(5)).toBe(false);
  });

  it('forgets what is older than the window', () => {
    const rate = new FailureRate(defaultSuspensionRules);
    for (let n = 0; n < 99; n++) rate.count(true, minutes(0));
    expect(rate.count(true, minutes(61))).toBe(false);
    expect(new FailureRate(defaultSuspensionRules).count(true, 0)).toBe(false);
  });

  it('counts on in the newest part when the clock jumps back, and starts anew after a reset', () => {
    const rate = new FailureRate({ ...defaultSuspensionRules, minAttempts: 3 });
    rate.count(true, minutes(100));
    rate.count(true, minutes(10));
    expect(rate.count(true, minutes(100))).toBe(true);
    rate.reset();
    expect(rate.count(true, minutes(100))).toBe(false);
  });

  it('agrees with a list of all attempts, to the width of a step', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: minutes(9) })), { maxLength: 200 }),
        (attempts) => {
          const rules = { failureRate: 0.5, windowMs: minutes(60), minAttempts: 10 };
          const rate = new FailureRate(rules);
          const seen: { failed: boolean; atMs: number }[] = [];
          let nowMs = minutes(1_000);
          for (const [failed, waitMs] of attempts) {
            nowMs += waitMs;
            seen.push({ failed, atMs: nowMs });
            const oldest = (Math.floor(nowMs / minutes(5)) - 11) * minutes(5);
            const within = seen.filter(({ atMs }) => atMs >= oldest);
            const failures = within.filter((attempt) => attempt.failed).length;
            const expected = failed && within.length >= 10 && failures > within.length / 2;
            expect(rate.count(failed, nowMs)).toBe(expected);
          }
        },
      ),
    );
  });
});

describe('retry policy', () => {
  const failed = (attempts: number, elapsedMs = 0, retryAfterMs?: number): Parameters<typeof nextRetryDelayMs>[1] => ({
    attempts,
    elapsedMs,
    retryAfterMs,
  });

  it.each([0, 0.5, 0.999])('DELIV-04 waits longer each time, with jitter at %d', (random) => {
    const waits = [1, 2, 3, 4].map((attempts) => nextRetryDelayMs(defaultRetryRules, failed(attempts), () => random)!);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(new Set(waits).size).toBe(4);
  });

  it('DELIV-06 ends with the attempts or with the window', () => {
    const always = (): number => 0.5;
    expect(nextRetryDelayMs(defaultRetryRules, failed(5), always)).toBeUndefined();
    expect(nextRetryDelayMs(defaultRetryRules, failed(2, 900_000), always)).toBeUndefined();
    expect(nextRetryDelayMs(defaultRetryRules, failed(4, 899_000), always)).toBe(1_000);
  });

  it('respects Retry-After within the window, and never waits less than by itself', () => {
    const always = (): number => 0.5;
    expect(nextRetryDelayMs(defaultRetryRules, failed(1, 0, 60_000), always)).toBe(60_000);
    expect(nextRetryDelayMs(defaultRetryRules, failed(1, 0, 1), always)).toBe(5_000);
    expect(nextRetryDelayMs(defaultRetryRules, failed(1, 600_000, 1e12), always)).toBe(300_000);
  });

  it.each([
    ['120', 120_000],
    ['Thu, 01 Jan 1970 00:00:10 GMT', 9_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['1e3', undefined],
    ['99999999999', undefined],
    [undefined, undefined],
  ])('reads Retry-After %j', (header, expected) => {
    expect(readRetryAfterMs(header, 1_000)).toBe(expected);
  });
});

describe('grants', () => {
  const rules = resolveTtlRules({ minMs: 60_000, maxMs: 3_600_000, defaultMs: 600_000 }, false);

  it.each<[string, number | null | undefined, number]>([
    ['TTL-01 nothing', undefined, 600_000],
    ['TTL-03 what fits', 120_000, 120_000],
    ['TTL-04 less than the minimum', 1, 60_000],
    ['TTL-05 zero', 0, 60_000],
    ['TTL-05 a negative number', -1e15, 60_000],
    ['TTL-05 more than the maximum', 1e15, 3_600_000],
    ['TTL-05 more than any number', Infinity, 3_600_000],
    ['TTL-02 no expiry', null, 3_600_000],
  ])('%s', (_, suggested, granted) => {
    expect(grantTtlMs(rules, suggested)).toBe(granted);
  });

  it('TTL-02 TTL-12 grants no expiry only where it is kept, and refuses to be told otherwise', () => {
    const durable = resolveTtlRules({ noExpiry: true }, true);
    expect(grantTtlMs(durable, null)).toBeNull();
    expect(grantTtlMs(durable, undefined)).toBe(3_600_000);
    expect(grantTtlMs(durable, 1e15)).toBe(86_400_000);
    expect(() => resolveTtlRules({ noExpiry: true }, false)).toThrow(/durable storage/);
    expect(() => resolveTtlRules({ maxMs: 86_400_000 }, false)).toThrow(/durable storage/);
    expect(() => resolveTtlRules({ minMs: 10, maxMs: 5 }, false)).toThrow(/minMs 10, defaultMs 5, maxMs 5/);
    expect(() => resolveTtlRules({ defaultMs: Number.NaN }, false)).toThrow(TypeError);
  });
});

describe('token bucket', () => {
  it('never gives out more than its rate and one second of burst', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }),
        (perSecond, waits) => {
          const bucket = new TokenBucket(perSecond, 0);
          let nowMs = 0;
          let taken = 0;
          for (const waitMs of waits) {
            nowMs += waitMs;
            if (bucket.waitMs(nowMs) > 0) continue;
            bucket.take();
            taken++;
            expect(taken).toBeLessThanOrEqual(perSecond + (nowMs * perSecond) / 1_000 + 1e-6);
          }
        },
      ),
    );
  });

  it('says how long to wait, and keeps the promise', () => {
    const bucket = new TokenBucket(0.5, 0);
    bucket.take();
    expect(bucket.waitMs(0)).toBe(2_000);
    expect(bucket.waitMs(1_999)).toBe(1);
    expect(bucket.waitMs(2_000)).toBe(0);
  });
});

describe('deadlines', () => {
  it.each([
    ['forward', 3_600_000],
    ['back', -3_600_000],
  ])('each wait lasts as long as it was to, though the clock was set %s meanwhile', async (_, offsetMs) => {
    const clock = new FakeClock();
    const startMs = clock.monotonicMs();
    const fired: [string, number][] = [];
    const deadlines = new Deadlines<string>(clock, (name) => fired.push([name, clock.monotonicMs() - startMs]));
    deadlines.addIn('before', 30_000);
    await clock.advance(1_000);
    clock.jump(offsetMs);
    deadlines.addIn('meanwhile', 5_000);
    deadlines.addIn('meanwhile, longer', 40_000);
    await clock.advance(2_000);
    clock.jump(-offsetMs);
    deadlines.addIn('after', 1_000);
    await clock.advance(120_000);
    expect(fired).toEqual([
      ['after', 4_000],
      ['meanwhile', 6_000],
      ['before', 30_000],
      ['meanwhile, longer', 41_000],
    ]);
    expect(deadlines.size).toBe(0);
  });

  it('a wait longer than one timer may be is met to the millisecond', async () => {
    const clock = new FakeClock();
    const fired: number[] = [];
    const deadlines = new Deadlines<string>(clock, () => fired.push(clock.now()));
    const dateMs = clock.now() + 40 * 86_400_000;
    deadlines.addIn('date', 40 * 86_400_000);
    deadlines.addIn('wait', 1_000);
    await clock.advance(40 * 86_400_000);
    expect(fired).toEqual([dateMs - 40 * 86_400_000 + 1_000, dateMs]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('fire in order, once, whatever was moved or taken back', async () => {
    const action = fc.record({
      kind: fc.constantFrom('add' as const, 'move' as const, 'cancel' as const, 'advance' as const),
      pick: fc.nat(),
      ms: fc.integer({ min: 0, max: 1_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const clock = new FakeClock(0);
        const expected = new Map<number, number>();
        const fired: number[] = [];
        const deadlines = new Deadlines<number>(clock, (own) => {
          expect(clock.now()).toBe(expected.get(own));
          expected.delete(own);
          fired.push(own);
        });
        const handles: Deadline<number>[] = [];
        for (const { kind, pick, ms } of actions) {
          const id = handles.length === 0 ? -1 : pick % handles.length;
          const atMs = clock.now() + ms;
          if (kind === 'add') {
            const own = handles.length;
            handles.push(deadlines.addIn(own, ms));
            expected.set(own, atMs);
          } else if (kind === 'advance') {
            const dueMs = clock.now() + ms;
            const due = [...expected].filter(([, at]) => at <= dueMs).length;
            const before = fired.length;
            await clock.advance(ms);
            expect(fired.length - before).toBe(due);
          } else if (id >= 0 && kind === 'move') {
            deadlines.moveIn(handles[id]!, ms);
            expected.set(id, atMs);
          } else if (id >= 0) {
            deadlines.cancel(handles[id]);
            expected.delete(id);
          }
          expect(deadlines.size).toBe(expected.size);
        }
        if (deadlines.size === 0) expect(clock.pendingTimers).toBe(0);
        deadlines.close();
        expect(clock.pendingTimers).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});

it('a queue gives back what it took, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 300 }), (pushes) => {
      const queue = new Fifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const push of pushes) {
        if (push) {
          queue.push(next);
          model.push(next++);
        } else {
          expect(queue.peek()).toBe(model[0]);
          expect(queue.shift()).toBe(model.shift());
        }
        expect(queue.length).toBe(model.length);
      }
    }),
  );
});

it('DIALECT-06 maps unsafe ids, always in the same way, and leaves safe ones alone', () => {
  expect(headerSafeId('evt_1~/:.')).toBe('evt_1~/:.');
  for (const unsafe of ['a b', 'a\nb', 'é', '', 'x'.repeat(257), '\u0000']) {
    expect(headerSafeId(unsafe)).toMatch(/^id_[\w-]{43}$/);
    expect(headerSafeId(unsafe)).toBe(headerSafeId(unsafe));
  }
  expect(headerSafeId('a b')).not.toBe(headerSafeId('a  b'));
});

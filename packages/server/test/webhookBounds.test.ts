import { describe, expect, it } from 'vitest';
import { DeadLetters } from '../src/delivery/webhook/deadLetters.ts';
import { ChallengeLimit } from '../src/delivery/webhook/verification/challengeLimit.ts';
import { ConsentCache } from '../src/delivery/webhook/verification/consentCache.ts';
import { FeedEvent } from '../src/occurrence/feedEvent.ts';
import { FakeClock } from './kit/fakeClock.ts';

describe('challenges', () => {
  it('VERIFY-09 are counted per host and minute, also when the clock is set back', () => {
    const clock = new FakeClock();
    const limit = new ChallengeLimit(clock, 2);
    const taken = (): boolean[] => [1, 2, 3].map(() => limit.take('a'));
    expect(taken()).toEqual([true, true, false]);
    expect(limit.take('b')).toBe(true);
    clock.jump(59_999);
    expect(taken()).toEqual([false, false, false]);
    clock.jump(1);
    expect(taken()).toEqual([true, true, false]);
    clock.jump(-3_600_000);
    expect(taken()).toEqual([true, true, false]);
  });

  it('VERIFY-09 forget the host that was counted longest ago when there are too many', () => {
    const limit = new ChallengeLimit(new FakeClock(), 1);
    for (let host = 0; host < 10_001; host++) expect(limit.take(`h${host}`)).toBe(true);
    expect([limit.take('h10000'), limit.take('h1'), limit.take('h0')]).toEqual([false, false, true]);
  });
});

describe('consents', () => {
  it('VERIFY-06 OP-29 without a subscription are remembered for a day, and only so many', () => {
    const clock = new FakeClock();
    const consents = new ConsentCache(clock);
    for (const url of ['kept', 'released']) consents.use('alice', url);
    consents.release('alice', 'released');
    for (let n = 0; n < 10_000; n++) {
      consents.use('alice', `${n}`);
      consents.release('alice', `${n}`);
    }
    expect(['kept', 'released', '0', '9999'].map((url) => consents.has('alice', url))).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect(consents.has('bob', 'kept')).toBe(false);
    clock.jump(86_400_000);
    expect(['kept', '9999'].map((url) => consents.has('alice', url))).toEqual([true, false]);
  });

  it('VERIFY-06 last until the last subscription ends', () => {
    const clock = new FakeClock();
    const consents = new ConsentCache(clock);
    for (let n = 0; n < 3; n++) consents.use('alice', 'url');
    for (let n = 0; n < 2; n++) consents.release('alice', 'url');
    clock.jump(86_400_000);
    expect(consents.has('alice', 'url')).toBe(true);
    consents.release('alice', 'url');
    consents.release('alice', 'url');
    clock.jump(86_399_999);
    expect(consents.has('alice', 'url')).toBe(true);
    clock.jump(1);
    expect(consents.has('alice', 'url')).toBe(false);
  });
});

describe('dead letters', () => {
  const add = (letters: DeadLetters, subscriptionId: string, dataJson = '{}'): void => {
    const occurrence = { eventId: 'e', name: 'counted', timestamp: '2026-01-01T00:00:00Z', dataJson };
    const details = { subscriptionId, principal: 'alice', attempts: 5, reason: 'timeout' as const, abandonedAt: '' };
    letters.add(new FeedEvent({ ...occurrence, _meta: undefined, target: undefined }, null), details);
  };
  const numbers = (letters: DeadLetters, filter = {}): number[] => letters.list(filter).map(({ number }) => number);

  it('DELIV-08 of one subscription do not push out those of others', () => {
    const letters = new DeadLetters();
    add(letters, 'quiet');
    for (let n = 0; n < 1_500; n++) add(letters, 'dead');
    expect(numbers(letters, { subscriptionId: 'quiet' })).toEqual([1]);
    const dead = numbers(letters, { subscriptionId: 'dead' });
    expect([dead.length, dead[0], dead.at(-1)]).toEqual([1_000, 502, 1_501]);
  });

  it('DELIV-08 are bounded in number and in size, and found by several members at once', () => {
    const letters = new DeadLetters();
    for (let n = 0; n < 10_100; n++) add(letters, `sub_${n % 100}`);
    expect(letters.list({})).toHaveLength(10_000);
    expect(letters.find({ subscriptionId: 'sub_1', number: 10_002 })).toHaveLength(1);
    expect(letters.find({ subscriptionId: 'sub_2', number: 10_002 })).toEqual([]);
    const large = JSON.stringify({ text: 'x'.repeat(1024 * 1024) });
    for (let n = 0; n < 70; n++) add(letters, 'large', large);
    expect(letters.list({})).toHaveLength(63);
    for (const { letter } of letters.find({})) letters.remove(letter);
    for (const { letter } of letters.find({})) letters.remove(letter);
    expect(letters.list({})).toEqual([]);
    add(letters, 'large', large);
    expect(letters.list({})).toHaveLength(1);
  });
});

import { describe, expect, it } from 'vitest';
import { ChallengeLimit, networkOf } from '../src/delivery/webhook/verification/challengeLimit.ts';
import { ConsentCache } from '../src/delivery/webhook/verification/consentCache.ts';
import { FakeClock } from './kit/fakeClock.ts';

describe('challenges', () => {
  it('VERIFY-09 DELIV-21 are counted per host and minute, whatever the clock is set to', () => {
    const clock = new FakeClock();
    const limit = new ChallengeLimit(clock, 2);
    const taken = (): boolean[] => [1, 2, 3].map(() => limit.take('a'));
    expect(taken()).toEqual([true, true, false]);
    expect(limit.take('b')).toBe(true);
    clock.pass(59_999);
    expect(taken()).toEqual([false, false, false]);
    for (const setByMs of [3_600_000, -7_200_000]) {
      clock.jump(setByMs);
      expect(taken()).toEqual([false, false, false]);
    }
    clock.pass(1);
    expect(taken()).toEqual([true, true, false]);
  });

  it('VERIFY-09 forget the host that was counted longest ago when there are too many', () => {
    const limit = new ChallengeLimit(new FakeClock(), 1);
    for (let host = 0; host < 10_001; host++) expect(limit.take(`h${host}`)).toBe(true);
    expect([limit.take('h10000'), limit.take('h1'), limit.take('h0')]).toEqual([false, false, true]);
  });
});

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::ffff:1:2:3', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:1::', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
  ])('VERIFY-16 of one IPv6 network are one destination: %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
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
    clock.pass(86_400_000);
    expect(['kept', '9999'].map((url) => consents.has('alice', url))).toEqual([true, false]);
  });

  it('VERIFY-06 last until the last subscription ends', () => {
    const clock = new FakeClock();
    const consents = new ConsentCache(clock);
    for (let n = 0; n < 3; n++) consents.use('alice', 'url');
    for (let n = 0; n < 2; n++) consents.release('alice', 'url');
    clock.pass(86_400_000);
    expect(consents.has('alice', 'url')).toBe(true);
    consents.release('alice', 'url');
    consents.release('alice', 'url');
    clock.pass(86_399_999);
    expect(consents.has('alice', 'url')).toBe(true);
    clock.pass(1);
    expect(consents.has('alice', 'url')).toBe(false);
  });

  it('OP-29 nor longer where the clock is set back', () => {
    const clock = new FakeClock();
    const consents = new ConsentCache(clock);
    consents.use('alice', 'a');
    consents.release('alice', 'a');
    clock.jump(-30 * 86_400_000);
    clock.pass(86_399_999);
    expect(consents.has('alice', 'a')).toBe(true);
    clock.pass(1);
    expect(consents.has('alice', 'a')).toBe(false);
  });
});

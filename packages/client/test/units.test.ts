import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from '../src/backoff.ts';
import { sleep } from '../src/clock.ts';
import { EventBuffer } from '../src/subscription/eventBuffer.ts';
import { type Arrival, WaitingRoom } from '../src/delivery/webhook/waitingRoom.ts';
import { SigningSecret } from '../src/delivery/webhook/signingSecret.ts';
import { Callback } from '../src/receiver/callback.ts';
import { acknowledged, type Position } from '../src/subscription/position.ts';
import { RecentIds, RECENT_IDS_COUNT } from '../src/subscription/recentIds.ts';
import { FakeClock, settle } from './support/fakeClock.ts';

describe('backoff', () => {
  it('CLIENT-09 stays within zero and the doubling bound', () => {
    fc.assert(
      fc.property(fc.nat(5_000), fc.double({ min: 0, max: 0.999999, noNaN: true }), (attempt, random) => {
        const wait = backoffMs(attempt, { baseMs: 1_000, maxMs: 60_000 }, () => random);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThan(Math.min(60_000, 1_000 * 2 ** attempt) || Infinity);
      }),
    );
  });
});

describe('sleep', () => {
  it('ends with the signal and leaves no timer', async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const sleeping = sleep(clock, 1_000, stop.signal);
    stop.abort();
    await sleeping;
    await sleep(clock, 1_000, stop.signal);
    expect(clock.pendingTimers).toBe(0);
  });

  it('never exceeds what timers can do', async () => {
    const delays: number[] = [];
    const clock = Object.assign(new FakeClock(), { setTimeout: (_: unknown, ms: number) => delays.push(ms) });
    void sleep(clock, 2 ** 50, new AbortController().signal);
    expect(delays).toEqual([2 ** 31 - 1]);
  });
});

describe('RecentIds', () => {
  it('ORDER-04 remembers the last ids, bounded in number and in length', () => {
    const recent = new RecentIds();
    for (let n = 0; n < RECENT_IDS_COUNT + 10; n += 1) recent.add(`e${n}`);
    expect(recent.has('e9')).toBe(false);
    expect(recent.has('e10')).toBe(true);
    for (let n = 0; n < 100; n += 1) recent.add('x'.repeat(100_000) + n);
    expect(recent.has(`e${RECENT_IDS_COUNT}`)).toBe(false);
    expect(recent.has('x'.repeat(100_000) + 99)).toBe(true);
    recent.add('y'.repeat(10_000_000));
    expect(recent.has('y'.repeat(10_000_000))).toBe(true);
    expect(recent.has('x'.repeat(100_000) + 99)).toBe(false);
  });

  it('agrees with a plain list', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20).map(String)), fc.nat(20).map(String), (ids, probe) => {
        const recent = new RecentIds(ids);
        const unique = [...new Set(ids)];
        expect(recent.has(probe)).toBe(unique.includes(probe));
        expect(recent.after(probe, 5)).toEqual(
          unique.includes(probe) && unique.length - 1 - unique.indexOf(probe) <= 5
            ? unique.slice(unique.indexOf(probe) + 1)
            : undefined,
        );
      }),
    );
  });
});

describe('WaitingRoom', () => {
  const arrival = (n: number): Arrival => ({ bytes: 10, order: { position: `p${n}`, previous: `p${n - 1}` } });

  it('keeps within twice its bound, and refuses nothing twice while it is within', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ n: fc.nat(30), leaves: fc.boolean() }), { maxLength: 100 }), (steps) => {
        const room = new WaitingRoom(100);
        const inside = new Map<number, Arrival>();
        const refused = new Set<number>();
        for (const { n, leaves } of steps) {
          const one = inside.get(n) ?? arrival(n);
          if (inside.has(n) && leaves) {
            room.leave(one);
            inside.delete(n);
          } else if (!inside.has(n)) {
            const isAdmitted = room.admit(one);
            if (isAdmitted) inside.set(n, one);
            else if (inside.size < 20) {
              expect(refused).not.toContain(n);
              expect(inside).not.toContain(n + 1);
            }
            if (isAdmitted) refused.delete(n);
            else refused.add(n);
          }
          expect(inside.size).toBeLessThanOrEqual(20);
        }
      }),
    );
  });

  it('RECV-02 prefers what is waited for, as long as it is', () => {
    const room = new WaitingRoom(20);
    const [waiting, other] = [arrival(5), arrival(7)];
    expect([room.admit(waiting), room.admit(other)]).toEqual([true, true]);
    expect([room.admit(arrival(9)), room.admit(arrival(4))]).toEqual([false, true]);
    room.leave(waiting);
    // Nobody waits for its predecessor any more, which comes too late.
    expect([room.admit(arrival(4)), room.admit(arrival(6))]).toEqual([false, true]);
  });

  it('remembers a bounded number of refusals', () => {
    const room = new WaitingRoom(10);
    expect(room.admit(arrival(0))).toBe(true);
    for (let n = 10; n < 2_000; n += 1) expect(room.admit(arrival(n))).toBe(false);
    expect(room.admit(arrival(10))).toBe(false);
    expect(room.admit(arrival(1_999))).toBe(true);
    room.clear();
    expect(room.admit(arrival(5))).toBe(true);
  });
});

describe('signing secret', () => {
  it('SIG-05 SIG-11 is as old as its last change, and changed again only when it is old enough', async () => {
    const clock = new FakeClock();
    const rotated: string[] = [];
    const registered = {
      rotate: (secret: string) => rotated.push(secret),
      dropOldSecrets: () => {},
      bind: () => {},
      close: () => {},
    } as never;
    const rotateSecretAfterMs = 3_600_000;
    const secret = new SigningSecret({ rotateSecretAfterMs } as never, clock);
    await clock.advance(rotateSecretAfterMs);
    for (let change = 1; change <= 2; change += 1) {
      secret.rotateIfDue(registered);
      secret.accepted();
      await clock.advance(rotateSecretAfterMs - 1);
      secret.rotateIfDue(registered);
      expect([rotated.length, secret.value]).toEqual([change, rotated.at(-1)]);
      await clock.advance(1);
    }
    secret.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('SIG-05 is not changed again while posts may be signed with the one before', async () => {
    const clock = new FakeClock();
    let [rotated, dropped] = [0, 0];
    const registered = { rotate: () => rotated++, dropOldSecrets: () => dropped++ } as never;
    const secret = new SigningSecret({ rotateSecretAfterMs: 1_000 } as never, clock);
    await clock.advance(1_000);
    secret.rotateIfDue(registered);
    secret.accepted();
    await clock.advance(299_999);
    secret.rotateIfDue(registered);
    expect([rotated, dropped]).toEqual([1, 0]);
    await clock.advance(1);
    secret.rotateIfDue(registered);
    expect([rotated, dropped]).toEqual([2, 1]);
  });
});

describe('callback', () => {
  it('RECV-15 takes up to eight ids that posts suggest, until who subscribed tells the one', () => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const callback = new Callback({ secret, accept: () => 'accepted' }, () => {});
    for (let n = 1; n <= 9; n += 1) callback.suggest(`sub_${n}`);
    expect([callback.isNamed('sub_8'), callback.isNamed('sub_9'), callback.id]).toEqual([true, false, 'sub_1']);
    callback.bind('sub_9');
    callback.suggest('sub_1');
    expect([callback.isNamed('sub_8'), callback.isNamed('sub_9'), callback.id]).toEqual([false, true, 'sub_9']);
  });
});

describe('position', () => {
  it('CLIENT-01 keeps the last thousand ids acknowledged out of order, until as many in order have passed them', () => {
    const record = { name: 'n', arguments: {}, cursor: 'c0', seen: [], webhook: { path: 'p', seen: ['kept'] } };
    let position: Position = { record, inOrder: 0 };
    const ids = (): string[] => position.record.webhook!.seen;
    const take = (eventId: string, inOrder: boolean): void => {
      const event = { eventId, name: 'n', timestamp: 't', data: {}, cursor: 'c1', delivery: 'webhook' } as const;
      position = acknowledged(position, { kind: 'event', event, eventId, cursor: 'c1', bytes: 1, inOrder });
    };
    for (let n = 1; n < 1_000; n += 1) take(`e${n}`, false);
    expect(ids()).toHaveLength(1_000);
    take('e1000', false);
    expect(ids()).toHaveLength(1_000);
    expect(ids()[0]).toBe('e1');
    for (let n = 1; n < 1_000; n += 1) take(`o${n}`, true);
    expect(ids()).toHaveLength(1_000);
    take('e1001', false);
    for (let n = 1; n < 1_000; n += 1) take(`p${n}`, true);
    expect(ids().at(-1)).toBe('e1001');
    take('last', true);
    expect(ids()).toEqual([]);
  });

  it('CLIENT-16 keeps no id of more than 1,024 characters, which the server chose', () => {
    const kept = 'k'.repeat(1_024);
    for (const inOrder of [true, false]) {
      const record = { name: 'n', arguments: {}, cursor: 'c0', seen: [], webhook: { path: 'p', seen: [] } };
      let position: Position = { record, inOrder: 0 };
      for (const eventId of [`${kept}k`, kept]) {
        const event = { eventId, name: 'n', timestamp: 't', data: {}, cursor: null, delivery: 'poll' } as const;
        position = acknowledged(position, { kind: 'event', event, eventId, cursor: null, bytes: 1, inOrder });
      }
      expect(inOrder ? position.record.seen : position.record.webhook!.seen).toEqual([kept]);
    }
  });
});

describe('EventBuffer', () => {
  const occurrence = (eventId: string, cursor?: string): any => ({
    eventId,
    name: 'n',
    timestamp: 't',
    data: {},
    cursor,
  });

  it('holds neither heartbeats, gaps nor repetitions without bound', () => {
    const buffer = new EventBuffer(null, [], { maxEvents: 10, maxBytes: 1e9 });
    buffer.pushed(occurrence('e1', 'c1'), 'push');
    buffer.pushed(occurrence('e2', 'c2'), 'push');
    for (let n = 0; n < 1_000; n += 1) {
      buffer.position(`h${n}`);
      buffer.gap({ reason: 'truncated', cursor: `g${n}` });
      buffer.pushed(occurrence('e1', 'c1'), 'push');
    }
    const kinds = [];
    for (let item = buffer.peek(); item !== undefined; item = buffer.peek()) {
      kinds.push(item.kind === 'event' ? item.event.eventId : item);
      buffer.shift();
    }
    expect(kinds).toEqual([
      'e1',
      'e2',
      { kind: 'gap', gap: { reason: 'truncated', cursor: 'g999' }, cursor: 'c1', seen: ['e2'] },
    ]);
    expect(buffer.resumeCursor).toBe('c1');
  });

  it('lets go of what was taken out', async () => {
    const buffer = new EventBuffer('c0', [], { maxEvents: 4, maxBytes: 1e9 });
    const never = new AbortController().signal;
    let drained = false;
    for (let n = 1; n <= 4; n += 1) expect(buffer.pushed(occurrence(`e${n}`, `c${n}`), 'push')).toBe('taken');
    expect(buffer.pushed(occurrence('e5', 'c5'), 'push')).toBe('full');
    void buffer.whenDrained(never).then(() => (drained = true));
    buffer.shift();
    await settle();
    expect(drained).toBe(false);
    buffer.shift();
    await settle();
    expect(drained).toBe(true);
    expect(buffer.resumeCursor).toBe('c4');
  });
});

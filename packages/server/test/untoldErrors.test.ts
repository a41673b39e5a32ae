import { internalError } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import type { ChannelListener, PushChannel } from '../src/delivery/push/channel.ts';
import { PushSession } from '../src/delivery/push/pushSession.ts';
import { Pump } from '../src/delivery/pump.ts';
import { LiveFeed } from '../src/feed/liveFeed.ts';
import { Selection } from '../src/subscription/selection.ts';
import type { Match } from '../src/subscription/selection.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';

/** A stream of a type without replay whose channel has room for so many messages. */
function liveStream(match?: Match<never, never>): {
  room: { left: number };
  told: unknown[];
  session: PushSession;
  emit: (n: number) => void;
  readOn: () => void;
} {
  const clock = new FakeClock();
  const feed = new LiveFeed({}, clock);
  const room = { left: Infinity };
  const told: unknown[] = [];
  const take = (what: unknown): boolean => {
    if (room.left <= 0) return false;
    room.left--;
    told.push(what);
    return true;
  };
  const channel: PushChannel = {
    event: ({ data }) => take(data['n']),
    message: (method) => take(method.replace('notifications/events/', '')),
    finish: () => {},
  };
  const session = new PushSession({ arguments: {} } as never, 'final', () => {});
  const pump = new Pump({
    subscription: session,
    feed,
    rules: () => ({ name: 'live', filter: {}, match: match as never, transform: undefined, validate: () => {} }),
    selection: new Selection(clock, 1_000, 1_000),
    sink: session,
    clock,
    report: () => {},
  });
  void pump.open(null);
  session.start(pump, channel, { cursor: null, truncated: false }, () => () => {});
  const listener: ChannelListener = session;
  return {
    room,
    told,
    session,
    emit: (n) => void feed.append({ eventId: `e${n}`, name: 'live', timestamp: '2026-01-01T00:00:00Z', data: { n } }),
    readOn: () => {
      room.left = Infinity;
      listener.onRoom();
    },
  };
}

describe('an error that a stream has no room for', () => {
  it('PUSH-22 is told once there is, before anything else', async () => {
    const { session, room, told, emit, readOn } = liveStream();
    await settle();
    room.left = 0;
    session.fail(internalError('An event could not be prepared'));
    room.left = 1;
    emit(1);
    expect(told).toEqual(['active', 'error']);
    readOn();
    await settle();
    // The event that had no room is a loss of its own.
    expect(told).toEqual(['active', 'error', 'error']);
    emit(2);
    expect(told.slice(3)).toEqual([2]);
  });

  it('PUSH-22 is told once there is, though nothing else is to come', async () => {
    const { session, room, told } = liveStream();
    await settle();
    room.left = 0;
    session.fail(internalError('An event could not be prepared'));
    room.left = 1;
    session.onRoom();
    expect(told).toEqual(['active', 'error']);
  });

  it('PUSH-22 PUSH-08 is told before the gap it says the reason of, though that would have found room', async () => {
    const { session, room, told } = liveStream();
    await settle();
    room.left = 0;
    session.fail(internalError('An event could not be prepared'));
    room.left = 1;
    expect(session.lose('c1')).toBe(false);
    expect(told).toEqual(['active', 'error']);
    room.left = 1;
    expect(session.lose('c1')).toBe(true);
    expect(told).toEqual(['active', 'error', 'active']);
  });

  it('PUSH-22 CUR-14 tells of a loss though there was no room for it at first', async () => {
    const { room, told, emit, readOn } = liveStream();
    await settle();
    room.left = 0;
    emit(1);
    readOn();
    await settle();
    emit(2);
    expect(told).toEqual(['active', 'error', 2]);
  });

  it('PUSH-22 waits again where the room was taken meanwhile', async () => {
    const { session, room, told, emit, readOn } = liveStream();
    await settle();
    room.left = 0;
    emit(1);
    session.onRoom();
    await settle();
    expect(told).toEqual(['active']);
    readOn();
    await settle();
    emit(2);
    expect(told).toEqual(['active', 'error', 2]);
  });

  it('PUSH-22 ORDER-01 comes before later events that wait for a slow match', async () => {
    const decisions: (() => void)[] = [];
    const match = (): Promise<boolean> => new Promise((resolve) => decisions.push(() => resolve(true)));
    const { room, told, emit, readOn } = liveStream(match);
    await settle();
    for (const n of [1, 2, 3]) emit(n);
    room.left = 0;
    decisions.shift()?.();
    await settle();
    room.left = Infinity;
    for (let n = 0; n < 2; n++) {
      decisions.shift()?.();
      await settle();
    }
    readOn();
    await settle();
    expect(told).toEqual(['active', 'error', 2, 3]);
  });
});

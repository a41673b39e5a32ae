import { FeedEvent } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { ProcessLog } from '../src/processLog.ts';
import { FakeClock } from './support/fakeClock.ts';

const roomy = { maxAgeMs: 1e9, maxCount: 1_000, maxBytes: 1e9 };

function eventAt(ms: number, eventId = `e${ms}`): FeedEvent {
  return new FeedEvent({ eventId, name: 'x', timestamp: new Date(ms).toISOString(), data: {} }, null);
}

function logOf(count: number, retention = roomy, clock = new FakeClock()): ProcessLog {
  const log = new ProcessLog(retention, clock);
  for (let n = 1; n <= count; n++) log.append(eventAt(n), 10);
  return log;
}

const positions = (log: ProcessLog, after: number, limit = 100): number[] =>
  log.read(after, limit).map(({ position }) => position);

describe('the log of the process', () => {
  it('counts positions from 1 and reads after them', () => {
    const log = logOf(3);
    expect([log.oldest, log.head]).toEqual([1, 3]);
    expect([positions(log, 0), positions(log, 1), positions(log, 3), positions(log, 0, 2)]).toEqual([
      [1, 2, 3],
      [2, 3],
      [],
      [1, 2],
    ]);
    expect(log.find('e2')?.position).toBe(2);
    expect(log.find('e4')).toBeUndefined();
  });

  it.each([
    ['number', { ...roomy, maxCount: 2 }],
    ['size', { ...roomy, maxBytes: 25 }],
  ])('EMIT-08 is bounded by %s', (_bound, retention) => {
    const log = logOf(5, retention);
    expect([log.oldest, log.head]).toEqual([4, 5]);
    expect(positions(log, 0)).toEqual([4, 5]);
    expect(log.find('e3')).toBeUndefined();
  });

  it('EMIT-08 is bounded by age', async () => {
    const clock = new FakeClock();
    const log = logOf(2, { ...roomy, maxAgeMs: 1_000 }, clock);
    await clock.advance(600);
    log.append(eventAt(3), 10);
    await clock.advance(600);
    expect([log.oldest, log.head]).toEqual([3, 3]);
    await clock.advance(600);
    expect([log.oldest, log.head]).toEqual([4, 3]);
    log.append(eventAt(4), 10);
    expect(positions(log, 0)).toEqual([4]);
  });

  it('finds the position before the first event of a time', () => {
    const log = logOf(4, { ...roomy, maxCount: 3 });
    expect([log.seek(0, 0), log.seek(0, 3), log.seek(3, 0), log.seek(0, 9), log.seek(4, 9)]).toEqual([1, 2, 3, 4, 4]);
  });

  it('leaves out a position and forgets what was before it', () => {
    const log = logOf(2);
    log.skip();
    expect([log.oldest, log.head, log.find('e1')]).toEqual([4, 3, undefined]);
    log.append(eventAt(4), 10);
    expect(positions(log, 0)).toEqual([4]);
  });

  it('EMIT-09 is never mistaken for another', () => {
    expect(logOf(0).epoch).not.toBe(logOf(0).epoch);
    expect(logOf(0).epoch).toMatch(/^[\w-]+$/);
  });

  it('has everything in its place after it was closed', () => {
    const log = logOf(2);
    log.close();
    log.append(eventAt(3), 10);
    expect(positions(log, 0)).toEqual([1, 2, 3]);
  });
});

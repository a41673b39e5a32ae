import { expect, it } from 'vitest';
import { describeFault, scheduleOf } from '../src/faults/schedule.ts';

const MINUTE_MS = 60_000;
const SEEDS = Array.from({ length: 50 }, (_, seed) => seed);

it('makes the same schedule of the same seed, and another one of another', () => {
  for (const seed of SEEDS) expect(scheduleOf(seed, MINUTE_MS)).toEqual(scheduleOf(seed, MINUTE_MS));
  const texts = new Set(SEEDS.map((seed) => scheduleOf(seed, MINUTE_MS).map(describeFault).join('\n')));
  expect(texts.size).toBe(SEEDS.length);
});

it('has everything begin in order, and be over by the end', () => {
  for (const schedule of SEEDS.map((seed) => scheduleOf(seed, MINUTE_MS))) {
    const beginnings = schedule.map(({ atMs }) => atMs);
    expect(beginnings).toEqual(beginnings.toSorted((a, b) => a - b));
    expect(schedule.every(({ atMs, lastsMs }) => atMs + lastsMs <= MINUTE_MS)).toBe(true);
    expect(schedule.length).toBeGreaterThan(20);
  }
});

it('does nothing twice at a time to the same part', () => {
  for (const schedule of SEEDS.map((seed) => scheduleOf(seed, MINUTE_MS))) {
    const busy = new Map<string, number>();
    for (const { atMs, lastsMs, fault } of schedule) {
      const key = `${fault.kind} ${fault.whom}`;
      expect(atMs).toBeGreaterThan(busy.get(key) ?? -1);
      busy.set(key, atMs + lastsMs);
    }
  }
});

it('has every kind of fault happen', () => {
  const kinds = new Set(
    SEEDS.flatMap((seed) => scheduleOf(seed, MINUTE_MS)).map(({ fault }) => {
      if (fault.kind === 'link') return fault.fault.kind;
      return fault.kind === 'endpoint' ? `endpoint ${fault.behaviour.kind}` : fault.kind;
    }),
  );
  expect([...kinds].toSorted()).toEqual([
    'clock',
    'delay',
    'diskFull',
    'endpoint hang',
    'endpoint loseAnswer',
    'endpoint slow',
    'endpoint status',
    'hang',
    'kill',
    'refuse',
    'reset',
    'restart',
    'stop',
    'truncate',
  ]);
});

it('says when, whom, what and how long, a line each', () => {
  expect(
    describeFault({ atMs: 61_500, lastsMs: 2_000, fault: { kind: 'link', whom: 'server', fault: { kind: 'refuse' } } }),
  ).toBe('  61.5 s  server      connections: refuse, 2 s');
  expect(describeFault({ atMs: 0, lastsMs: 100, fault: { kind: 'kill', whom: 'hooked' } })).toBe(
    '   0.0 s  hooked      SIGKILL, away, 0.1 s',
  );
});

import { expect, it } from 'vitest';
import { scheduleOf } from '../src/faults/schedule.ts';
import { plants } from '../src/history/plants.ts';
import { UsageError } from '../src/commandLine.ts';
import { readOptions } from '../src/faults/options.ts';

it('takes a seed, a number of runs and a duration', () => {
  expect(readOptions(['--seed', '7', '--seeds', '3', '--minutes', '2'])).toMatchObject({
    seeds: [7, 8, 9],
    durationMs: 120_000,
    required: [],
  });
});

it('has every kind of fault happen, and requires every kind of violation to be found, in continuous integration', () => {
  const { seeds, durationMs, required } = readOptions(['--ci']);
  expect(seeds.length * durationMs).toBeLessThanOrEqual(60_000);
  expect([...required].toSorted()).toEqual(Object.keys(plants).toSorted());
  const faults = seeds.flatMap((seed) => scheduleOf(seed, durationMs)).map(({ fault }) => fault);
  const kinds = faults.map((fault) => (fault.kind === 'link' ? fault.fault.kind : fault.kind));
  const behaviours = faults.flatMap((fault) => (fault.kind === 'endpoint' ? [fault.behaviour.kind] : []));
  expect(new Set(kinds).size).toBe(11);
  expect(new Set(behaviours).size).toBe(4);
});

it('takes the largest seed it names', () => {
  const bound = 4_503_599_627_370_495;
  expect(() => readOptions(['--seed', 'x'])).toThrow(`--seed is a number from 0 to ${bound}, not "x"`);
  expect(readOptions(['--seed', String(bound)]).seeds).toEqual([bound]);
});

it.each([
  [['--seed', 'x'], '--seed is a number'],
  [['--seed', '1.5'], 'whole number'],
  [['--minutes', '0'], '--minutes is a number'],
  [['--minutes', ''], '--minutes is a number'],
  [['--plant', 'weeds'], '--plant takes loss, duplicate'],
  [['--ci', '--seed', '1'], '--ci decides'],
  [['--nonsense'], '--nonsense'],
])('explains what is wrong with %j', (args, message) => {
  expect(() => readOptions(args)).toThrow(UsageError);
  expect(() => readOptions(args)).toThrow(message);
});

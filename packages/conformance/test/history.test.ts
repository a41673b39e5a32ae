import { checkHistory, describeVerdict, factLine, mergeFacts, readFacts, readLogCursor } from '@mcp-events/conformance';
import type { Fact } from '@mcp-events/conformance';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { GoodRun, steps } from './historyGenerator.ts';
import { PlantableHistory } from '../src/history/plantableHistory.ts';
import { plants } from '../src/history/plants.ts';

/** A short search; `PROPERTY_RUNS=2000 PROPERTY_SEED=random` makes a long one of it. */
const RUNS = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60) };

it('G1 G2 G3 G4 finds nothing in histories that keep the guarantees', () => {
  fc.assert(
    fc.property(steps, (planned) => {
      const verdict = checkHistory(new GoodRun(planned).facts);
      expect(describeVerdict(verdict).split('\n').slice(1)).toEqual([]);
    }),
    RUNS,
  );
});

for (const [kind, { title, plant }] of Object.entries(plants)) {
  it(`finds ${title}, planted anywhere in a good history`, () => {
    let planted = 0;
    fc.assert(
      fc.property(steps, fc.nat(), (planned, choice) => {
        const facts = plant(new PlantableHistory(new GoodRun(planned, kind !== 'gap').facts, readLogCursor), choice);
        if (facts === undefined) return;
        planted++;
        expect(checkHistory(facts).violations.map((violation) => violation.kind)).toContain(kind);
      }),
      RUNS,
    );
    expect(planted).toBeGreaterThan(RUNS.numRuns / 10);
  });
}

it('plants no cursor behind an event that had been handed out, though its arrival was recorded later', () => {
  const mine = { subscription: 's' };
  const facts: Fact[] = [
    { fact: 'begun', ...mine, process: 'client', type: 'opened', mode: 'webhook', cursor: 'run.0' },
    ...['e1', 'e2'].flatMap((eventId, index): Fact[] => [
      { fact: 'emitting', type: 'opened', eventId },
      { fact: 'emitted', eventId, cursor: `run.${index + 1}` },
    ]),
    { fact: 'received', ...mine, cursor: 'run.0' },
    { fact: 'handed', ...mine, eventId: 'e1' },
    { fact: 'received', ...mine, events: ['e2'], cursor: 'run.0' },
    { fact: 'received', ...mine, events: ['e1'], cursor: 'run.1' },
    { fact: 'committed', ...mine, eventId: 'e1' },
    { fact: 'handed', ...mine, eventId: 'e2' },
    { fact: 'committed', ...mine, eventId: 'e2' },
    { fact: 'settled' },
  ];
  expect(plants.cursor.plant(new PlantableHistory(facts, readLogCursor), 0)).toBe(undefined);
});

it('shows the facts of a violation', () => {
  const facts: Fact[] = [
    { fact: 'begun', subscription: 's', process: 'client', type: 'opened', mode: 'poll', cursor: 'run.0' },
    { fact: 'emitting', type: 'opened', eventId: 'e1' },
    { fact: 'emitted', eventId: 'e1', cursor: 'run.1' },
    { fact: 'settled' },
  ];
  const text = describeVerdict(checkHistory(facts));
  expect(text).toContain('loss: s was neither given e1 nor told of a gap');
  expect(text).toContain('#2 {"fact":"emitted","eventId":"e1","cursor":"run.1"}');
});

it('lets come late what a gap by webhook had covered, and nothing else', () => {
  const history = (mode: 'push' | 'webhook', gap: boolean): Fact[] => [
    { fact: 'begun', subscription: 's', process: 'client', type: 'opened', mode, cursor: 'run.0' },
    ...['e1', 'e2'].flatMap((eventId, index): Fact[] => [
      { fact: 'emitting', type: 'opened', eventId },
      { fact: 'emitted', eventId, cursor: `run.${index + 1}` },
    ]),
    ...(gap ? [{ fact: 'received', subscription: 's', cursor: 'run.1', gap } as const] : []),
    ...['e2', 'e1'].map((eventId): Fact => ({ fact: 'handed', subscription: 's', eventId })),
    { fact: 'settled' },
  ];
  const kinds = (facts: Fact[]): string[] => checkHistory(facts).violations.map(({ kind }) => kind);
  expect(kinds(history('webhook', true))).toEqual([]);
  expect(kinds(history('webhook', false))).toEqual(['order']);
  expect(kinds(history('push', true))).toEqual(['order']);
});

it('reads what was written line by line, without a line that was cut', () => {
  const facts: Fact[] = [
    { fact: 'started', process: 'server', at: 1 },
    { fact: 'killed', process: 'server', at: 3 },
  ];
  const text = facts.map(factLine).join('');
  expect(readFacts(`${text}{"fact":"sta`)).toEqual(facts);
  const other: Fact[] = [{ fact: 'settled', at: 2 }, { fact: 'settled' }];
  expect(mergeFacts([facts, other])).toEqual([facts[0], other[0], other[1], facts[1]]);
});

it('gets through a long history in time', () => {
  const facts: Fact[] = [
    { fact: 'begun', subscription: 's', process: 'client', type: 'opened', mode: 'push', cursor: 'run.0' },
  ];
  for (let n = 1; facts.length < 200_000; n++) {
    const eventId = `e${n}`;
    const cursor = `run.${n}`;
    facts.push({ fact: 'emitting', type: 'opened', eventId }, { fact: 'emitted', eventId, cursor });
    facts.push({ fact: 'received', subscription: 's', events: [eventId], cursor });
    facts.push({ fact: 'handed', subscription: 's', eventId }, { fact: 'committed', subscription: 's', eventId });
  }
  facts.push({ fact: 'settled' });
  expect(checkHistory(facts).violations).toEqual([]);
});

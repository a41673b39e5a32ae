import { checkHistory } from '@mcp-events/conformance';
import type { BegunFact, Fact } from '@mcp-events/conformance';
import { expect, it } from 'vitest';

const S = { subscription: 's' };
const BEGUN: BegunFact = {
  fact: 'begun',
  ...S,
  process: 'client',
  type: 'opened',
  mode: 'poll',
  cursor: 'run.0',
  principal: 'alice',
};
/** The copy ends behind the first event. */
const RESTORED: Fact = { fact: 'restored', logs: [{ type: 'opened', epoch: 'again', from: 'run', head: 1 }] };
const SETTLED: Fact = { fact: 'settled' };

function kinds(facts: readonly Fact[]): string[] {
  const found = checkHistory(facts).violations.map(({ kind }) => kind);
  return [...new Set(found)].filter((kind) => kind !== 'empty');
}

function emit(eventId: string, cursor: string): Fact[] {
  return [
    { fact: 'emitting', type: 'opened', eventId },
    { fact: 'emitted', eventId, cursor },
  ];
}

function take(eventId: string, cursor: string): Fact[] {
  return [
    { fact: 'received', ...S, events: [eventId], cursor },
    { fact: 'handed', ...S, eventId },
    { fact: 'committed', ...S, eventId },
  ];
}

const EMITTED = [...emit('e1', 'run.1'), ...emit('e2', 'run.2')];

it('G2 does not owe what was lost with the storage that was replaced, and owes what was not', () => {
  const after = [...emit('e3', 'again.2')];
  expect(
    kinds([BEGUN, ...EMITTED, RESTORED, ...after, ...take('e1', 'again.1'), ...take('e3', 'again.2'), SETTLED]),
  ).toEqual([]);
  expect(kinds([BEGUN, ...EMITTED, RESTORED, ...after, ...take('e3', 'again.2'), SETTLED])).toContain('loss');
  expect(kinds([BEGUN, ...EMITTED, RESTORED, ...after, ...take('e1', 'again.1'), SETTLED])).toEqual(['loss']);
  expect(kinds([BEGUN, ...EMITTED, ...take('e1', 'run.1'), SETTLED, RESTORED])).toEqual(['loss']);
});

it('G3 reads positions of the copy as those of the log it was made of, up to its end', () => {
  const promised: Fact = { fact: 'received', ...S, cursor: 'again.1' };
  expect(kinds([BEGUN, ...EMITTED, RESTORED, promised])).toEqual(['cursor']);
  expect(kinds([BEGUN, ...EMITTED, ...take('e1', 'run.1'), RESTORED, promised])).toEqual([]);
  // Given before the restore, the promise was one.
  expect(kinds([BEGUN, ...EMITTED, ...take('e1', 'run.1'), { ...promised, cursor: 'run.2' }, RESTORED])).toEqual([
    'cursor',
  ]);
});

it('G4 lets nothing come again that was before the end of the copy', () => {
  const again = [BEGUN, ...EMITTED, ...take('e1', 'run.1'), RESTORED, ...take('e1', 'again.1')];
  expect(kinds(again)).toEqual(['order', 'duplicate']);
});

it('gives positions once in each past, and later ones to what is emitted later', () => {
  expect(kinds([...EMITTED, RESTORED, ...emit('e3', 'again.2')])).toEqual([]);
  expect(kinds([...EMITTED, RESTORED, ...emit('e3', 'again.1')])).toEqual(['log']);
  expect(kinds([...EMITTED, RESTORED, ...emit('e3', 'run.2')])).toEqual(['log']);
});

it.each<[string, Partial<BegunFact>, string[]]>([
  ['that was beyond it', { cursor: 'run.2' }, []],
  ['that was not', { cursor: 'run.1' }, ['gap']],
  ['by webhook, of which nobody knows', { cursor: 'run.1', mode: 'webhook' }, []],
  ['that has something newer', { cursor: 'again.2' }, ['gap']],
])('G2 lets the end of the copy explain a gap to one %s', (_who, begun, found) => {
  const lost = { fact: 'lossCause', why: 'restored', type: 'opened', upTo: 'again.2' } as const;
  const facts: Fact[] = [
    ...EMITTED,
    { fact: 'calm' },
    RESTORED,
    { ...lost, beyond: 'run.1' },
    { ...lost, mode: 'webhook' },
    { ...BEGUN, ...begun },
    { fact: 'received', ...S, gap: true, cursor: 'again.2' },
  ];
  expect(kinds(facts)).toEqual(found);
});

it.each<[string, string, string[]]>([
  ['beyond the end of a copy of a copy', 'again.3', []],
  ['at that end', 'again.0', ['gap']],
  ['at that end, by the name of the first past', 'run.0', ['gap']],
])('G2 knows the order of pasts by who goes on from whom, for one %s', (_where, cursor, found) => {
  const restored = (epoch: string, from: string): Fact => {
    return { fact: 'restored', logs: [{ type: 'opened', epoch, from, head: 0 }] };
  };
  const facts: Fact[] = [
    restored('again', 'run'),
    ...emit('e1', 'again.1'),
    ...emit('e2', 'again.2'),
    ...emit('e3', 'again.3'),
    { fact: 'calm' },
    restored('last', 'again'),
    { fact: 'lossCause', why: 'restored', type: 'opened', upTo: 'last.1', beyond: 'again.0' },
    { ...BEGUN, cursor },
    { fact: 'received', ...S, gap: true, cursor: 'last.0' },
  ];
  expect(kinds(facts)).toEqual(found);
});

it.each<[string, string, string[]]>([
  ['from a past in which nothing was emitted', 'run.0', []],
  ['from behind what is lost', 'again.1', ['gap']],
])('G2 counts a past as later than those that were seen before it, for one %s', (_where, cursor, found) => {
  const facts: Fact[] = [
    { ...BEGUN, subscription: 'first' },
    ...emit('e1', 'again.1'),
    { fact: 'calm' },
    { fact: 'lossCause', why: 'retention', type: 'opened', upTo: 'again.1' },
    { ...BEGUN, cursor },
    { fact: 'received', ...S, gap: true, cursor: 'again.1' },
  ];
  expect(kinds(facts)).toEqual(found);
});

const GRANTED: Fact = { fact: 'granted', ...S, refreshBeforeMs: null };
const FORGOTTEN: Fact = { fact: 'ended', ...S, how: 'forgotten', atMs: 5 };

it('knows of a webhook only what the copy does, and holds the server to what it grants after that', () => {
  const begun: Fact = { ...BEGUN, mode: 'webhook' };
  expect(kinds([begun, GRANTED, FORGOTTEN])).toEqual(['grant']);
  expect(kinds([begun, GRANTED, RESTORED, FORGOTTEN])).toEqual([]);
  expect(kinds([begun, GRANTED, RESTORED, GRANTED, FORGOTTEN])).toEqual(['grant']);
});

it('owes nothing to a subscription that was dropped, and everything once it begins again', () => {
  const dropped: Fact = { fact: 'ended', ...S, how: 'dropped' };
  const begun: Fact = { ...BEGUN, mode: 'webhook' };
  expect(kinds([begun, GRANTED, dropped, FORGOTTEN])).toEqual([]);
  expect(kinds([begun, dropped, ...EMITTED, SETTLED])).toEqual([]);
  expect(kinds([begun, dropped, ...EMITTED, begun, SETTLED])).toEqual(['loss']);
});

it('waits no longer for what was lost, and again for a webhook once it has asked', () => {
  const begun: Fact = { ...BEGUN, mode: 'webhook', withinMs: 1_000, at: 0 };
  const calm: Fact = { fact: 'calm', at: 0 };
  const emitted = (eventId: string, cursor: string, at: number): Fact[] =>
    emit(eventId, cursor).map((fact) => Object.assign(fact, { at }));
  const later: Fact = { fact: 'started', process: 'another', at: 9_000 };
  const restored: Fact = { ...RESTORED, at: 10 };
  const lateAfter = (...facts: Fact[]): boolean => kinds([begun, calm, ...facts, later]).includes('late');
  expect(lateAfter(...emitted('e1', 'run.1', 1), ...emitted('e2', 'run.2', 1), GRANTED)).toBe(true);
  expect(lateAfter(restored, ...emitted('e3', 'again.2', 20))).toBe(false);
  expect(lateAfter(restored, GRANTED, ...emitted('e3', 'again.2', 20))).toBe(true);
  const before = [...emitted('e2', 'run.2', 1), restored, GRANTED];
  expect(lateAfter(...before)).toBe(false);
});

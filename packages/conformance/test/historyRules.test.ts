import { checkHistory } from '@mcp-events/conformance';
import type { BegunFact, Fact, LossCauseFact } from '@mcp-events/conformance';
import { describe, expect, it } from 'vitest';
import { plants } from '../src/history/plants.ts';
import { describeExamined, idleKinds, sumExamined } from '../src/history/verdict.ts';

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

/** What is wrong with a history, apart from its being small. */
function kinds(facts: readonly Fact[]): string[] {
  const found = checkHistory(facts).violations.map(({ kind }) => kind);
  return [...new Set(found)].filter((kind) => kind !== 'empty');
}

function emit(number: number, more: Partial<Fact> = {}): Fact[] {
  const eventId = `e${number}`;
  return [
    { fact: 'emitting', type: 'opened', eventId, hash: `data of ${eventId}`, ...more } as Fact,
    { fact: 'emitted', eventId, cursor: `run.${number}`, ...(more.at === undefined ? {} : { at: more.at }) },
  ];
}

function take(number: number, at?: number): Fact[] {
  const eventId = `e${number}`;
  const hash = `data of ${eventId}`;
  const time = at === undefined ? {} : { at };
  return [
    { fact: 'received', ...S, events: [eventId], hashes: [hash], cursor: `run.${number}`, ...time },
    { fact: 'handed', ...S, eventId, hash, ...time },
    { fact: 'committed', ...S, eventId, ...time },
  ];
}

it('is not content with a history in which nothing happened', () => {
  expect(checkHistory([]).violations.map(({ kind }) => kind)).toEqual(['empty']);
  const whole: Fact[] = [BEGUN, ...emit(1), ...take(1), { fact: 'settled' }];
  expect(checkHistory(whole).violations).toEqual([]);
  for (const fact of ['emitted', 'begun', 'handed', 'settled']) {
    const violations = checkHistory(whole.filter((one) => one.fact !== fact)).violations.map(({ kind }) => kind);
    expect(violations).toContain('empty');
  }
});

it('G2 is not content with one gap at the end for a thousand events', () => {
  const facts: Fact[] = [
    { ...BEGUN, withinMs: 60_000, at: 0 },
    { fact: 'calm', at: 0 },
  ];
  for (let n = 1; n <= 1_000; n++) facts.push(...emit(n, { at: n * 100 }));
  facts.push({ fact: 'lossCause', why: 'match', at: 150_000 });
  facts.push({ fact: 'received', ...S, gap: true, cursor: 'run.1000', at: 150_000 }, { fact: 'settled' });
  expect(kinds(facts)).toEqual(['late']);
});

it('G2 waits for nothing that is said again and was there before a subscription', () => {
  const begun: Fact = { ...BEGUN, withinMs: 1_000, cursor: 'run.1', at: 10 };
  const rest: Fact[] = [...emit(2, { at: 30 }), ...take(2, 30), { fact: 'settled', at: 9_000 }];
  const facts = (again: Fact[]): Fact[] => [{ fact: 'calm', at: 0 }, ...emit(1, { at: 0 }), begun, ...again, ...rest];
  expect(kinds(facts(emit(1, { at: 20 })))).toEqual([]);
  // Said again or not, what comes after its position is waited for.
  const behind: Fact[] = [...emit(3, { at: 40 }), ...emit(3, { at: 50 }), { fact: 'settled', at: 9_000 }];
  expect(kinds([...facts([]).slice(0, -1), ...behind])).toContain('late');
});

it('G2 is not content with gaps that have no cause', () => {
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: 'run.1' };
  const cause: Fact = { fact: 'lossCause', why: 'match' };
  expect(kinds([BEGUN, { fact: 'calm' }, ...emit(1), gap])).toEqual(['gap']);
  expect(kinds([BEGUN, ...emit(1), gap])).toEqual([]);
  expect(kinds([BEGUN, { fact: 'calm' }, ...emit(1), cause, gap])).toEqual([]);
  // As an answer and as a message, and not a third time.
  expect(kinds([BEGUN, { fact: 'calm' }, ...emit(1), cause, gap, gap])).toEqual([]);
  expect(kinds([BEGUN, { fact: 'calm' }, ...emit(1), cause, gap, gap, gap])).toEqual(['gap']);
});

it('G2 weighs a gap that waited for an answer by when it came', () => {
  const cause = (at: number): Fact => ({ fact: 'lossCause', why: 'refused', at });
  const gap = (number: number, arrivedMs?: number): Fact => {
    const waited = arrivedMs === undefined ? {} : { arrivedMs };
    return { fact: 'received', ...S, cursor: `run.${number}`, gap: true, at: 100, ...waited };
  };
  const start: Fact[] = [
    { ...BEGUN, mode: 'webhook', at: 0 },
    { fact: 'calm', at: 0 },
  ];
  const told = (...gaps: Fact[]): string[] => kinds([...start, cause(10), cause(20), cause(30), ...gaps]);
  expect(told(gap(1, 10), gap(2, 20), gap(3, 30))).toEqual([]);
  expect(told(gap(1), gap(2), gap(3))).toEqual(['gap']);
  // Nothing happened since the one before the last.
  expect(told(gap(1, 31), gap(2, 32), gap(3, 33))).toEqual(['gap']);
  expect(told(gap(1, 30), gap(2, 31), gap(3, 32))).toEqual([]);
  expect(told(gap(1, 30), gap(2, 31), gap(3, 32), gap(4, 33))).toEqual(['gap']);
  // The answer, which is taken before them, says a later position than they were told for.
  const upTo: Fact = { fact: 'lossCause', why: 'retention', type: 'opened', upTo: 'run.3', at: 40 };
  expect(told(upTo, gap(3), gap(1, 41), gap(2, 42), gap(3, 43))).toEqual([]);
  expect(told(upTo, gap(3), gap(1, 41), gap(2, 42), gap(3))).toEqual(['gap']);
  expect(told(gap(1), gap(2, 10), gap(3, 20), gap(4, 30))).toEqual([]);
  expect(told(gap(1), gap(2, 31), gap(3, 32), gap(4, 33))).toEqual(['gap']);
});

it('G2 lets what is left out for its age be told page by page, and nothing that came later', () => {
  const gap = (number: number): Fact => ({ fact: 'received', ...S, gap: true, cursor: `run.${number}` });
  const told = (...gaps: readonly Fact[]): string[] =>
    kinds([
      BEGUN,
      { fact: 'calm' },
      ...[1, 2, 3, 4].flatMap((number) => emit(number)),
      { fact: 'lossCause', why: 'age', ...S, isOfEach: true },
      ...emit(5),
      ...gaps,
    ]);
  expect(told(gap(1), gap(2), gap(3), gap(4))).toEqual([]);
  expect(told(gap(1), gap(2), gap(4), gap(4))).toEqual(['gap']);
  expect(told(gap(1), gap(2), gap(3), gap(4), gap(5))).toEqual(['gap']);
});

it('G2 is not content with a gap that covers events which nothing can have lost', () => {
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: 'run.2' };
  const told = (cause: Partial<LossCauseFact>, ...after: readonly Fact[]): Fact[] => [
    BEGUN,
    { fact: 'calm' },
    ...emit(1),
    ...emit(2),
    { fact: 'lossCause', why: 'reported', type: 'opened', ...cause },
    gap,
    ...after,
    { fact: 'settled' },
  ];
  expect(kinds(told({ eventId: 'e2' }))).toEqual(['gap']);
  expect(kinds(told({ upTo: 'run.1' }))).toEqual(['gap']);
  expect(kinds(told({ upTo: 'run.2' }))).toEqual([]);
  expect(kinds(told({}))).toEqual([]);
  // The application may still be busy with those before it.
  const handed: Fact = { fact: 'handed', ...S, eventId: 'e1', hash: 'data of e1' };
  expect(kinds(told({ eventId: 'e2' }, handed))).toEqual([]);
  // It was kept before, or perhaps, and need not come again; what was only handed out has to.
  const killed = (...kept: readonly Fact[]): Fact[] => [
    BEGUN,
    { fact: 'calm' },
    ...emit(1),
    handed,
    ...kept,
    { fact: 'killed', process: 'client' },
    { ...BEGUN, resumes: true },
    ...emit(2),
    { fact: 'lossCause', why: 'reported', type: 'opened', eventId: 'e2' },
    gap,
    { fact: 'settled' },
  ];
  expect(kinds(killed({ fact: 'acknowledging', ...S, eventId: 'e1' }))).toEqual([]);
  expect(kinds(killed({ fact: 'committed', ...S, eventId: 'e1' }))).toEqual([]);
  expect(kinds(killed())).toEqual(['gap']);
  // Nothing of it is owed any more.
  expect(kinds(told({ eventId: 'e2' }, { fact: 'ended', ...S, how: 'asked' }))).toEqual([]);
  expect(kinds(told({ eventId: 'e2' }, { ...BEGUN, cursor: null }))).toEqual([]);
});

it.each<[string, Partial<Fact>, string[]]>([
  ['of this subscription', { subscription: 's' }, []],
  ['of another subscription', { subscription: 't' }, ['gap']],
  ['of this event type', { type: 'opened' }, []],
  ['of another event type', { type: 'closed' }, ['gap']],
  ['of this principal', { principal: 'alice' }, []],
  ['of another principal', { principal: 'bob' }, ['gap']],
  ['behind the position', { upTo: 'run.1' }, []],
  ['before the position', { upTo: 'run.0' }, ['gap']],
])('G2 lets a cause %s explain what it touches', (_title, touched, found) => {
  const cause = { fact: 'lossCause', why: 'retention', ...touched } as Fact;
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: 'run.1' };
  expect(kinds([BEGUN, { fact: 'calm' }, ...emit(1), cause, gap])).toEqual(found);
});

it('G2 lets an interruption explain a gap where there was no position to go on from', () => {
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: 'run.1' };
  const facts = (cursor: string | null, between: Fact[]): string[] =>
    kinds([{ fact: 'calm' }, { ...BEGUN, cursor }, ...between, ...emit(1), gap]);
  expect(facts(null, [{ fact: 'killed', process: 'server' }])).toEqual([]);
  expect(facts(null, [{ fact: 'disturbed' }])).toEqual([]);
  expect(facts(null, [])).toEqual(['gap']);
  expect(facts('run.0', [{ fact: 'killed', process: 'server' }])).toEqual(['gap']);
});

it('G2 lets what retention removed explain a gap by what a webhook server had stored, not by what it had heard', () => {
  const facts = (ackedMs: number, ...between: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode: 'webhook', at: 0 },
      { fact: 'calm', at: 0 },
      ...emit(1, { at: 0 }),
      ...take(1, ackedMs),
      ...between,
      { fact: 'lossCause', why: 'retention', type: 'opened', upTo: 'run.1', at: 10_000 },
      { fact: 'received', ...S, gap: true, cursor: 'run.1', at: 10_001 },
    ]);
  const restart: Fact = { fact: 'started', process: 'server', at: 10_000 };
  expect(facts(8_001, restart)).toEqual([]);
  // It was stored by then, or nobody forgot it.
  expect(facts(8_000, restart)).toEqual(['gap']);
  expect(facts(8_001)).toEqual(['gap']);
  expect(facts(8_001, { fact: 'started', process: 'client', at: 10_000 })).toEqual(['gap']);
  // The storage may have failed.
  expect(facts(1, { fact: 'disturbed', why: 'weather', at: 1_000 }, restart)).toEqual([]);
  expect(facts(1, { fact: 'disturbed', at: 1_000 }, { fact: 'calm', at: 8_000 }, restart)).toEqual(['gap']);
  // Somebody else's endpoint is no matter of the storage.
  expect(facts(1, { fact: 'disturbed', subscription: 't', at: 9_999 }, restart)).toEqual(['gap']);
  const polls = [
    { ...BEGUN, at: 0 },
    { fact: 'calm', at: 0 },
    ...emit(1, { at: 0 }),
    ...take(1, 9_000),
    restart,
  ] as Fact[];
  const gone: Fact = { fact: 'lossCause', why: 'retention', type: 'opened', upTo: 'run.1', at: 10_000 };
  expect(kinds([...polls, gone, { fact: 'received', ...S, gap: true, cursor: 'run.1', at: 10_001 }])).toEqual(['gap']);
});

describe('events that an author lost', () => {
  const facts = (lost: readonly number[], gaps: readonly number[]): Fact[] => [
    { ...BEGUN, mode: 'push' },
    { fact: 'calm', at: 0 },
    ...[1, 2, 3, 4].flatMap((n) => emit(n, { at: n })),
    ...lost.map((n): Fact => ({ fact: 'lossCause', why: 'author', type: 'opened', eventId: `e${n}`, at: 10 })),
    ...[1, 2, 3, 4].flatMap((n): Fact[] =>
      gaps.includes(n) ? [{ fact: 'received', ...S, gap: true, cursor: `run.${n}`, at: 10 }] : take(n, 10),
    ),
    { fact: 'settled', at: 20 },
  ];

  it('G2 are told each at its place, however many were lost before the first was told', () => {
    expect(kinds(facts([1, 2, 3], [1, 2, 3]))).toEqual([]);
    expect(kinds(facts([1, 2, 3], [1, 2, 3, 4]))).toContain('gap');
    expect(kinds(facts([4], [3, 4]))).toContain('gap');
    expect(kinds(facts([2], [1, 2]))).toContain('gap');
  });
});

describe('a gap that a webhook client found by itself', () => {
  const overdue: Fact = { fact: 'received', ...S, gap: true, cursor: null };
  const cause: Fact = { fact: 'lossCause', why: 'refused', ...S };
  const cursorOf = (number: number): Fact => ({ fact: 'received', ...S, cursor: `run.${number}` });
  const hand = (number: number): Fact => ({ fact: 'handed', ...S, eventId: `e${number}` });
  const facts = (...more: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode: 'webhook' },
      { fact: 'calm' },
      ...[1, 2, 3, 4, 5, 6].flatMap((number) => emit(number)),
      ...more,
      { fact: 'settled' },
    ]);

  it('G2 is needed for each event that is missing where it stands, if something may have kept that one', () => {
    const third = [cursorOf(0), overdue, hand(2), overdue, hand(4), overdue, hand(6)];
    expect(facts(cause, ...third)).toEqual([]);
    // Nothing touched it.
    expect(facts(...third)).toEqual(['gap']);
    expect(facts({ ...cause, subscription: 't' }, ...third)).toEqual(['gap']);
  });

  it('G2 is needless where nothing is missing, for the second time, and where no event follows', () => {
    const told = [overdue, hand(2), overdue, hand(4)];
    expect(facts(cause, ...told, overdue, hand(5), hand(6))).toEqual(['gap']);
    // For two missing ones in a row there is one gap.
    expect(facts(cause, ...told, overdue, overdue, hand(6))).toEqual(['gap']);
    // It came before, late.
    expect(facts(cause, ...told, hand(3), overdue, hand(5), hand(6))).toContain('gap');
    expect(facts(cause, ...told, overdue)).toContain('gap');
  });

  it('G2 is needed with a position, too, for each event that is missing up to there, and for none but these', () => {
    const gap = (number: number): Fact => ({ fact: 'received', ...S, gap: true, cursor: `run.${number}` });
    const told = [gap(1), hand(2), gap(3), hand(4), gap(5)];
    expect(facts(cause, ...told, hand(6))).toEqual([]);
    expect(facts(...told, hand(6))).toEqual(['gap']);
    // Nothing is missing, or was not told before.
    expect(facts(cause, ...told, hand(6), gap(6))).toEqual(['gap']);
    expect(facts(cause, ...told, gap(5), hand(6))).toEqual(['gap']);
    // What is missing lies behind it.
    expect(facts(cause, hand(1), gap(1), gap(1), gap(1), hand(2), hand(4), hand(5), hand(6))).toContain('gap');
  });

  it('G2 is needless for what is emitted after it, and says nothing once the application has begun anew', () => {
    const late = [cause, overdue, hand(2), overdue, hand(4), overdue];
    expect(facts(...late, ...emit(7), hand(5), hand(6), hand(7))).toEqual(['gap']);
    expect(facts(...late, { ...BEGUN, mode: 'webhook', cursor: 'run.4' }, hand(5), hand(6))).toEqual([]);
  });

  it('G2 does not excuse an event that never comes and that no gap is told for', () => {
    expect(facts(cause, overdue, hand(2), hand(3), hand(4), hand(5), hand(6), ...emit(7), ...emit(8), hand(8))).toEqual(
      ['loss'],
    );
  });
});

describe('a loss that is told a webhook client until it knows', () => {
  const cause: Fact = { fact: 'lossCause', why: 'refused', ...S };
  const answer = (number: number): Fact => ({
    fact: 'received',
    ...S,
    gap: true,
    cursor: `run.${number}`,
    note: 'subscribe',
  });
  const message = (number: number): Fact => ({ ...answer(number), note: 'gap' });
  const facts = (...more: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode: 'webhook' },
      { fact: 'received', ...S, cursor: 'run.0' },
      { fact: 'calm' },
      ...[1, 2, 3].flatMap((number) => emit(number)),
      cause,
      ...more,
    ]);

  it('ORDER-05 may go further with each answer, and comes once as a message', () => {
    expect(facts(answer(1), answer(2), answer(3), message(3))).toEqual([]);
    expect(facts(answer(3), message(3))).toEqual([]);
    expect(facts(message(3), answer(3))).toEqual([]);
  });

  it('G2 is told once more by a server that began anew before the client asked again', () => {
    const restarts: Fact[] = [
      { fact: 'killed', process: 'server' },
      { fact: 'started', process: 'server' },
    ];
    const told = [answer(3), message(3), message(3)];
    expect(facts(...told, ...restarts, message(3))).toEqual([]);
    expect(facts(...told, ...restarts, message(3), message(3))).toEqual(['gap']);
    expect(
      facts(...told, { fact: 'received', ...S, cursor: 'run.3', note: 'subscribe' }, ...restarts, message(3)),
    ).toEqual(['gap']);
    expect(facts(...told, message(3))).toEqual(['gap']);
  });

  it('G2 is needless in an answer to a client that knows it, and as another message', () => {
    expect(facts(answer(3), answer(3), answer(3), answer(3))).toEqual(['gap']);
    expect(facts(message(3), message(3), message(3))).toEqual(['gap']);
  });
});

describe('a server that waits for its client', () => {
  const waits = (untilGranted: 'all' | 'emitted', at: number): Fact => ({
    fact: 'disturbed',
    ...S,
    untilGranted,
    at,
  });
  const cause: Fact = { fact: 'lossCause', why: 'refused', ...S, at: 1 };
  const granted = (at: number, perhaps = false): Fact => ({
    fact: 'granted',
    ...S,
    refreshBeforeMs: 1_000_000,
    at,
    ...(perhaps && { perhaps }),
  });
  const facts = (...more: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode: 'webhook', withinMs: 1_000, at: 0 },
      { fact: 'calm', at: 0 },
      ...emit(1, { at: 0 }),
      ...more,
      { fact: 'settled', at: 100_000 },
    ]);

  it('is not late with anything until it has granted anew, and is from then on', () => {
    expect(facts(cause, waits('all', 500), granted(50_000), ...take(1, 51_000))).toEqual([]);
    expect(facts(cause, waits('all', 500), granted(50_000), ...take(1, 51_001))).toEqual(['late']);
    expect(facts(cause, waits('all', 500), granted(50_000, true), ...take(1, 60_000))).toEqual([]);
    const later = [...emit(2, { at: 10_000 }), granted(50_000), ...take(1, 50_500)];
    expect(facts(cause, waits('all', 500), ...later, ...take(2, 51_000))).toEqual([]);
    expect(facts(cause, waits('all', 500), ...later, ...take(2, 51_001))).toEqual(['late']);
  });

  it('is late with what was emitted since it waits with news of what was before', () => {
    const [before, after] = [emit(1, { at: 0 }), emit(2, { at: 10_000 })];
    const told = [granted(50_000), ...take(1, 50_500)];
    const wait = [cause, waits('emitted', 500)];
    expect(facts(...wait, ...after, ...take(2, 11_000), ...told)).not.toContain('late');
    expect(facts(...wait, ...after, ...take(2, 11_001), ...told)).toContain('late');
    expect(before).toHaveLength(2);
  });

  it('is late if nothing happened that it could wait for, or only before it granted anew', () => {
    expect(facts(waits('all', 500), granted(50_000), ...take(1, 51_000))).toEqual(['late']);
    expect(facts({ ...cause, subscription: 't' }, waits('all', 500), ...take(1, 51_000))).toEqual(['late']);
    expect(facts(cause, granted(10), waits('all', 500), ...take(1, 51_000))).toEqual(['late']);
  });

  it('loses nothing silently meanwhile', () => {
    const passed = facts(cause, waits('all', 500), ...emit(2, { at: 600 }), granted(50_000), ...take(2, 50_500));
    expect(passed).toEqual(expect.arrayContaining(['cursor', 'loss']));
  });
});

it('G1 lets an event whose emit was not answered come late after a gap by webhook, and not otherwise', () => {
  const T = { subscription: 't' };
  const unknown: Fact = { fact: 'emitting', type: 'opened', eventId: 'e2' };
  const hand = (name: { subscription: string }, number: number): Fact => ({
    fact: 'handed',
    ...name,
    eventId: `e${number}`,
  });
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: 'run.1' };
  const facts = (mode: 'webhook' | 'poll', ...between: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode },
      { ...BEGUN, ...T, mode: 'webhook' },
      ...emit(1),
      unknown,
      ...emit(3),
      ...emit(4),
      hand(T, 1),
      hand(T, 2),
      hand(T, 3),
      hand(S, 1),
      ...between,
      hand(S, 3),
      hand(S, 2),
      hand(S, 4),
    ]);
  expect(facts('webhook', gap)).toEqual([]);
  expect(facts('webhook')).toEqual(['order']);
  expect(facts('poll', gap)).toEqual(['order']);
});

it('G5 compares the data of what arrives and of what is handed out with what this principal is to get', () => {
  const handed = (hash: string): Fact[] => [
    BEGUN,
    ...emit(1, { hashes: { bob: 'data for bob' } }),
    { fact: 'handed', ...S, eventId: 'e1', hash },
  ];
  expect(kinds(handed('data of e1'))).toEqual([]);
  expect(kinds(handed('data for bob'))).toEqual(['data']);
  expect(kinds([BEGUN, ...emit(1), { fact: 'received', ...S, events: ['e1'], hashes: ['of e2'] }])).toEqual(['data']);
});

it('G5 knows what a principal may not see', () => {
  const facts = (readers: string[]): Fact[] => [BEGUN, ...emit(1, { readers }), ...take(1)];
  expect(kinds(facts(['alice', 'bob']))).toEqual([]);
  expect(kinds(facts(['bob']))).toContain('phantom');
});

it('lets nothing come after an end but what was on its way', () => {
  const after = (ms: number): Fact => ({ fact: 'received', ...S, events: ['e1'], at: ms });
  const asked: Fact = { fact: 'ended', ...S, how: 'asked', final: true, at: 1_000 };
  expect(kinds([BEGUN, ...emit(1), asked, after(30_999)])).toEqual([]);
  expect(kinds([BEGUN, ...emit(1), asked, after(31_000)])).toEqual(['ended']);
  expect(kinds([BEGUN, ...emit(1), { ...asked, final: false }, after(31_000)])).toEqual([]);
  expect(kinds([BEGUN, ...emit(1), { fact: 'ended', ...S, how: 'told' }, ...take(1)])).toEqual(['ended']);
  expect(kinds([BEGUN, ...emit(1), { fact: 'ended', ...S, how: 'told' }, BEGUN, ...take(1)])).toEqual([]);
  const draining: Fact = { fact: 'ended', ...S, how: 'told', handsOutReceived: true };
  expect(kinds([BEGUN, ...emit(1), draining, ...take(1)])).toEqual([]);
  expect(kinds([BEGUN, draining, ...emit(1), ...take(1)])).toEqual(['ended']);
});

it('G4 lets an event arrive again only after something disturbed it', () => {
  const again = (...between: Fact[]): string[] =>
    kinds([
      BEGUN,
      { fact: 'calm' },
      ...emit(1),
      { fact: 'received', ...S, events: ['e1'] },
      ...between,
      { fact: 'received', ...S, events: ['e1'] },
    ]);
  expect(again()).toEqual(['repetition']);
  expect(again({ fact: 'disturbed', subscription: 's' })).toEqual([]);
  expect(again({ fact: 'disturbed', subscription: 't' })).toEqual(['repetition']);
  expect(again({ fact: 'disturbed' })).toEqual([]);
  expect(again({ fact: 'killed', process: 'server' })).toEqual([]);
  expect(again({ fact: 'killed', process: 'client' })).toEqual([]);
  expect(again(BEGUN)).toEqual([]);
});

it('G4 what was stored as acknowledged does not come again, but to one that begins anew, or with an earlier storage', () => {
  const again = (...between: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode: 'webhook' },
      ...emit(1),
      { fact: 'received', ...S, events: ['e1'] },
      { fact: 'stored', ...S, events: ['e1'] },
      { fact: 'killed', process: 'server' },
      { fact: 'started', process: 'server' },
      ...between,
      { fact: 'received', ...S, events: ['e1'] },
    ]);
  expect(again()).toEqual(['repetition']);
  expect(again({ fact: 'stored', subscription: 't', events: ['e1'] })).toEqual(['repetition']);
  expect(again({ ...BEGUN, mode: 'webhook' })).toEqual([]);
  expect(again({ fact: 'restored', logs: [] })).toEqual([]);
});

it('G1 nothing comes in a stream that stands before a cursor it was told', () => {
  const back = (mode: BegunFact['mode'], ...between: Fact[]): string[] =>
    kinds([
      { ...BEGUN, mode },
      ...emit(1),
      ...emit(2),
      { fact: 'received', ...S, cursor: 'run.2', gap: true },
      ...between,
      { fact: 'received', ...S, events: ['e1'], cursor: 'run.2' },
    ]);
  expect(back('push')).toEqual(['order']);
  expect(back('poll')).toEqual(['order']);
  expect(back('webhook')).toEqual([]);
  expect(back('push', { ...BEGUN, mode: 'push' })).toEqual([]);
});

it('wants what is emitted within its time, unless something is disturbed', () => {
  const facts = (handedMs: number, ...between: Fact[]): string[] =>
    kinds([
      { ...BEGUN, withinMs: 1_000, at: 0 },
      { fact: 'calm', at: 0 },
      ...emit(1, { at: 10 }),
      ...between,
      ...take(1, handedMs),
      { fact: 'settled', at: 10_000 },
    ]);
  expect(facts(1_010)).toEqual([]);
  expect(facts(1_011)).toEqual(['late']);
  expect(facts(9_000, { fact: 'disturbed', at: 20 })).toEqual([]);
  expect(facts(1_500, { fact: 'disturbed', subscription: 's', at: 500 })).toEqual([]);
  expect(facts(1_501, { fact: 'disturbed', subscription: 's', at: 500 })).toEqual(['late']);
  expect(facts(1_501, { fact: 'disturbed', at: 20 }, { fact: 'calm', at: 500 })).toEqual(['late']);
});

it('wants what was disturbed within the time until it is tried again, and nothing else later than ever', () => {
  const facts = (handedMs: number, ...more: Fact[]): string[] =>
    kinds([
      { ...BEGUN, withinMs: 1_000, againWithinMs: 5_000, at: 0 },
      { fact: 'calm', at: 0 },
      ...emit(1, { at: 10 }),
      ...more,
      ...take(1, handedMs),
      { fact: 'settled', at: 100_000 },
    ]);
  const disturbed: Fact = { fact: 'disturbed', subscription: 's', at: 500 };
  expect(facts(6_500, disturbed)).toEqual([]);
  expect(facts(6_501, disturbed)).toEqual(['late']);
  expect(facts(1_011)).toEqual(['late']);
  expect(facts(1_011, { ...disturbed, subscription: 't' })).toEqual(['late']);
  expect(facts(1_700, { ...disturbed, at: 5 })).toEqual(['late']);
});

it('wants what was emitted while others wait to be tried again with these, where there is room for few', () => {
  const facts = (handedMs: number, disturbedMs: number, waitsForRetries: boolean): string[] =>
    kinds([
      { ...BEGUN, withinMs: 1_000, againWithinMs: 5_000, waitsForRetries, at: -9_000 },
      { fact: 'calm', at: -9_000 },
      { fact: 'disturbed', subscription: 's', at: disturbedMs },
      ...emit(1, { at: 2_000 }),
      ...take(1, handedMs),
      { fact: 'settled', at: 100_000 },
    ]);
  expect(facts(3_001, 500, false)).toEqual(['late']);
  expect(facts(6_500, 500, true)).toEqual([]);
  expect(facts(6_501, 500, true)).toEqual(['late']);
  // Whatever waited was tried again before.
  expect(facts(3_000, -4_000, true)).toEqual([]);
  expect(facts(3_001, -4_000, true)).toEqual(['late']);
});

it('G4 lets an event whose acknowledgement was under way at the kill come again or not', () => {
  const facts = (...more: Fact[]): string[] =>
    kinds([BEGUN, ...emit(1), { fact: 'handed', ...S, eventId: 'e1' }, ...more, { fact: 'settled' }]);
  const acknowledging: Fact = { fact: 'acknowledging', ...S, eventId: 'e1' };
  const kill: Fact = { fact: 'killed', process: 'client' };
  expect(facts(acknowledging, kill)).toEqual([]);
  expect(facts(acknowledging, kill, ...take(1))).toEqual([]);
  expect(facts(acknowledging, ...take(1))).toEqual(['duplicate']);
  expect(facts(acknowledging, { fact: 'committed', ...S, eventId: 'e1' }, kill, ...take(1))).toEqual(['duplicate']);
  expect(facts(kill)).toEqual(['loss']);
  expect(facts(kill, ...take(1))).toEqual([]);
});

it('G3 does not let a subscription begin from now that was to go on where it was', () => {
  const again = (more: Partial<BegunFact>): string[] =>
    kinds([
      BEGUN,
      ...emit(1),
      ...take(1),
      ...emit(2),
      { ...BEGUN, ...more },
      ...emit(3),
      ...take(3),
      { fact: 'settled' },
    ]);
  expect(again({ cursor: null, resumes: true })).toEqual(['loss', 'position']);
  expect(again({ cursor: null })).toEqual([]);
});

it('G2 owes what is emitted after the application was told that it is subscribed, wherever the first cursor stands', () => {
  const facts = (...order: Fact[]): string[] => kinds([{ ...BEGUN, cursor: null }, ...order, { fact: 'settled' }]);
  const first: Fact = { fact: 'received', ...S, cursor: 'run.1' };
  expect(facts(...emit(1), first)).toEqual([]);
  expect(facts(...emit(1), { fact: 'subscribed', ...S }, first)).toEqual([]);
  expect(facts({ fact: 'subscribed', ...S }, ...emit(1), first)).toEqual(['cursor', 'loss']);
});

it('G2 lets no later gap stand for what was passed over in a stream or a poll', () => {
  const gap = (cursor: string | null): Fact => ({ fact: 'received', ...S, gap: true, cursor });
  const facts = (mode: BegunFact['mode'], ...order: Fact[]): string[] =>
    kinds([{ ...BEGUN, mode }, ...emit(1), ...emit(2), ...emit(3), ...order, { fact: 'settled' }]);
  for (const cursor of ['run.2', null]) {
    for (const mode of ['poll', 'push'] as const) {
      expect(facts(mode, ...take(1), gap(cursor), ...take(3))).toEqual([]);
      expect(facts(mode, ...take(1), ...take(3), gap(cursor))).toContain('loss');
    }
    // Events before and after what is lost may be under way.
    expect(facts('webhook', ...take(1), { fact: 'handed', ...S, eventId: 'e3' }, gap(cursor))).toEqual([]);
  }
});

it('G2 lets a gap without a position stand for what is missing up to the next position', () => {
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: null };
  const hand = (number: number): Fact => ({ fact: 'handed', ...S, eventId: `e${number}` });
  const at = (number: number): Fact => ({ fact: 'received', ...S, cursor: `run.${number}` });
  const facts = (...order: Fact[]): string[] =>
    kinds([{ ...BEGUN }, ...[1, 2, 3, 4].flatMap((n) => emit(n)), ...order, { fact: 'settled' }]);
  expect(facts(gap, hand(1), hand(3), hand(4), at(4))).toEqual([]);
  expect(facts(gap, hand(1), at(1), hand(3), hand(4))).toEqual(['loss']);
  expect(facts(gap, hand(1), at(2), hand(3), hand(4))).toEqual([]);
  expect(facts(gap, hand(1), at(1), gap, hand(3), hand(4))).toEqual([]);
  expect(facts(gap, at(1), hand(2), hand(3), hand(4))).toEqual([]);
});

it('G2 owes what an application said to keep, whatever gap is told, also after the end', () => {
  const kept: Fact = { fact: 'received', ...S, events: ['e1'], kept: true };
  const gap: Fact = { fact: 'received', ...S, gap: true, cursor: 'run.1' };
  const told: Fact = { fact: 'ended', ...S, how: 'told' };
  const handed: Fact = { fact: 'handed', ...S, eventId: 'e1', at: 60_000 };
  const facts = (...order: Fact[]): string[] =>
    kinds([{ ...BEGUN, mode: 'webhook' }, ...emit(1), ...order, { fact: 'settled' }]);
  expect(facts(gap)).toEqual([]);
  expect(facts(kept, gap)).toEqual(['loss']);
  expect(facts(kept, { fact: 'killed', process: 'client' }, gap, told)).toEqual(['loss']);
  expect(facts(kept, handed, { fact: 'killed', process: 'client' }, gap)).toEqual(['loss']);
  expect(facts(kept, told, handed)).toEqual([]);
  expect(facts(told, handed)).toContain('ended');
});

it('lets a clock that was set excuse the grants it touched, and no others', () => {
  const forgotten = (...between: Fact[]): string[] =>
    kinds([
      { fact: 'clockSet', process: 'server', offsetMs: 3_600_000 },
      { fact: 'clockSet', process: 'server', offsetMs: 0 },
      BEGUN,
      { fact: 'granted', ...S, refreshBeforeMs: 60_000 },
      ...between,
      { fact: 'ended', ...S, how: 'forgotten', atMs: 10_000 },
    ]);
  expect(forgotten()).toEqual(['grant']);
  expect(forgotten({ fact: 'clockSet', process: 'server', offsetMs: 49_999 })).toEqual(['grant']);
  expect(forgotten({ fact: 'clockSet', process: 'server', offsetMs: 50_000 })).toEqual([]);
  expect(forgotten({ fact: 'clockSet', process: 'client', offsetMs: 50_000 })).toEqual(['grant']);
});

it('takes a refresh without an answer for no grant where there was none before', () => {
  const perhaps: Fact = { fact: 'granted', ...S, refreshBeforeMs: 60_000, perhaps: true };
  const forgotten = (...between: Fact[]): string[] =>
    kinds([
      BEGUN,
      { fact: 'granted', ...S, refreshBeforeMs: 90_000 },
      ...between,
      { fact: 'ended', ...S, how: 'forgotten', atMs: 10_000 },
    ]);
  expect(forgotten(perhaps)).toEqual(['grant']);
  const dropped: Fact = { fact: 'ended', ...S, how: 'dropped' };
  expect(forgotten(dropped, perhaps)).toEqual([]);
  expect(forgotten(dropped, perhaps, { fact: 'granted', ...S, refreshBeforeMs: 60_000 })).toEqual(['grant']);
});

it.each<Fact>([
  { fact: 'ended', ...S, how: 'dropped', at: 100 },
  { fact: 'restored', logs: [], at: 100 },
])('takes an answer that was asked for before for no grant of the server ($fact)', (dropped) => {
  const forgotten = (askedMs?: number): string[] =>
    kinds([
      BEGUN,
      dropped,
      { fact: 'granted', ...S, refreshBeforeMs: null, ...(askedMs === undefined ? {} : { askedMs }), at: 200 },
      { fact: 'ended', ...S, how: 'forgotten', atMs: 10_000, at: 300 },
    ]);
  expect(forgotten(100)).toEqual([]);
  expect(forgotten(101)).toEqual(['grant']);
  expect(forgotten()).toEqual(['grant']);
});

it('lets an event arrive before its emit is answered, as another process tells of that', () => {
  const facts = (first: Fact[], second: Fact[]): string[] =>
    kinds([
      { ...BEGUN, withinMs: 1_000, at: 0 },
      { fact: 'calm', at: 0 },
      { fact: 'emitting', type: 'opened', eventId: 'e1', at: 1 },
      ...first,
      ...second,
      { fact: 'settled', at: 10_000 },
    ]);
  const answer: Fact = { fact: 'emitted', eventId: 'e1', cursor: 'run.1', at: 2 };
  expect(facts(take(1, 2), [answer])).toEqual([]);
  expect(facts([answer], take(1, 2))).toEqual([]);
  expect(facts([answer], [])).toEqual(['loss', 'late']);
});

it('takes a process that has no subscriptions for one that others rely on, once', () => {
  const again = (process: string): string[] =>
    kinds([
      BEGUN,
      { fact: 'calm' },
      ...emit(1),
      { fact: 'received', ...S, events: ['e1'] },
      { fact: 'disturbed', process },
      { fact: 'received', ...S, events: ['e1'] },
      { fact: 'received', ...S, events: ['e1'] },
    ]);
  expect(again('server')).toEqual(['repetition']);
  expect(checkHistory([BEGUN, { fact: 'calm' }, { fact: 'disturbed', process: 'server' }]).examined.late).toBe(0);
});

it('judges a grant by the latest time the server may have shown since it was asked for', () => {
  const forgotten = (askedMs: number | undefined, offsetMs: number): string[] =>
    kinds([
      { fact: 'clockSet', process: 'server', offsetMs: 0, at: 0 },
      { fact: 'clockSet', process: 'server', offsetMs, at: 100 },
      { fact: 'clockSet', process: 'server', offsetMs: 0, at: 200 },
      BEGUN,
      { fact: 'granted', ...S, refreshBeforeMs: 60_000, at: 300, ...(askedMs === undefined ? {} : { askedMs }) },
      { fact: 'ended', ...S, how: 'forgotten', atMs: 10_000, at: 400 },
    ]);
  expect(forgotten(undefined, 60_000)).toEqual(['grant']);
  expect(forgotten(201, 60_000)).toEqual(['grant']);
  // In the same millisecond it may have been set back after that.
  expect(forgotten(200, 60_000)).toEqual([]);
  expect(forgotten(199, 50_000)).toEqual([]);
  expect(forgotten(199, 49_999)).toEqual(['grant']);
  expect(forgotten(50, 60_000)).toEqual([]);
  expect(forgotten(-1, 60_000)).toEqual([]);
  // A clock that was behind excuses nothing.
  expect(forgotten(199, -60_000)).toEqual(['grant']);
});

it('lets what was on its way at an end arrive as long as the end says', () => {
  const after = (ms: number): string[] =>
    kinds([
      BEGUN,
      ...emit(1),
      { fact: 'ended', ...S, how: 'told', graceMs: 3_000, at: 1_000 },
      { fact: 'received', ...S, events: ['e1'], at: ms },
    ]);
  expect(after(3_999)).toEqual([]);
  expect(after(4_000)).toEqual(['ended']);
});

it('says of each rule in how many places it had something to look at', () => {
  const start: Fact[] = [{ ...BEGUN, withinMs: 1_000, at: 0 }, ...emit(1), ...take(1, 1)];
  const idle = (facts: readonly Fact[]): string[] => idleKinds(checkHistory(facts).examined).toSorted();
  expect(idle([])).toEqual(
    Object.keys(plants)
      .toSorted()
      .filter((kind) => kind !== 'empty'),
  );
  expect(idle([...start, { fact: 'settled' }])).toEqual(['ended', 'gap', 'grant', 'late', 'position', 'repetition']);
  const calm: Fact[] = [{ fact: 'calm', at: 2 }, ...emit(2, { at: 3 }), ...take(2, 4)];
  expect(idle([...start, ...calm, { fact: 'settled' }])).toEqual(['ended', 'grant', 'position']);
  const resumed: Fact[] = [
    { ...BEGUN, cursor: 'run.2', resumes: true },
    { fact: 'granted', ...S, refreshBeforeMs: null },
  ];
  const ended: Fact[] = [{ fact: 'ended', ...S, how: 'told' }];
  // An end after which nothing could come shows nothing.
  expect(idle([...start, ...calm, ...resumed, { fact: 'settled' }, ...ended])).toEqual(['ended']);
  expect(idle([...start, ...calm, ...resumed, { fact: 'settled' }, ...ended, ...emit(3)])).toEqual([]);
  // Nothing is owed to one that has ended.
  expect(idle([...start, ...ended, { fact: 'settled' }])).toContain('loss');
  const { examined } = checkHistory([...start, ...calm, { fact: 'settled' }]);
  expect(examined).toMatchObject({ loss: 2, duplicate: 2, order: 2, phantom: 4, log: 2, data: 4, late: 1, gap: 1 });
  expect(sumExamined([examined, examined]).loss).toBe(4);
  expect(describeExamined(examined)).toContain('nothing to look at: grant, ended, position');
});

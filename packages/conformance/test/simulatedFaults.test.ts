import { eventParamsSchema } from '@mcp-events/protocol';
import { Events } from '@mcp-events/server';
import type { EventTypeDefinition, StoredSubscription } from '@mcp-events/server';
import { expect, it } from 'vitest';
import { AnsweredEnd } from '../src/simulation/answeredEnd.ts';
import { AuthorFaults } from '../src/simulation/authorFaults.ts';
import { FaultCounts } from '../src/simulation/faultCounts.ts';
import { LocalFaults } from '../src/simulation/localFaults.ts';
import { Random } from '../src/simulation/random.ts';
import { ReporterFaults } from '../src/simulation/reporterFaults.ts';
import { comesOfFault } from '../src/simulation/simulatedFault.ts';
import { RequestFaults } from '../src/simulation/requestFaults.ts';
import { StoredFaults } from '../src/simulation/storedFaults.ts';
import { VirtualDisk } from '../src/simulation/virtualDisk.ts';
import { ProcessClock, TimeOfDay, VirtualTime } from '../src/simulation/virtualTime.ts';
import { WorldRecord } from '../src/simulation/worldRecord.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

const context = (): Record<string, unknown> => ({ principal: 'alice', authInfo: { token: 't' } });

function newClock(): ProcessClock {
  const time = new VirtualTime(0);
  return new ProcessClock(time, new TimeOfDay(time));
}

/** An author's functions that misbehave at these rates, whatever the seed. */
function misbehaving(seed: number, rates: Partial<AuthorFaults['rates']>, definition: Partial<EventTypeDefinition>) {
  const counts = new FaultCounts();
  const failed: string[] = [];
  const faults = new AuthorFaults(new Random(seed), (type, principal) => failed.push(`${type} ${principal}`), counts);
  Object.assign(faults.rates, rates);
  const wrapped = faults.wrap('opened', { payload: {}, ...definition }, newClock());
  const functions = wrapped as unknown as Record<string, (...args: unknown[]) => unknown>;
  return { faults, counts, failed, functions };
}

it.each(SEEDS)('authors change what they are given, and decide as before (seed %i)', (seed) => {
  const decide = (given: { principal?: string | undefined }): boolean => given.principal === 'alice';
  const { functions, counts, failed } = misbehaving(seed, { edit: 1 }, { match: decide });
  const [given, event] = [context(), { data: { list: [1], text: 'as it was' } }];
  expect(functions['match']?.(given, event, {})).toBe(true);
  expect(given['principal']).not.toBe('alice');
  expect(event).not.toEqual({ data: { list: [1], text: 'as it was' } });
  const frozen = Object.freeze(context());
  expect(functions['onSubscribe']?.(frozen, {})).toBeUndefined();
  expect(frozen['principal']).toBe('alice');
  expect([counts.of('author: edits'), failed]).toEqual([2, []]);
});

it.each(SEEDS)('authors keep what they answered, and change it later (seed %i)', async (seed) => {
  const answer = { text: 'as it was' };
  const { functions, counts } = misbehaving(seed, { keep: 1 }, { transform: () => answer });
  const own = functions['transform']?.(context(), { data: {} }, {});
  expect(own).toEqual(answer);
  await Promise.resolve().then(() => {});
  functions['transform']?.(context(), { data: {} }, {});
  expect(own).not.toEqual(answer);
  expect(answer).toEqual({ text: 'as it was' });
  expect(counts.of('author: edits later')).toBe(1);
});

it.each(SEEDS)('authors throw, hang and answer nonsense, and who loses by it is told (seed %i)', async (seed) => {
  for (const rates of [{ throws: 1 }, { hang: 1 }, { nonsense: 1 }]) {
    const { functions, failed, faults } = misbehaving(seed, rates, { match: () => true });
    let thrown: unknown;
    let answer: unknown;
    try {
      answer = functions['match']?.(context(), { data: {} }, {});
      if (!('hang' in rates)) answer = await answer;
    } catch (error) {
      thrown = error;
    }
    expect(failed).toEqual(['opened alice']);
    expect(comesOfFault(thrown)).toBe('throws' in rates);
    expect(typeof answer === 'boolean').toBe(false);
    // One report for each of them.
    const report = new TypeError('match of opened returned nonsense');
    expect([faults.expects(report), faults.expects(report)]).toEqual(['nonsense' in rates, false]);
  }
});

it('a payload whose members alone are nonsense accounts for one report, too', () => {
  const { functions, faults } = misbehaving(1, { nonsense: 1 }, { match: () => true });
  const report = Object.assign(new Error('severity must be string'), { name: 'SchemaViolation' });
  expect(faults.expects(report)).toBe(false);
  functions['match']?.(context(), { data: {} }, {});
  expect([faults.expects(new Error('of another kind')), faults.expects(report), faults.expects(report)]).toEqual([
    false,
    true,
    false,
  ]);
});

it.each(SEEDS)('logs, meters and tracers throw and call back, and an emit does not notice (seed %i)', async (seed) => {
  const counts = new FaultCounts();
  let calls = 0;
  const faults = new ReporterFaults(new Random(seed), counts, () => calls++);
  Object.assign(faults.rates, { throws: 1, callsBack: 1 });
  const world = new WorldRecord();
  const clock = new ProcessClock(world.time, new TimeOfDay(world.time));
  const { complaints } = await world.judge(seed, async () => {
    const events = new Events({ clock, ...faults.options({ onError: () => {}, onWarning: () => {} }) });
    const handle = events.define('opened', { payload: { type: 'object' } });
    expect((await handle.emit({ n: 1 })).cursor).toMatch(/\.1$/);
    const closing = events.close();
    await world.time.advance(60_000);
    await closing;
  });
  expect(complaints).toEqual([]);
  for (const what of ['logger', 'meter', 'tracer']) expect(counts.of(`${what}: throws`)).toBeGreaterThan(0);
  expect(calls).toBeGreaterThan(0);
});

function record(id: string): StoredSubscription {
  return { id, name: 'opened', principal: 'alice', url: `http://${id}.test/${id}` } as StoredSubscription;
}

it.each(SEEDS)('storage is damaged, and replaced by an earlier copy, and the history says which (seed %i)', (seed) => {
  const world = new WorldRecord();
  const disk = new VirtualDisk();
  const faults = new StoredFaults(new Random(seed), world, { disk, nameOf: ({ id }) => id, standsWhereSaid: true });
  const log = disk.log('opened');
  const { epoch } = log;
  const add = (): void => {
    const input = { eventId: `e${log.head}`, name: 'opened', timestamp: '2026-01-01T00:00:00Z', dataJson: '{}' };
    disk.log('opened').events.push({ position: ++disk.log('opened').head, input, byteLength: 2, appendedAtMs: 0 });
  };
  add();
  disk.subscriptions.set('kept', JSON.stringify(record('kept')));
  faults.backUp();
  add();
  disk.subscriptions.set('later', JSON.stringify(record('later')));
  let starts = 0;
  while (!faults.beforeStart()) expect(++starts).toBeLessThan(200);
  const restored = disk.log('opened');
  expect([restored.head, restored.ancestors]).toEqual([1, [{ epoch, head: 1 }]]);
  expect([...disk.subscriptions.keys()]).toEqual(['kept']);
  expect(world.facts.filter(({ fact }) => fact === 'restored')).toMatchObject([
    { logs: [{ type: 'opened', from: epoch, head: 1, epoch: restored.epoch }] },
  ]);
  // Once, as long as there is no other copy.
  for (starts = 0; starts < 200; starts++) expect(faults.beforeStart()).toBe(false);
  const { faults: counts } = world;
  expect(counts.of('storage: event damaged')).toBeGreaterThan(0);
  expect(counts.of('storage: subscription damaged')).toBeGreaterThan(0);
  expect(world.facts).toContainEqual(expect.objectContaining({ fact: 'ended', how: 'dropped' }));
  expect(restored.events[0]?.damage).toBeDefined();
});

it('an end that was answered lasts until its client asks again, or the storage is an earlier one', () => {
  let nowMs = 0;
  const end = new AnsweredEnd(() => nowMs);
  const isOverLater = (): boolean => {
    nowMs += 1_001;
    return end.isOver;
  };
  expect(end.ended(0)).toBe(true);
  nowMs += 1_000;
  expect([end.isOver, isOverLater()]).toEqual([false, true]);
  // Asked for before, but not answered yet: it may come to be after the end.
  const answered = end.asked();
  expect([end.ended(nowMs + 1), isOverLater()]).toEqual([false, false]);
  answered();
  expect([end.ended(nowMs), isOverLater()]).toEqual([true, true]);
  end.forget();
  expect(isOverLater()).toBe(false);
  // Asked for at the same time as the end, or later.
  end.asked()();
  expect([end.ended(nowMs), isOverLater()]).toEqual([false, false]);
  // Without an answer, for as long as it may still be carried out.
  end.asked();
  nowMs += 600_000;
  expect([end.ended(nowMs), isOverLater()]).toEqual([false, false]);
  expect([end.ended(nowMs), isOverLater()]).toEqual([true, true]);
});

it.each(SEEDS)('a machine has no connections, and late timers (seed %i)', (seed) => {
  const faults = new LocalFaults(new Random(seed), new FaultCounts());
  expect([faults.connection(), faults.lateMs()]).toEqual([undefined, 0]);
  Object.assign(faults.rates, { connection: 1, lateTimer: 1 });
  expect(faults.connection()).toMatchObject({ code: expect.stringMatching(/^E[A-Z]+$/) as string });
  expect(faults.lateMs()).toBeGreaterThanOrEqual(60_000);
});

it('something on the way blocks the modes that have another to turn to', () => {
  const counts = new FaultCounts();
  const faults = new RequestFaults(new Random(1), counts, () => {});
  Object.assign(faults.state, { blocked: new Set(['events/stream']), blockedBy: 'error' });
  faults.mayTurn = ({ name }) => name === 'opened';
  expect(faults.blocks('events/stream', { name: 'opened' })).toBe('error');
  expect(faults.blocks('events/stream', { name: 'forced' })).toBeUndefined();
  expect(faults.blocks('events/poll', { name: 'opened' })).toBeUndefined();
  expect([faults.areHarmless, counts.of('requests: blocked by error')]).toEqual([true, 1]);
  Object.assign(faults.state, { blocked: new Set(['events/poll']) });
  expect(faults.areHarmless).toBe(false);
});

it.each(SEEDS)('events of streams and polls cannot be read, and whoever loses by it is told (seed %i)', (seed) => {
  const counts = new FaultCounts();
  let told = 0;
  const faults = new RequestFaults(new Random(seed), counts, () => told++);
  const event = { eventId: 'e1', name: 'opened', timestamp: '2026-01-01T00:00:00Z', data: {}, cursor: 'c1' };
  const message = { method: 'notifications/events/event', params: event };
  expect([faults.notification(message), faults.answer('events/poll', { events: [event] })]).toEqual([
    message,
    { events: [event] },
  ]);
  faults.state.unreadable = 1;
  const spoilt = faults.notification(message).params;
  expect(eventParamsSchema.safeParse(event).success).toBe(true);
  expect([eventParamsSchema.safeParse(spoilt).success, spoilt.cursor]).toEqual([false, 'c1']);
  expect(faults.answer('events/poll', { events: [event] })).not.toEqual({ events: [event] });
  expect(faults.answer('events/list', { events: [event] })).toEqual({ events: [event] });
  expect([told, counts.of('requests: unreadable event'), faults.areHarmless]).toEqual([2, 2, false]);
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FeedEvent } from '@mcp-events/server';
import type { EventLog, Retention, Storage } from '@mcp-events/server';
import { memoryHarness, sqliteHarness } from './storageHarness.ts';
import type { DisposableHarness } from './storageHarness.ts';

const append = fc.record({
  eventId: fc.constantFrom('a', 'b', 'c', 'd'),
  byteLength: fc.integer({ min: 1, max: 40 }),
  unique: fc.boolean(),
  note: fc.option(fc.constantFrom('x', 'y'), { nil: undefined }),
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('append' as const), burst: fc.array(append, { maxLength: 8 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('skip', 'clear', 'close', 'reopen', 'crash') }) },
);

const retentions = fc.record({
  maxAgeMs: fc.oneof(fc.integer({ min: 1, max: 1_000 }), fc.constant(Infinity)),
  maxCount: fc.integer({ min: 1, max: 12 }),
  maxBytes: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant(Infinity)),
});

interface Kept {
  readonly position: number;
  readonly eventId: string;
  readonly bytes: number;
  readonly atMs: number;
  readonly serial: number;
}

/** What a log is, said in the simplest way. */
class Model {
  readonly #retention: Retention;
  head = 0;
  kept: Kept[] = [];
  epochs: string[] = [];
  notes = new Map<string, string>();

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  append(eventId: string, bytes: number, unique: boolean, atMs: number, serial: number): number {
    this.evict(atMs);
    const same = unique ? this.kept.findLast((entry) => entry.eventId === eventId) : undefined;
    if (same !== undefined) return same.serial;
    this.kept.push({ position: ++this.head, eventId, bytes, atMs, serial });
    this.evict(atMs);
    return serial;
  }

  skip(atMs: number): void {
    this.evict(atMs);
    this.kept.push({ position: ++this.head, eventId: '', bytes: 0, atMs, serial: 0 });
    this.evict(atMs);
  }

  clear(): void {
    this.head = 0;
    this.kept = [];
  }

  evict(nowMs: number): void {
    const { maxAgeMs, maxBytes, maxCount } = this.#retention;
    for (;;) {
      const [first] = this.kept;
      const bytes = this.kept.reduce((sum, entry) => sum + entry.bytes, 0);
      if (first === undefined) return;
      if (this.kept.length <= maxCount && bytes <= maxBytes && nowMs - first.atMs <= maxAgeMs) return;
      this.kept.shift();
    }
  }
}

for (const { name, durable, createHarness, numRuns } of [
  { name: 'memory', durable: false, createHarness: memoryHarness, numRuns: 200 },
  { name: 'SQLite', durable: true, createHarness: sqliteHarness, numRuns: 60 },
]) {
  it(`EMIT-08 EMIT-09 OCC-07 a log in ${name} does what the model does, whatever comes in whatever order`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), retentions, async (steps, retention) => {
        const harness: DisposableHarness = createHarness();
        try {
          await follow(harness, steps, retention, durable);
        } finally {
          await harness.dispose();
        }
      }),
      { numRuns },
    );
  }, 120_000);
}

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function follow(
  { clock, open, crash }: DisposableHarness,
  steps: readonly Step[],
  retention: Retention,
  durable: boolean,
): Promise<void> {
  const model = new Model(retention);
  let storage: Storage = await open();
  let log: EventLog = storage.openLog('model', retention);
  // Until something was answered, a log may be killed without a trace, its epoch included.
  await log.clear();
  model.epochs = [log.epoch];
  let serial = 0;
  for (const s of steps) {
    if ('burst' in s) {
      const stored = s.burst.map(async ({ eventId, byteLength, unique, note }) => {
        const number = ++serial;
        if (note !== undefined) model.notes.set(note, String(number));
        const expected = model.append(eventId, byteLength, unique, clock.now(), number);
        const timestamp = new Date(clock.now()).toISOString();
        const input = { eventId, name: 'model', timestamp, data: { serial: number } };
        const answer = await log.append(new FeedEvent(input, null), {
          byteLength,
          unique,
          note: note === undefined ? undefined : { key: note, value: String(number) },
        });
        expect(answer.data['serial']).toBe(expected);
      });
      await Promise.all(stored);
    } else if ('ms' in s) {
      clock.pass(s.ms);
    } else if (s.kind === 'skip') {
      await log.skip();
      model.skip(clock.now());
    } else if (s.kind === 'clear') {
      await log.clear();
      model.clear();
      expect(model.epochs).not.toContain(log.epoch);
      model.epochs.push(log.epoch);
    } else if (durable) {
      if (s.kind === 'close') await log.close();
      if (s.kind === 'crash') await crash();
      if (s.kind === 'reopen') await storage.close();
      if (s.kind !== 'close') storage = await open();
      log = storage.openLog('model', retention);
    }
    model.evict(clock.now());
    expect(log.epoch).toBe(model.epochs.at(-1));
    expect({ head: log.head, oldest: log.oldest }).toEqual({
      head: model.head,
      oldest: model.kept[0]?.position ?? model.head + 1,
    });
    const read = (await log.read(0, 100)).map((record) =>
      record.kind === 'gap' ? [record.position, '', 0] : [record.position, record.eventId, record.data['serial']],
    );
    expect(read).toEqual(model.kept.map((entry) => [entry.position, entry.eventId, entry.serial]));
    for (const key of ['x', 'y']) expect(storage.notes.get(key)).toBe(model.notes.get(key));
  }
}

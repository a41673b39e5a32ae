import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { memoryStorage, systemClock } from '@mcp-events/server';
import type { Clock } from '@mcp-events/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RefMemory } from '../src/events/refMemory.ts';
import { RefWatcher } from '../src/events/refWatcher.ts';
import type { RefEvent, RefWatcherOptions } from '../src/events/refWatcher.ts';
import { compareRefs } from '../src/git/refs.ts';
import type { RefChange } from '../src/git/refs.ts';
import { openRepository } from '../src/git/repository.ts';
import { ManualClock } from './kit/clock.ts';
import { TestRepository } from './kit/scratch.ts';

// Git commands take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SETTLE_MS = 10;
const LOOK_INTERVAL_MS = 5_000;

let scratch: TestRepository;
const watchers: RefWatcher[] = [];
beforeEach(async () => {
  scratch = await TestRepository.create();
  await scratch.commits('first');
});
afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
  await scratch.remove();
});

/** A started watcher and what it tells. */
async function watching(
  options: Partial<RefWatcherOptions> & { clock: Clock },
): Promise<{ told: RefChange[]; next: () => Promise<RefChange> }> {
  const told: RefChange[] = [];
  let seen = 0;
  let wake = (): void => {};
  const watcher = new RefWatcher({
    repository: await openRepository(scratch.path),
    memory: new RefMemory(memoryStorage().notes),
    onChanges: (changes) => {
      told.push(...changes.map(({ data }) => data));
      wake();
    },
    onFailure: (error) => {
      throw error;
    },
    ...options,
  });
  watchers.push(watcher);
  await watcher.start();
  const next = async (): Promise<RefChange> => {
    while (told.length <= seen) await new Promise<void>((resolve) => (wake = resolve));
    return told[seen++] as RefChange;
  };
  return { told, next };
}

describe('comparing', () => {
  it('names what was created, moved and deleted', () => {
    const before = new Map([
      ['refs/heads/gone', 'a'],
      ['refs/heads/main', 'a'],
      ['refs/heads/same', 'a'],
    ]);
    const after = new Map([
      ['refs/heads/main', 'b'],
      ['refs/heads/same', 'a'],
      ['refs/tags/v1', 'b'],
    ]);
    expect(compareRefs(before, after)).toEqual([
      { ref: 'refs/heads/gone', kind: 'branch', change: 'deleted', before: 'a', after: null },
      { ref: 'refs/heads/main', kind: 'branch', change: 'updated', before: 'a', after: 'b' },
      { ref: 'refs/tags/v1', kind: 'tag', change: 'created', before: null, after: 'b' },
    ]);
  });
});

describe('watching', () => {
  /** Without the regular look, so what arrives was noticed through the file system. */
  const withoutRegularLook: Clock = {
    ...systemClock,
    setTimeout: (callback, delayMs) =>
      delayMs >= LOOK_INTERVAL_MS ? undefined : systemClock.setTimeout(callback, delayMs),
  };

  it('notices branches and tags through the file system, also in new folders', async () => {
    const { next } = await watching({ clock: withoutRegularLook });
    const first = await scratch.git('rev-parse', 'HEAD');
    await scratch.git('branch', 'feature/deep/one');
    expect(await next()).toEqual({
      ref: 'refs/heads/feature/deep/one',
      kind: 'branch',
      change: 'created',
      before: null,
      after: first,
    });
    await scratch.git('tag', 'v1');
    expect(await next()).toMatchObject({ ref: 'refs/tags/v1', kind: 'tag', change: 'created' });
    const [second] = await scratch.commits('second');
    expect(await next()).toMatchObject({ ref: 'refs/heads/main', change: 'updated', before: first, after: second });
    await scratch.git('branch', '--force', 'feature/deep/one', 'main');
    expect(await next()).toMatchObject({ ref: 'refs/heads/feature/deep/one', change: 'updated', after: second });
    await scratch.git('branch', '-D', 'feature/deep/one');
    expect(await next()).toMatchObject({ ref: 'refs/heads/feature/deep/one', change: 'deleted', after: null });
  });

  it('notices changes of packed refs, and no change in packing them', async () => {
    await scratch.git('branch', 'topic');
    const { told, next } = await watching({ clock: withoutRegularLook });
    await scratch.git('pack-refs', '--all');
    await scratch.git('branch', '-D', 'topic');
    expect(await next()).toMatchObject({ ref: 'refs/heads/topic', change: 'deleted' });
    expect(told).toHaveLength(1);
  });

  it('looks at regular intervals where the file system does not tell', async () => {
    const clock = new ManualClock();
    const { next } = await watching({ clock, watchFolder: () => ({ close: () => {} }) });
    await scratch.git('branch', 'topic');
    expect(clock.delaysMs).toEqual([LOOK_INTERVAL_MS]);
    clock.fire();
    expect(await next()).toMatchObject({ ref: 'refs/heads/topic', change: 'created' });
    await clock.timerOf(LOOK_INTERVAL_MS);
  });

  it('makes one look of many signs of one change, and another for a sign during the look', async () => {
    const clock = new ManualClock();
    const signs: (() => void)[] = [];
    const looks: RefEvent[][] = [];
    let duringLook = (): void => {};
    await watching({
      clock,
      watchFolder: (_path, onChange) => {
        signs.push(() => onChange('packed-refs'));
        return { close: () => {} };
      },
      onChanges: (changes) => {
        looks.push(changes);
        duringLook();
      },
    });
    await scratch.git('branch', 'one');
    for (const sign of [...signs, ...signs]) sign();
    expect(clock.delaysMs).toEqual([SETTLE_MS]);
    duringLook = () => signs[0]?.();
    clock.fire();
    // The sign that came during the look asks for the next one soon.
    await clock.timerOf(SETTLE_MS);
    duringLook = () => {};
    await scratch.git('branch', 'two');
    clock.fire();
    await clock.timerOf(LOOK_INTERVAL_MS);
    expect(looks.map((changes) => changes.map(({ data }) => data.ref))).toEqual([
      ['refs/heads/one'],
      ['refs/heads/two'],
    ]);
  });

  it('tells that refs cannot be read, and goes on when they can be again', async () => {
    const clock = new ManualClock();
    const failures: unknown[] = [];
    const { next } = await watching({
      clock,
      watchFolder: () => ({ close: () => {} }),
      onFailure: (error) => failures.push(error),
    });
    await scratch.git('branch', 'topic');
    const elsewhere = join(scratch.folder, 'elsewhere');
    await rename(scratch.path, elsewhere);
    clock.fire();
    await clock.timerOf(LOOK_INTERVAL_MS);
    expect(failures).toHaveLength(1);
    await rename(elsewhere, scratch.path);
    clock.fire();
    expect(await next()).toMatchObject({ ref: 'refs/heads/topic', change: 'created' });
  });

  it('OCC-07 tells again under the same names what could not be told', async () => {
    const clock = new ManualClock();
    const told: RefEvent[][] = [];
    let failing = true;
    await watching({
      clock,
      watchFolder: () => ({ close: () => {} }),
      onChanges: (changes) => {
        told.push(changes);
        if (failing) throw new Error('no space left');
      },
      onFailure: () => {},
    });
    await scratch.git('branch', 'one');
    clock.fire();
    await clock.timerOf(LOOK_INTERVAL_MS);
    failing = false;
    await scratch.git('branch', 'two');
    clock.fire();
    await clock.timerOf(LOOK_INTERVAL_MS);
    expect(told.map((changes) => changes.map(({ data }) => data.ref))).toEqual([
      ['refs/heads/one'],
      ['refs/heads/one'],
      ['refs/heads/two'],
    ]);
    const [first, again, next] = told.map(([change]) => change?.eventId);
    expect(again).toBe(first);
    expect(next).not.toBe(first);
  });
});

describe('remembering', () => {
  it('tells the next watcher what changed while there was none', async () => {
    const memory = new RefMemory(memoryStorage().notes);
    await watching({ clock: new ManualClock(), memory });
    for (const watcher of watchers.splice(0)) await watcher.close();
    await scratch.git('branch', 'topic');
    const { told } = await watching({ clock: new ManualClock(), memory });
    expect(told).toMatchObject([{ ref: 'refs/heads/topic', change: 'created' }]);
  });

  it('OCC-07 tells again, under the same name, what the watcher before did not live to remember as told', async () => {
    const { notes } = memoryStorage();
    const clock = new ManualClock();
    const ids: string[] = [];
    const onChanges = (changes: RefEvent[]): void => void ids.push(...changes.map(({ eventId }) => eventId));
    let isAlive = true;
    const dying = new RefMemory({
      get: (key) => notes.get(key),
      set: (note) => (isAlive ? notes.set(note) : Promise.reject(new Error('killed'))),
      delete: (key) => notes.delete(key),
    });
    await watching({
      clock,
      memory: dying,
      watchFolder: () => ({ close: () => {} }),
      onChanges: (changes) => {
        isAlive = false;
        onChanges(changes);
      },
      onFailure: () => {},
    });
    await scratch.git('branch', 'topic');
    clock.fire();
    await clock.timerOf(LOOK_INTERVAL_MS);
    await watching({ clock: new ManualClock(), memory: new RefMemory(notes), onChanges });
    expect(ids).toHaveLength(2);
    expect(ids[1]).toBe(ids[0]);
    await watching({ clock: new ManualClock(), memory: new RefMemory(notes), onChanges });
    expect(ids).toHaveLength(2);
  });
});

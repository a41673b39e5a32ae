import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { memoryStorage } from '@mcp-events/server';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RefMemory } from '../src/events/refMemory.ts';
import { RefWatcher } from '../src/events/refWatcher.ts';
import { openRepository } from '../src/git/repository.ts';
import { ManualClock } from './kit/clock.ts';
import { TestRepository } from './kit/scratch.ts';

// Git commands take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let scratch: TestRepository;
beforeEach(async () => {
  scratch = await TestRepository.create();
  await scratch.commits('first');
});
afterEach(() => scratch.remove());

/** Starts a watcher to which the folder of refs at this path is gone at first. @returns when it looks again, in milliseconds */
async function startedWithout(...path: string[]): Promise<readonly number[]> {
  const repository = await openRepository(scratch.path);
  const clock = new ManualClock();
  const gone = join(repository.commonDir, 'refs', ...path);
  let isGone = true;
  const watcher = new RefWatcher({
    repository,
    memory: new RefMemory(memoryStorage().notes),
    clock,
    watchFolder: () => ({ close: () => {} }),
    listEntries: async (top) => {
      if (!isGone) return readdir(top, { recursive: true, withFileTypes: true });
      isGone = false;
      throw Object.assign(new Error('gone'), { code: 'ENOENT', path: gone });
    },
    onChanges: () => {},
    onFailure: () => {},
  });
  try {
    await watcher.start();
    return clock.delaysMs;
  } finally {
    await watcher.close();
  }
}

it('looks again soon where a folder of refs goes while they are listed', async () => {
  expect(await startedWithout('heads', 'feature')).toEqual([10]);
});

it('fails where there are no refs at all', async () => {
  await expect(startedWithout()).rejects.toThrow('gone');
});

import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { RefWatcher } from '../src/events/refWatcher.ts';

vi.mock('node:fs/promises', async (importActual) => {
  const actual = await importActual<typeof fs>();
  return { ...actual, readdir: vi.fn(actual.readdir) };
});

afterEach(() => vi.mocked(fs.readdir).mockReset());

const gone = (path: string): Error => Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT', path });
const REFS = join('/repository', 'refs');

/** A watcher that gets no further than to the folders. */
function watcher(): RefWatcher {
  return new RefWatcher({
    repository: { commonDir: '/repository' },
    memory: { load: () => undefined },
    clock: { setTimeout: () => undefined, clearTimeout: () => {} },
    onChanges: async () => {},
    onFailure: () => {},
  } as never);
}

it('looks once more where a folder of refs goes while they are listed', async () => {
  vi.mocked(fs.readdir).mockRejectedValueOnce(gone(join(REFS, 'heads', 'feature')));
  // What fails next is what reads the refs, of a repository that is none.
  await expect(watcher().start()).rejects.not.toThrow('ENOENT');
});

it('fails where there are no refs at all', async () => {
  vi.mocked(fs.readdir).mockRejectedValueOnce(gone(REFS));
  await expect(watcher().start()).rejects.toThrow('ENOENT');
});

import { open, readFile, rename, stat } from 'node:fs/promises';
import { fileInboxStore, fileStore } from '@mcp-events/client/node';
import { afterEach, expect, it } from 'vitest';
import { patchFiles, virtualPath } from '../src/simulation/patchedFiles.ts';
import { Random } from '../src/simulation/random.ts';
import { VirtualFiles } from '../src/simulation/virtualFiles.ts';
import { VirtualTime } from '../src/simulation/virtualTime.ts';

const SEEDS = Array.from({ length: 40 }, (_, seed) => seed);

let takeBack = (): void => {};
afterEach(() => takeBack());

/** A machine whose one process has the name `app`. */
function machine(seed: number): VirtualFiles {
  takeBack();
  const files = new VirtualFiles(new Random(seed), new VirtualTime(0));
  const clock = { delay: () => Promise.resolve() };
  takeBack = patchFiles(() => ({ files, clock, isAlive: () => true }));
  return files;
}

async function write(path: string, text: string, flushes: boolean): Promise<void> {
  const file = await open(path, 'w');
  await file.writeFile(text);
  if (flushes) await file.sync();
  await file.close();
}

/** A machine that has `flushed` in a file, with its name, on the disk. */
async function machineWithFile(seed: number): Promise<{ files: VirtualFiles; path: string }> {
  const files = machine(seed);
  const path = virtualPath('app', 'file.txt');
  await write(path, 'flushed', true);
  const folder = await open(virtualPath('app', 'folder'), 'r');
  await folder.sync();
  return { files, path };
}

it('a disk of the simulation keeps what was flushed, and may lose or tear the rest when the power goes', async () => {
  const contents = new Set<string>();
  for (const seed of SEEDS) {
    const { files, path } = await machineWithFile(seed);
    files.losePower();
    expect(await readFile(path, 'utf8')).toBe('flushed');
    await write(`${path}.new`, 'later', false);
    await rename(`${path}.new`, path);
    files.losePower();
    contents.add(await readFile(path, 'utf8'));
  }
  expect([...contents]).toEqual(expect.arrayContaining(['flushed', 'later', '']));
});

it('a disk of the simulation keeps what was flushed of a file that is being written on, whatever is torn', async () => {
  const contents = new Set<string>();
  for (const seed of SEEDS) {
    const { files, path } = await machineWithFile(seed);
    const file = await open(path, 'r+');
    await file.write(Buffer.from(' more'), 0, 5, 7);
    files.losePower();
    contents.add(await readFile(path, 'utf8'));
  }
  expect([...contents].filter((content) => !content.startsWith('flushed'))).toEqual([]);
  expect([...contents]).toEqual(expect.arrayContaining(['flushed', 'flushed more', 'flushed m']));
});

it('tells files of the simulation apart, and each of their states, without asking the real disk', async () => {
  machine(1);
  const [path, other] = [virtualPath('app', 'file.txt'), virtualPath('app', 'other.txt')];
  await expect(stat(path, { bigint: true })).rejects.toThrow(/ENOENT: simulated/);
  await write(path, 'one', true);
  await write(other, 'one', true);
  const [first, second] = [await stat(path, { bigint: true }), await stat(other, { bigint: true })];
  expect([first.size, first.ino === second.ino]).toEqual([3n, false]);
  await write(path, 'two', true);
  const later = await stat(path, { bigint: true });
  expect([later.ino === first.ino, later.mtimeNs > first.mtimeNs]).toEqual([true, true]);
});

it('CLIENT-01 fileStore tells what another process wrote on a disk of the simulation', async () => {
  machine(1);
  const path = virtualPath('app', 'cursors.json');
  const record = { name: 'opened', arguments: {}, seen: [], cursor: '1' };
  const [one, other] = [fileStore(path), fileStore(path)];
  await one.save('a', record);
  await other.save('b', record);
  await expect(one.save('a', record)).rejects.toThrow(/Another process has written the cursor file/);
});

it('leaves other files alone', async () => {
  machine(1);
  await expect(readFile('/simulatednot/there.txt')).rejects.toThrow(/ENOENT: no such file/);
  expect(await readFile(new URL(import.meta.url), 'utf8')).toContain('leaves other files alone');
});

it('CLIENT-01 a position that fileStore has stored survives the power', async () => {
  const record = { name: 'opened', arguments: {}, seen: [] };
  for (const seed of SEEDS) {
    const files = machine(seed);
    const path = virtualPath('app', 'cursors.json');
    for (const cursor of ['1', '2', '3']) {
      await fileStore(path).save('a', { ...record, cursor });
      files.losePower();
      expect((await fileStore(path).load('a'))?.cursor).toBe(cursor);
    }
  }
});

it('RECV-02 a message that fileInboxStore has stored survives the power', async () => {
  for (const seed of SEEDS) {
    const files = machine(seed);
    const path = virtualPath('app', 'inbox.jsonl');
    for (let number = 1; number <= 3; number++) {
      const store = fileInboxStore(path);
      const { messages } = await store.load();
      expect(messages.map((stored) => stored.number)).toEqual(Array.from({ length: number - 1 }, (_, n) => n + 1));
      const message = { kind: 'gap' as const, subscriptionId: 's', webhookId: `m${number}`, cursor: '1' };
      await store.append({ kind: 'message', number, message });
      files.losePower();
    }
  }
});

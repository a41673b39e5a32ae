import { lstat, mkdir, mkdtemp, open, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fileInboxStore, fileStore } from '../src/node.ts';
import { fileStoreWith } from '../src/store/fileStore.ts';
import { syncFolder } from '../src/store/replaceFile.ts';

const folder = await mkdtemp(join(tmpdir(), 'places-'));
afterAll(() => rm(folder, { recursive: true }));

const record = (cursor: string) => ({ name: 'n', arguments: {}, cursor, seen: [] });
const cursorIn = async (path: string): Promise<string> =>
  (JSON.parse(await readFile(path, 'utf8')) as { subscriptions: { k: { cursor: string } } }).subscriptions.k.cursor;
const failure = (code: string): Error => Object.assign(new Error(code), { code });

let places = 0;
async function place(): Promise<string> {
  const path = join(folder, `${(places += 1)}`);
  await mkdir(path);
  return path;
}

describe('a folder', () => {
  const folderThat = (code: string, at: 'open' | 'sync') => async () => {
    if (at === 'open') throw failure(code);
    return { sync: () => Promise.reject(failure(code)), close: async () => {} };
  };

  it.each([
    ['that nobody may read', 'EACCES', 'open'],
    ['of a file system that synchronises none', 'EINVAL', 'sync'],
    ['of a file system without such a call', 'ENOTSUP', 'sync'],
  ] as const)('CLIENT-01 %s costs no save', async (_what, code, at) => {
    await expect(syncFolder('/x/cursors.json', folderThat(code, at))).resolves.toBeUndefined();
  });

  it('CLIENT-01 on a disk that fails is told', async () => {
    await expect(syncFolder('/x/cursors.json', folderThat('EIO', 'sync'))).rejects.toThrow('EIO');
  });
});

describe('where a cursor file lies', () => {
  it('CLIENT-01 a symbolic link keeps its place, and what it leads to is replaced', async () => {
    const at = await place();
    await mkdir(join(at, 'volume'));
    const [target, link] = [join(at, 'volume', 'cursors.json'), join(at, 'cursors.json')];
    await fileStore(target).save('k', record('c1'));
    await symlink(target, link);
    await fileStore(link).save('k', record('c2'));
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await cursorIn(target)).toBe('c2');
  });

  it('CLIENT-01 a relative path stays what it was when the program goes to another folder', async () => {
    const before = process.cwd();
    const at = await place();
    try {
      process.chdir(at);
      const store = fileStore('cursors.json');
      process.chdir(folder);
      await store.save('k', record('c1'));
    } finally {
      process.chdir(before);
    }
    expect(await cursorIn(join(at, 'cursors.json'))).toBe('c1');
  });

  it('CLIENT-01 a file that is mounted by itself is written in place, and found again although that was torn', async () => {
    const path = join(await place(), 'cursors.json');
    await fileStore(path).save('k', record('a longer cursor than the next one'));
    const { ino } = await lstat(path);
    const steps = { rename: () => Promise.reject(failure('EBUSY')), wait: () => Promise.resolve() };
    await fileStoreWith(path, steps).save('k', record('c2'));
    expect((await lstat(path)).ino).toBe(ino);
    expect(await cursorIn(path)).toBe('c2');
    await writeFile(path, '{"version": 1, "subscr');
    expect((await fileStore(path).load('k'))!.cursor).toBe('c2');
  });

  it('CLIENT-28 the copy beside a damaged file is not taken when the file was written later', async () => {
    const path = join(await place(), 'cursors.json');
    await fileStore(path).save('k', record('c1'));
    await writeFile(`${path}.tmp`, await readFile(path));
    await writeFile(path, '{"version": 1, "subscr');
    const damagedAt = (await lstat(path)).mtimeMs / 1_000;
    await utimes(`${path}.tmp`, damagedAt - 59, damagedAt - 59);
    expect((await fileStore(path).load('k'))!.cursor).toBe('c1');
    await utimes(`${path}.tmp`, damagedAt - 61, damagedAt - 61);
    await expect(fileStore(path).load('k')).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining(`${path}.tmp, is whole, but older`),
    });
    await expect(fileStore(path).save('k', record('c2'))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });

  it('CLIENT-01 a rename that is refused for a moment is tried again, one that is refused lastingly fails', async () => {
    const path = join(await place(), 'cursors.json');
    let refusals = 3;
    const waits: number[] = [];
    const steps = {
      rename: (from: string, to: string) =>
        (refusals -= 1) >= 0 ? Promise.reject(failure('EPERM')) : rename(from, to),
      wait: (delayMs: number) => Promise.resolve(waits.push(delayMs)),
    };
    const store = fileStoreWith(path, steps);
    await store.save('k', record('c1'));
    expect([await cursorIn(path), waits]).toEqual(['c1', [10, 40, 160]]);
    refusals = 4;
    await expect(store.save('k', record('c2'))).rejects.toThrow('EPERM');
  });

  it('CLIENT-01 what could not be written is written with the next call, also if that has nothing else to do', async () => {
    const path = join(await place(), 'cursors.json');
    const store = fileStore(path);
    await store.save('k', record('c1'));
    await mkdir(`${path}.tmp`);
    await expect(store.delete('k')).rejects.toThrow();
    await rm(`${path}.tmp`, { recursive: true });
    await store.delete('k');
    expect(await fileStore(path).list()).toEqual([]);
  });

  it('CLIENT-01 the folder is flushed after the rename, or a crash of the machine could bring the old file back', async () => {
    const path = join(await place(), 'cursors.json');
    const flushed: string[] = [];
    const handle = await open(folder, 'r');
    const prototype = Object.getPrototypeOf(handle) as typeof handle;
    await handle.close();
    const { sync } = prototype;
    prototype.sync = async function (this: typeof handle): Promise<void> {
      flushed.push((await this.stat()).isDirectory() ? 'folder' : 'file');
      await sync.call(this);
    };
    try {
      await fileStore(path).save('k', record('c1'));
    } finally {
      prototype.sync = sync;
    }
    expect(flushed).toEqual(['file', 'folder']);
  });

  it('RECV-02 an inbox file that cannot be written anew goes on, and is found again', async () => {
    const path = join(await place(), 'inbox.jsonl');
    // In the way of what would be put in its place.
    await mkdir(`${path}.tmp`);
    const store = fileInboxStore(path);
    await store.load();
    const event = {
      eventId: 'e',
      name: 'n',
      timestamp: '2026-07-28T12:00:00Z',
      data: { pad: 'x'.repeat(400_000) },
      cursor: null,
    };
    for (let number = 0; number < 5; number += 1) {
      const message = { kind: 'event' as const, subscriptionId: 's', webhookId: `w${number}`, event, bytes: 1 };
      await store.append({ kind: 'message', number, message });
      if (number < 4) await store.append({ kind: 'done', number });
    }
    await store.close();
    const again = fileInboxStore(path);
    const { messages } = await again.load();
    await again.close();
    expect(messages.map(({ number }) => number)).toEqual([4]);
  });

  it('RECV-02 an inbox file behind a link is written anew in the place the link leads to', async () => {
    const at = await place();
    const [target, link] = [join(at, 'inbox.jsonl'), join(at, 'link.jsonl')];
    await writeFile(target, '');
    await symlink(target, link);
    const store = fileInboxStore(link);
    await store.load();
    const event = {
      eventId: 'e',
      name: 'n',
      timestamp: '2026-07-28T12:00:00Z',
      data: { pad: 'x'.repeat(4_000) },
      cursor: null,
    };
    for (let number = 0; number < 700; number += 1) {
      const message = {
        kind: 'event',
        subscriptionId: 's',
        webhookId: `w${number}`,
        event,
        bytes: 1,
      };
      await Promise.all([
        store.append({ kind: 'message', number, message: message as never }),
        store.append({ kind: 'done', number }),
      ]);
    }
    await store.close();
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect((await lstat(target)).size).toBeLessThan(2 * 1024 * 1024);
  });
});

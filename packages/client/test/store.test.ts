import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CursorStore, memoryStore, type SubscriptionRecord } from '../src/index.ts';
import { fileStore } from '../src/node.ts';

const folder = await mkdtemp(join(tmpdir(), 'cursor-store-'));
afterAll(() => rm(folder, { recursive: true }));

const record = (cursor: string | null): SubscriptionRecord => ({
  name: 'n',
  arguments: { a: [1] },
  cursor,
  seen: ['x'],
});

let files = 0;
const stores: [string, () => CursorStore][] = [
  ['memoryStore', memoryStore],
  ['fileStore', () => fileStore(join(folder, 'new', 'folder', `${(files += 1)}.json`))],
];

describe.each(stores)('%s', (_name, create) => {
  it('CLIENT-01 keeps, replaces, lists and forgets records', async () => {
    const store = create();
    expect(await store.load('a')).toBeUndefined();
    expect(await store.list()).toEqual([]);
    await store.save('a', record('1'));
    await store.save('b', record(null));
    await store.save('a', record('2'));
    expect(await store.load('a')).toEqual(record('2'));
    expect(await store.list()).toEqual([record('2'), record(null)]);
    await store.delete('a');
    await store.delete('a');
    expect(await store.list()).toEqual([record(null)]);
  });

  it('hands out copies', async () => {
    const store = create();
    const mine = record('1');
    await store.save('a', mine);
    mine.seen.push('changed');
    (await store.load('a'))!.seen.push('changed');
    (await store.list())[0]!.cursor = 'changed';
    expect(await store.load('a')).toEqual(record('1'));
  });
});

describe('fileStore', () => {
  it('CLIENT-01 CUR-01 survives a restart, whatever the cursor holds', async () => {
    const path = join(folder, 'restart.json');
    const cursor = '\u0000ÿ \n"\\🙂';
    await fileStore(path).save('a', record(cursor));
    expect(await fileStore(path).load('a')).toEqual(record(cursor));
  });

  it('CLIENT-01 keeps arguments of any name', async () => {
    const path = join(folder, 'arguments.json');
    const args = JSON.parse('{"__proto__":{"a":1},"b":2}') as Record<string, unknown>;
    await fileStore(path).save('a', { ...record('1'), arguments: args });
    expect(JSON.stringify((await fileStore(path).load('a'))?.arguments)).toBe(JSON.stringify(args));
  });

  it('CLIENT-01 keeps what webhook mode needs, and reads files that know nothing of it', async () => {
    const path = join(folder, 'webhook.json');
    const old = record('1');
    const withPath = { ...record('2'), webhook: { path: 'p', seen: ['e1'] } };
    await writeFile(path, JSON.stringify({ version: 1, subscriptions: { old } }));
    await fileStore(path).save('new', withPath);
    expect(await fileStore(path).list()).toEqual([old, withPath]);
  });

  it('serialises many saves, each durable when it resolves, and leaves no temporary file', async () => {
    const path = join(folder, 'many.json');
    const store = fileStore(path);
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        await store.save(`k${index % 20}`, record(String(index)));
        const content = JSON.parse(await readFile(path, 'utf8'));
        expect(Number(content.subscriptions[`k${index % 20}`].cursor)).toBeGreaterThanOrEqual(index);
      }),
    );
    expect(await fileStore(path).list()).toHaveLength(20);
    expect((await readdir(folder)).filter((name) => name.startsWith('many'))).toEqual(['many.json']);
  });

  it('refuses a file that is not one of its own, and does not overwrite it', async () => {
    const path = join(folder, 'corrupt.json');
    for (const content of [
      '',
      '{"version":1,"subscr',
      '[]',
      '{"version":2,"subscriptions":{}}',
      '{"subscriptions":{"a":5}}',
    ]) {
      await writeFile(path, content);
      const store = fileStore(path);
      for (const call of [
        () => store.load('a'),
        () => store.list(),
        () => store.save('a', record('1')),
        () => store.delete('a'),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'STORE_CORRUPT', message: expect.stringContaining(path) });
      }
      expect(await readFile(path, 'utf8')).toBe(content);
    }
  });

  it('says what to give it instead of a folder', async () => {
    for (const path of [folder, join(folder, 'missing/')]) {
      const store = fileStore(path);
      for (const call of [() => store.load('a'), () => store.list(), () => store.save('a', record('1'))]) {
        await expect(call()).rejects.toMatchObject({
          code: 'STORE_UNAVAILABLE',
          message: `The path given to fileStore, ${path}, is a folder: name a file in it, such as ${join(path, 'cursors.json')}.`,
        });
      }
    }
  });

  it('CLIENT-27 tells who wrote before another process did, which is not overwritten, and loses nothing of it', async () => {
    const path = join(folder, 'shared.json');
    await fileStore(path).save('a', record('1'));
    const [one, other] = [fileStore(path), fileStore(path)];
    for (const store of [one, other]) expect(await store.list()).toEqual([record('1')]);
    await one.save('b', record('b1'));
    // One that has not written yet takes over what there is.
    await other.save('c', record('c1'));
    expect(JSON.parse(await readFile(path, 'utf8')).subscriptions).toEqual({
      a: record('1'),
      b: record('b1'),
      c: record('c1'),
    });
    for (const call of [() => one.save('b', record('b2')), () => one.delete('a')]) {
      await expect(call()).rejects.toMatchObject({ code: 'TAKEN_OVER', message: expect.stringContaining(path) });
    }
    await other.save('c', record('c2'));
    await other.delete('a');
    expect(await fileStore(path).list()).toEqual([record('c2'), record('b1')]);
  });

  it('CLIENT-27 what was changed before the first write stays, what another process deleted meanwhile does not come back', async () => {
    const path = join(folder, 'first.json');
    await fileStore(path).save('a', record('a1'));
    await fileStore(path).save('b', record('b1'));
    const late = fileStore(path);
    await late.list();
    const early = fileStore(path);
    await early.delete('b');
    await early.save('a', record('a2'));
    await late.save('a', record('a3'));
    expect(await fileStore(path).list()).toEqual([record('a3')]);
  });

  it('CLIENT-27 a file that was removed is written again, and a write that failed keeps nobody out', async () => {
    const path = join(folder, 'removed.json');
    const store = fileStore(path);
    await store.save('a', record('1'));
    await rm(path);
    await store.save('a', record('2'));
    await mkdir(`${path}.tmp`);
    await expect(store.save('a', record('3'))).rejects.toThrow();
    await rmdir(`${path}.tmp`);
    await store.save('b', record('4'));
    expect(await fileStore(path).list()).toEqual([record('3'), record('4')]);
  });

  it('goes on after a write that failed', async () => {
    const path = join(folder, 'blocked.json');
    const store = fileStore(path);
    await mkdir(`${path}.tmp`);
    await expect(store.save('a', record('1'))).rejects.toThrow();
    await rmdir(`${path}.tmp`);
    await store.save('b', record('2'));
    expect(await fileStore(path).list()).toHaveLength(2);
  });
});

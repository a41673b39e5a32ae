import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { fileInboxStore } from '../src/node.ts';
import type { InboxChange, InboxContent, WebhookMessage } from '../src/receiver/index.ts';

const folder = await mkdtemp(join(tmpdir(), 'inbox-store-'));
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

let files = 0;
const newFile = (): string => join(folder, `${(files += 1)}.log`);

const message = (id: string, text = ''): WebhookMessage => ({
  kind: 'event',
  subscriptionId: 'sub_1',
  webhookId: `msg_${id}`,
  event: { eventId: id, name: 'n', timestamp: 't', data: { text }, cursor: 'c' },
  order: { position: `p${id}`, previous: null },
  bytes: 100,
});

const add = (number: number, text = ''): InboxChange => ({
  kind: 'message',
  number,
  message: message(`e${number}`, text),
});
const done = (number: number): InboxChange => ({ kind: 'done', number });

async function contentOf(path: string): Promise<InboxContent> {
  const store = fileInboxStore(path);
  try {
    return await store.load();
  } finally {
    await store.close();
  }
}

/** The methods of an open file, to watch them or let them fail. */
const handle = await open(join(folder, 'any'), 'w');
const fileMethods = Object.getPrototypeOf(handle) as typeof handle;
await handle.close();

describe('fileInboxStore', () => {
  it('RECV-02 keeps messages until they are done, and then their marks', async () => {
    const path = join(folder, 'new', 'folder', 'inbox.log');
    const store = fileInboxStore(path);
    expect(await store.load()).toEqual({ messages: [], marks: [] });
    const mark = {
      subscriptionId: 'sub_1',
      webhookId: 'again',
      eventId: 'e1',
      order: { position: 'n1', previous: null },
    };
    for (const change of [add(1, 'ü\n"🙂\u0000'), add(2), done(1), done(7), { kind: 'mark', mark } as const]) {
      await store.append(change);
    }
    await store.close();
    expect(await contentOf(path)).toEqual({
      messages: [{ number: 2, message: message('e2') }],
      marks: [
        { subscriptionId: 'sub_1', webhookId: 'msg_e1', eventId: 'e1', order: { position: 'pe1', previous: null } },
        mark,
      ],
    });
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  it('RECV-02 reports a change as kept only after a flush, which simultaneous changes share', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    const flushed: number[] = [];
    const { datasync } = fileMethods;
    vi.spyOn(fileMethods, 'datasync').mockImplementation(async function (this: typeof handle) {
      const lines = (await readFile(path, 'utf8')).split('\n').length;
      await datasync.call(this);
      flushed.push(lines - 2);
    });
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        await store.append(add(index + 1));
        expect(flushed.at(-1)).toBeGreaterThan(index);
      }),
    );
    expect(flushed.length).toBeLessThanOrEqual(3);
    expect(flushed.at(-1)).toBe(100);
    await store.close();
  });

  it('RECV-02 survives a crash at any byte of the last write', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    await store.append(add(1));
    const safe = (await stat(path)).size;
    await store.append(add(2, 'ü'));
    await store.close();
    const bytes = await readFile(path);
    // Hundreds of flushes would take their time, and show nothing here.
    vi.spyOn(fileMethods, 'sync').mockResolvedValue();
    vi.spyOn(fileMethods, 'datasync').mockResolvedValue();
    for (let length = safe; length <= bytes.length; length += 1) {
      await writeFile(path, bytes.subarray(0, length));
      const { messages } = await contentOf(path);
      expect(messages.map(({ number }) => number)).toEqual(length === bytes.length ? [1, 2] : [1]);
      const again = fileInboxStore(path);
      await again.load();
      await again.append(add(3));
      await again.close();
      expect((await contentOf(path)).messages.at(-1)).toEqual({ number: 3, message: message('e3') });
    }
  });

  it('survives a crash that left zeros or rubbish at the end, and one during its creation', async () => {
    const path = newFile();
    for (const [content, messages] of [
      [`{"version":1}\n${JSON.stringify(add(1))}\n${'\u0000'.repeat(500)}`, 1],
      [`{"version":1}\n${JSON.stringify(add(1))}\n\u0000\u0000\n{"kind":"mess\n`, 1],
      ['{"version":1}\n', 0],
      ['{"vers', 0],
      ['', 0],
    ] as const) {
      await writeFile(path, content);
      expect((await contentOf(path)).messages).toHaveLength(messages);
      expect(await readFile(path, 'utf8')).toMatch(/^{"version":1}\n/);
    }
  });

  it('RECV-12 a page that was lost within the last write costs that write only, and one before it is told', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    await store.append(add(1));
    const first = (await stat(path)).size;
    await Promise.all([2, 3, 4].map((number) => store.append(add(number, 'x'.repeat(10_000)))));
    const second = (await stat(path)).size;
    await Promise.all([5, 6].map((number) => store.append(add(number))));
    await store.close();
    const bytes = await readFile(path);
    for (let page = first; page < second; page += 1_009) {
      const lost = Buffer.from(bytes.subarray(0, second)).fill(0, page, Math.min(page + 4_096, second));
      await writeFile(path, lost);
      const { messages } = await contentOf(path);
      expect(messages.map(({ number }) => number)).toEqual([1, 2, 3].slice(0, messages.length));
      expect(messages.length).toBeGreaterThan(0);
      // The same with a write behind it: what is damaged had been reported as kept.
      await writeFile(path, Buffer.from(bytes).fill(0, page, Math.min(page + 4_096, second - 1)));
      await expect(contentOf(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    }
  });

  it('RECV-12 one that nests deeply is kept, one that cannot be written fails alone', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    const nested = `${'['.repeat(60_000)}${']'.repeat(60_000)}`;
    const deep = JSON.parse(`{"a":${nested}}`) as Record<string, unknown>;
    const poison = { ...add(3), message: { ...message('e3'), bytes: 1n } } as never;
    const appended = await Promise.allSettled([
      store.append(add(1)),
      store.append({ kind: 'message', number: 2, message: { ...message('e2'), event: { data: deep } } as never }),
      store.append(poison),
      store.append(add(4)),
    ]);
    expect(appended.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    await store.close();
    expect((await contentOf(path)).messages.map(({ number }) => number)).toEqual([1, 2, 4]);
    expect(await readFile(path, 'utf8')).toContain(nested);
  });

  it('refuses a file that is damaged in its middle or is another one, and leaves it as it is', async () => {
    const path = newFile();
    const line = `${JSON.stringify(add(1))}\n`;
    for (const content of [
      `{"version":1}\n${line}{"kind":"mes\n${line}`,
      `{"version":1}\n{"kind":"future"}\n${line}`,
      `{"version":2}\n${line}`,
      line,
      'important letters\n',
      'x',
    ]) {
      await writeFile(path, content);
      await expect(fileInboxStore(path).load()).rejects.toMatchObject({
        code: 'STORE_CORRUPT',
        message: expect.stringContaining(path),
      });
      expect(await readFile(path, 'utf8')).toBe(content);
    }
  });

  it('RECV-02 goes on after a write that failed in its middle', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    await store.append(add(1));
    vi.spyOn(fileMethods, 'datasync').mockRejectedValueOnce(new Error('no space left'));
    await expect(store.append(add(2, 'a text that is longer than what is written after it'))).rejects.toThrow(
      'no space',
    );
    await store.append(add(3));
    await store.append(done(1));
    await store.close();
    expect((await contentOf(path)).messages.map(({ number }) => number)).toEqual([3]);
  });

  it('is written anew when most of it is done, without losing anything', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    await store.append(add(1, 'kept'));
    const text = 'x'.repeat(100_000);
    let largest = 0;
    for (let number = 2; number < 100; number += 1) {
      await store.append(add(number, text));
      await store.append(done(number));
      largest = Math.max(largest, (await stat(path)).size);
    }
    expect(largest).toBeLessThan(1_500_000);
    await store.append(add(100, 'kept too'));
    await store.close();
    const { messages, marks } = await contentOf(path);
    expect(messages.map(({ number }) => number)).toEqual([1, 100]);
    expect(marks).toHaveLength(98);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('RECV-02 goes on in its place when it cannot be written anew, which is tried again when it holds twice as much', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    const text = 'x'.repeat(600_000);
    for (const change of [add(1, text), done(1), add(2, text)]) await store.append(change);
    await mkdir(`${path}.tmp`);
    await store.append(add(3));
    expect((await contentOf(path)).messages.map(({ number }) => number)).toEqual([2, 3]);
    await rm(`${path}.tmp`, { recursive: true });
    await store.append(done(2));
    for (let number = 4; number < 10; number += 1) {
      await store.append(add(number, text));
      await store.append(done(number));
    }
    await store.close();
    expect((await contentOf(path)).messages.map(({ number }) => number)).toEqual([3]);
    expect((await stat(path)).size).toBeLessThan(3_000_000);
  });

  it('bounds what it remembers', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    const marks = Array.from({ length: 21_000 }, (_, index) => ({ subscriptionId: 's', webhookId: `m${index}` }));
    await Promise.all(marks.map((mark) => store.append({ kind: 'mark', mark })));
    await store.close();
    const kept = (await contentOf(path)).marks;
    expect(kept).toEqual(marks.slice(-20_000));
    await expect(store.append(add(1))).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

describe('an inbox file that two processes use', () => {
  it('CLIENT-27 is written by one of them: the other is told, and nothing that was kept is lost', async () => {
    const path = newFile();
    const [one, other] = [fileInboxStore(path), fileInboxStore(path)];
    await one.load();
    await other.load();
    await one.append(add(1));
    for (const number of [1, 2]) {
      await expect(other.append(add(number))).rejects.toMatchObject({
        code: 'TAKEN_OVER',
        message: expect.stringContaining(path),
      });
    }
    await one.append(add(2));
    await Promise.all([one.close(), other.close()]);
    // Loaded again it goes on.
    const { messages } = await other.load();
    expect(messages.map(({ number }) => number)).toEqual([1, 2]);
    await other.append(add(3));
    await other.close();
  });

  it('CLIENT-27 RECV-02 keeps nothing for somebody who finds another one under the name', async () => {
    const path = newFile();
    const store = fileInboxStore(path);
    await store.load();
    await rm(path);
    await expect(store.append(add(1))).rejects.toMatchObject({ code: 'TAKEN_OVER' });
    await store.close();
  });
});

import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CounterFile } from '../src/counterFile.ts';
import { createEverythingServer } from '../src/everythingServer.ts';

const now = new Date('2026-01-01T00:00:00Z');

describe('the counter file', () => {
  let folder: string;
  let path: string;
  const counters: CounterFile[] = [];
  const open = async (file = path): Promise<CounterFile> => {
    const counter = await CounterFile.open(file);
    counters.push(counter);
    return counter;
  };
  const valuesAfter = async (counter: CounterFile, cursor: string): Promise<number[]> =>
    (await counter.read(cursor, 100)).ticks.map(({ value }) => value);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'counter-'));
    path = join(folder, 'counter');
  });
  afterEach(async () => {
    for (const counter of counters.splice(0)) await counter.close();
    await rm(folder, { recursive: true });
  });

  it('counts on after it was opened again, and its cursors stay valid', async () => {
    const first = await open();
    const start = first.end;
    expect(await first.append(3, now)).toBe(3);
    const second = await open();
    expect(await second.append(2, now)).toBe(5);
    expect(await valuesAfter(second, start)).toEqual([1, 2, 3, 4, 5]);
  });

  it('drops what a killed process wrote of a line', async () => {
    const first = await open();
    await first.append(2, now);
    await appendFile(path, '{"value":3,"at":"20');
    const second = await open();
    const { end } = second;
    expect(await second.append(1, now)).toBe(3);
    expect(await valuesAfter(second, end)).toEqual([3]);
    expect((await readFile(path, 'utf8')).trimEnd().split('\n')).toHaveLength(4);
  });

  it('takes appends at the same time one after the other', async () => {
    const counter = await open();
    const start = counter.end;
    await Promise.all([counter.append(2, now), counter.lose(now), counter.append(2, now)]);
    const page = await counter.read(start, 100);
    expect(page.ticks.map(({ value }) => value)).toEqual([1, 2]);
    expect(page.hasMore).toBe(true);
    const gap = await counter.read(page.cursor, 100);
    expect(gap).toMatchObject({ ticks: [], gap: true, hasMore: true });
    expect(await valuesAfter(counter, gap.cursor)).toEqual([4, 5]);
  });

  it('reads page by page', async () => {
    const counter = await open();
    let { end: cursor } = counter;
    await counter.append(7, now);
    const seen: number[] = [];
    for (let more = true; more;) {
      const page = await counter.read(cursor, 2);
      expect(page.ticks.length).toBeLessThanOrEqual(2);
      seen.push(...page.ticks.map(({ value }) => value));
      ({ cursor, hasMore: more } = page);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('tells a gap for cursors that are not its own', async () => {
    const counter = await open();
    await counter.append(2, now);
    const other = await open(join(folder, 'other'));
    await other.append(2, now);
    const [name = '', offset] = counter.end.split(':');
    for (const cursor of [other.end, `${name}:${Number(offset) - 1}`, `${name}:999999`, `${name}:0`, name, '']) {
      expect(await counter.read(cursor, 10), cursor).toEqual({
        ticks: [],
        cursor: counter.end,
        hasMore: false,
        gap: true,
      });
    }
  });

  it('refuses what cannot be opened, and says by which option to name something else', async () => {
    for (const file of [folder, join(folder, 'missing', 'counter')]) {
      const options = { counterFile: file, tokens: new Map(), quota: 1, controls: false };
      const told = `--counter: ${file} cannot be opened; name a file to read and write, in a folder there is (E`;
      await expect(createEverythingServer(options)).rejects.toThrow(told);
    }
  });

  it('refuses a file that is something else, and leaves it alone', async () => {
    await writeFile(path, 'my diary\n');
    await expect(CounterFile.open(path)).rejects.toThrow(`${path} is not a counter file`);
    expect(await readFile(path, 'utf8')).toBe('my diary\n');
  });
});

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { openSqliteStorage } from '../src/index.ts';
import { appendAll, idOf, unbounded } from './support.ts';
import { temporaryFolder } from './temporaryFolder.ts';

const writer = fileURLToPath(new URL('writer.ts', import.meta.url));

/** A process that appends to the file, and the lines it has written. Resolves when there are at least so many. */
async function startWriter(file: string, lines: number): Promise<{ child: ChildProcess; said: string[] }> {
  const child = spawn(process.execPath, ['--conditions=@mcp-events/source', '--import', 'tsx', writer, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the writer ended after ${said.length} lines`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      said.push(line);
      if (said.length === lines) resolve();
    });
  });
  return { child, said };
}

it('EMIT-09 TTL-11 a process that is killed has stored everything it was told is stored, and its file is free', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const { child, said } = await startWriter(file, 500);
  await expect(openSqliteStorage({ file })).rejects.toMatchObject({ code: 'locked', file });
  child.kill('SIGKILL');
  await once(child.stdout ?? child, 'close');

  const storage = await openSqliteStorage({ file });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  expect(said[0]).toBe(`epoch ${log.epoch}`);
  const idAt = new Map<number, string>();
  for (let position = 0; position < log.head;) {
    const page = await log.read(position, 1_000);
    for (const record of page) idAt.set(record.position, idOf(record));
    position = page.at(-1)?.position ?? Infinity;
  }
  expect([...idAt.keys()]).toEqual(Array.from({ length: log.head }, (_, i) => i + 1));
  // The last line may have been cut off.
  const complete = said.slice(1).filter((line) => /^stored \d+ \d\.\d+$/.test(line));
  expect(complete.length).toBeGreaterThanOrEqual(498);
  for (const line of complete.slice(0, -1)) {
    const [, position, eventId] = line.split(' ');
    expect(idAt.get(Number(position))).toBe(eventId);
  }
  for (const emitter of [1, 2, 3]) {
    const last = [...idAt.values()].findLast((id) => id.startsWith(`${emitter}.`));
    expect(storage.notes.get(`last of ${emitter}`)).toBe(last);
  }
  await appendAll(log, 1);
}, 30_000);

it('EMIT-09 a second process is refused while the first goes on', async () => {
  const file = join(temporaryFolder(), 'a.db');
  const storage = await openSqliteStorage({ file });
  onTestFinished(async () => storage.close());
  const log = storage.openLog('sample', unbounded);
  await appendAll(log, 1);
  const second = spawn(process.execPath, ['--conditions=@mcp-events/source', '--import', 'tsx', writer, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  second.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
  const [status] = (await once(second, 'close')) as [number];
  expect(status).not.toBe(0);
  expect(told).toContain(`${file}: this process or another is using this file already`);
  await appendAll(log, 1, 'next');
  expect(log.head).toBe(2);
}, 30_000);

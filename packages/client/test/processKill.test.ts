import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { effects, openDatabase } from './support/processWorld.ts';

const child = fileURLToPath(new URL('support/processChild.ts', import.meta.url));

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-events-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** Runs a process, and resolves with the signal that ended it. */
async function run(file: string, calls: number, delivery: string): Promise<string | null> {
  const options = ['--conditions=@mcp-events/source', '--import', 'tsx', child, file, `${calls}`, delivery];
  const process = spawn(globalThis.process.execPath, options, { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code, signal] = (await once(process, 'exit')) as [number | null, string | null];
  if (signal === null) expect(code).toBe(0);
  return signal;
}

it.each(['push', 'poll'])(
  'ORDER-04 CLIENT-01 each event has its effect exactly once through SIGKILL within transactions (%s)',
  async (delivery) => {
    const file = join(folder, 'application.db');
    // Prime to the calls that one event takes, so that each run dies at another one.
    const signals: (string | null)[] = [];
    for (const calls of [23, 38]) signals.push(await run(file, calls, delivery));
    expect(signals).toEqual(Array(2).fill('SIGKILL'));
    expect(await run(file, -1, delivery)).toBeNull();
    const db = openDatabase(file);
    expect(effects(db)).toEqual(Array.from({ length: 30 }, (_, index) => `e${index + 1}`));
    db.close();
  },
  120_000,
);

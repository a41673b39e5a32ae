import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An empty folder. Removed after the test, with what is in it. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'everything-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

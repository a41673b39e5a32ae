import { basename, join } from 'node:path';
import { readJson, workspaceFolders } from './files.ts';
import { run } from './run.ts';
import type { RunResult } from './run.ts';

/** An example whose package defines a `verify` script. */
export interface Example {
  name: string;
  folder: string;
}

/** The examples that can check themselves. */
export async function verifiableExamples(): Promise<Example[]> {
  const examples = await Promise.all(
    workspaceFolders('examples').map(async (folder) => {
      const { scripts } = await readJson<{ scripts?: Record<string, string> }>(join(folder, 'package.json'));
      return { name: basename(folder), folder, verifiable: scripts?.['verify'] !== undefined };
    }),
  );
  return examples.filter((example) => example.verifiable).map(({ name, folder }) => ({ name, folder }));
}

/** Runs an example's `verify` script. */
export async function verifyExample({ folder }: Example): Promise<RunResult> {
  return await run('npm', ['run', '--silent', 'verify'], { cwd: folder, timeoutMs: 120_000 });
}

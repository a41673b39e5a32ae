import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Arguments for Node.js to run a file of this folder as a process of its own, in the way this one runs. */
export function entryArgs(name: string, config: unknown): string[] {
  const file = fileURLToPath(new URL(`${name}${extname(import.meta.url)}`, import.meta.url));
  return [...process.execArgv, file, JSON.stringify(config)];
}

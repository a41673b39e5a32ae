import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** The repository's root directory. */
export const root: string = join(import.meta.dirname, '..', '..');

/** The folders of one workspace group, such as `packages` or `examples`, sorted. */
export function workspaceFolders(group: string): string[] {
  return readdirSync(join(root, group), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, group, entry.name, 'package.json')))
    .map((entry) => join(root, group, entry.name))
    .toSorted();
}

/** Every file below a folder, sorted; none when the folder is missing. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** A path as shown to people: relative to the repository. */
export function shown(path: string): string {
  return relative(root, path);
}

/** Reads a JSON file; the caller states its shape. */
export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

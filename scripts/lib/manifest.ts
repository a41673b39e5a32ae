import { join } from 'node:path';
import { readJson } from './files.ts';

/** The part of a package.json that the package checks read. */
export interface Manifest {
  name: string;
  version: string;
  private?: boolean;
  exports: Record<string, unknown>;
  peerDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** Reads the package.json of a workspace folder. */
export async function readManifest(folder: string): Promise<Manifest> {
  return await readJson<Manifest>(join(folder, 'package.json'));
}

/** The module specifiers a package offers, such as `@mcp-events/client` and `@mcp-events/client/receiver`. */
export function entryPoints({ name, exports }: Pick<Manifest, 'name' | 'exports'>): string[] {
  return Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => name + path.slice(1));
}

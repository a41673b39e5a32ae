import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.ts';

/** npm packages that bring the binary of one version of Node.js each, for this system. */
const NODE_PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** Exact versions of Node.js that are run beside the one in use, by their major version. */
export const NODE_VERSIONS: Readonly<Record<string, string>> = { '20': '20.20.2', '22': '22.23.5', '24': '24.22.3' };

/**
 * Installs packages into a folder for temporary files, once for each set of them, and resolves with the folder. They are no
 * dependencies: nothing of them is needed to build, to test or to use this project.
 *
 * @param packages name, or alias, and what npm is to install for it, exact
 */
export async function downloaded(packages: Readonly<Record<string, string>>): Promise<string> {
  const name = Object.entries(packages)
    .map(([alias, spec]) => `${alias}-${spec}`)
    .join('+')
    .replaceAll(/[^\w.+-]+/g, '_');
  const folder = join(tmpdir(), `mcp-events-${name}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'package.json'), JSON.stringify({ private: true, dependencies: packages }));
  // npm checks what a package asks of the Node.js in use; these are run by another.
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--engine-strict=false'];
  const { ok, output } = await run('npm', args, { cwd: unfinished });
  if (!ok) {
    await rm(unfinished, { recursive: true, force: true });
    throw new Error(`npm could not install ${name}:\n${output}`);
  }
  await rename(unfinished, folder);
  return folder;
}

/** Path of the binary of one version of Node.js. Rejects when there is none for this system. */
export async function nodeBinary(major: string): Promise<string> {
  const version = NODE_VERSIONS[major];
  if (version === undefined) throw new Error(`Node.js ${major} is none of ${Object.keys(NODE_VERSIONS).join(', ')}`);
  const folder = await downloaded({ [`node${major}`]: `npm:${NODE_PACKAGE}@${version}` });
  return join(folder, 'node_modules', `node${major}`, 'bin', 'node');
}

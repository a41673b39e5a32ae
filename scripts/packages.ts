// Checks the packages as their users get them: packed, linted, installed into an empty project, compiled against and run.
// With --built what lies in their dist folders is taken for the output of their sources.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, workspaceFolders } from './lib/files.ts';
import { entryPoints, readManifest } from './lib/manifest.ts';
import { run, tool } from './lib/run.ts';

const folders = workspaceFolders('packages');
const manifests = await Promise.all(folders.map(readManifest));
const specifiers = manifests.flatMap(entryPoints);

/** Prints the exported names of every entry point as one JSON object, keys sorted. */
const LIST_EXPORTS = `
  const names = {};
  for (const specifier of ${JSON.stringify(specifiers)}) names[specifier] = Object.keys(await import(specifier)).sort();
  console.log(JSON.stringify(names, undefined, 2));
`;

/** Uses every entry point as a namespace, so that all their declarations are read and checked. */
const CONSUMER = `${specifiers.map((specifier, index) => `import * as entry${index} from '${specifier}';`).join('\n')}
export const namespaces: object[] = [${specifiers.map((_, index) => `entry${index}`).join(', ')}];
`;

const CONSUMER_TSCONFIG = {
  compilerOptions: {
    target: 'ES2023',
    module: 'NodeNext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  },
  files: ['consumer.ts'],
};

async function must(title: string, command: string, args: string[], cwd: string = root): Promise<string> {
  const { ok, stdout, output } = await run(command, args, { cwd });
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${title}`);
  if (!ok) throw new Error(`${title} failed:\n${output}`);
  return stdout;
}

/** Rebuilds from nothing, so that the output of a deleted source file is not packed. */
async function build(): Promise<void> {
  await Promise.all(folders.map((folder) => rm(join(folder, 'dist'), { recursive: true, force: true })));
  await must('build', tool('tsc'), ['-b']);
}

async function pack(destination: string): Promise<string[]> {
  const json = await must('pack', 'npm', ['pack', '--json', '--pack-destination', destination, ...folders]);
  const packed = JSON.parse(json) as { filename: string }[];
  return packed.map(({ filename }) => join(destination, filename));
}

/** Those that are published. */
async function lintAll(tarballs: readonly string[]): Promise<void> {
  for (const [index, tarball] of tarballs.entries()) {
    const manifest = manifests[index];
    if (manifest?.private !== true) await lint(tarball, manifest?.name ?? tarball);
  }
}

async function lint(tarball: string, name: string): Promise<void> {
  await must(`publint ${name}`, tool('publint'), ['run', tarball, '--strict']);
  await must(`attw ${name}`, tool('attw'), [tarball, '--profile', 'esm-only', '--no-color']);
}

/** The peers at the versions the packages are developed with, plus the declarations of Node.js. */
async function companions(): Promise<string[]> {
  const all = [await readManifest(root), ...manifests];
  const versions = new Map(all.flatMap(({ devDependencies }) => Object.entries(devDependencies ?? {})));
  const peers = manifests.flatMap(({ peerDependencies }) => Object.keys(peerDependencies ?? {}));
  return [...new Set([...peers, '@types/node'])].map((name) => {
    const version = versions.get(name);
    if (version === undefined)
      throw new Error(`${name} is a peer dependency and also needs a version to develop with.`);
    return `${name}@${version}`;
  });
}

async function consume(project: string, tarballs: string[]): Promise<void> {
  await mkdir(project);
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(CONSUMER_TSCONFIG));
  await writeFile(join(project, 'consumer.ts'), CONSUMER);
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await must('install', 'npm', ['install', ...quiet, ...tarballs, ...(await companions())], project);
  await must('compile', tool('tsc'), ['-p', project], project);

  const evaluate = ['--input-type=module', '--eval', LIST_EXPORTS];
  const installed = await must('run', process.execPath, evaluate, project);
  // The export tests pin the names of the sources; equal names here mean that the packed files offer exactly those.
  const fromSource = ['--conditions=@mcp-events/source', '--import', 'tsx', ...evaluate];
  const expected = await must('exports', process.execPath, fromSource);
  if (installed !== expected) {
    throw new Error(
      `The packed packages export other names than their sources.\nPacked: ${installed}\nSources: ${expected}`,
    );
  }
}

const folder = await mkdtemp(join(tmpdir(), 'mcp-events-packages-'));
try {
  if (!process.argv.includes('--built')) await build();
  const tarballs = await pack(folder);
  // npm waits for the network, and the linters for nothing.
  await Promise.all([lintAll(tarballs), consume(join(folder, 'project'), tarballs)]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

// Compiles every TypeScript block of the documentation against the built packages, and runs those that say so.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { documentedPages, examplesOf } from './lib/docExamples.ts';
import type { DocExample } from './lib/docExamples.ts';
import { root } from './lib/files.ts';
import { run, tool } from './lib/run.ts';

/** Within the repository, so that packages are found as in a project that has installed them. */
const FOLDER = join(root, 'docs', '.examples');

const TSCONFIG = {
  extends: '../../tsconfig.check.json',
  compilerOptions: {
    noUnusedLocals: false,
    noUnusedParameters: false,
    types: ['node'],
    // As users have the packages, and as what is compiled finds them when it runs.
    customConditions: [],
    noEmit: false,
    allowImportingTsExtensions: false,
    rootDir: '.',
    outDir: 'run',
  },
  include: ['*.ts', '../../scripts/docs/reader.d.ts'],
};

/** Longer than any example takes on a busy machine. */
const LIMIT_MS = 60_000;

/** Ports that the pages name; others are put in their places, as something may listen there. */
const DOCUMENTED_PORTS = ['3000', '3001', '3002'];

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `${port}`;
}

interface Running {
  readonly child: ChildProcess;
  /** Resolves with whether it printed what it should, or ended well if it need not print. */
  readonly outcome: Promise<{ ok: boolean; output: string }>;
}

function start({ name, prints }: DocExample): Running {
  const child = spawn(process.execPath, [join(FOLDER, 'run', `${name}.js`)], {
    cwd: FOLDER,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const outcome = new Promise<{ ok: boolean; output: string }>((resolve) => {
    let output = '';
    const timer = setTimeout(
      () => resolve({ ok: false, output: `${output}\nIt did not get there in time.` }),
      LIMIT_MS,
    );
    const finish = (ok: boolean): void => {
      clearTimeout(timer);
      resolve({ ok, output });
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (prints !== undefined && output.includes(prints)) finish(true);
      });
    }
    child.once('exit', (code) => finish(code === 0 && (prints === undefined || output.includes(prints))));
  });
  return { child, outcome };
}

/** One after the other; what runs in the background is there for all that follow, on other pages, too. */
async function runAll(examples: readonly DocExample[]): Promise<number> {
  const background: ChildProcess[] = [];
  let failed = 0;
  try {
    for (const example of examples) {
      const { child, outcome } = start(example);
      if (example.background) background.push(child);
      const { ok, output } = await outcome;
      if (!example.background) child.kill('SIGKILL');
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${example.place} runs`);
      if (!ok) console.log(output);
      if (!ok) failed++;
    }
  } finally {
    for (const child of background) child.kill('SIGKILL');
  }
  return failed;
}

const pages = await Promise.all(documentedPages().map(examplesOf));
await rm(FOLDER, { recursive: true, force: true });
await mkdir(FOLDER, { recursive: true });
try {
  const ports = new Map<string, string>();
  for (const documented of DOCUMENTED_PORTS) ports.set(documented, await freePort());
  for (const { name, code } of pages.flat()) {
    await writeFile(
      join(FOLDER, `${name}.ts`),
      `${code.replaceAll(/\b300[012]\b/g, (port) => ports.get(port) ?? port)}\nexport {};\n`,
    );
  }
  await writeFile(join(FOLDER, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  const built = await run(tool('tsc'), ['-b']);
  if (!built.ok) console.log(built.output);
  const compiled = await run(tool('tsc'), ['-p', FOLDER, '--pretty', 'false']);
  const count = pages.flat().length;
  console.log(`${compiled.ok ? 'ok  ' : 'FAIL'} ${count} TypeScript blocks compile`);
  if (!compiled.ok) console.log(compiled.output);
  let failed = compiled.ok ? 0 : 1;
  if (compiled.ok) failed += await runAll(pages.flat().filter((example) => example.run));
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  if (process.exitCode === 0) await rm(FOLDER, { recursive: true, force: true });
}

// Runs the unit tests on other versions of Node.js than the one in use: those that are supported, or those named. Needs the
// network once for each, for the npm package with its binary.
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { nodeBinary, NODE_VERSIONS } from './lib/downloads.ts';
import { root } from './lib/files.ts';
import { run } from './lib/run.ts';

/** The whole suite on two slow processors, and as much again. */
const TIMEOUT_MS = 1_200_000;

const [first, ...others] = process.argv.slice(2);
const versions =
  first === undefined ? Object.keys(NODE_VERSIONS) : [first, ...others].filter((arg) => /^\d+$/.test(arg));
const files = first === undefined ? [] : [first, ...others].filter((arg) => !/^\d+$/.test(arg));

for (const version of versions.length > 0 ? versions : Object.keys(NODE_VERSIONS)) {
  const node = await nodeBinary(version);
  const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...files];
  const { ok, output } = await run(node, args, { timeoutMs: TIMEOUT_MS });
  const lines = stripVTControlCharacters(output).split('\n');
  const counts = lines.filter((line) => /^\s+(?:Test Files|Tests) /.test(line));
  console.log(`${ok ? 'ok  ' : 'FAIL'} Node.js ${NODE_VERSIONS[version]}\n${counts.join('\n')}`);
  if (!ok) {
    console.log(output);
    process.exitCode = 1;
  }
}

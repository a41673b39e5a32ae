// Runs the official conformance suite of the core protocol against the everything server, with Events attached: every
// scenario that a revision requires of a server has to pass. Needs the network once, for the suite and for Node.js 22.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloaded, nodeBinary } from './lib/downloads.ts';
import { root } from './lib/files.ts';
import { run } from './lib/run.ts';

const REVISION = '2026-07-28';
const SUITE = '@modelcontextprotocol/conformance';

/** The latest version that knows the revision is a preview. */
const SUITE_VERSION = '0.2.0-alpha.12';

const folder = await downloaded({ [SUITE]: SUITE_VERSION });
const node = await nodeBinary('22');
const server = spawn(
  process.execPath,
  ['--conditions=@mcp-events/source', '--import', 'tsx', join(root, 'examples/everything/src/main.ts')],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
);
const results = await mkdtemp(join(tmpdir(), 'core-suite-'));
try {
  const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  const suite = join(folder, 'node_modules', SUITE, 'dist/index.js');
  const args = [suite, 'server', '--url', url, '--requirements', REVISION, '--output-dir', results];
  const { ok, output } = await run(node, args);
  const summary = output.slice(Math.max(output.indexOf('=== SUMMARY ==='), 0));
  console.log(`${SUITE} ${SUITE_VERSION}, revision ${REVISION}\n\n${summary}`);
  if (!ok) process.exitCode = 1;
} finally {
  server.kill('SIGTERM');
  await rm(results, { recursive: true, force: true });
}

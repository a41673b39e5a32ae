import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Builds the packages and this workspace, then measures what was built: that is what users run. A loader that compiles
 * on the fly adds a call for every named closure, which would be charged to the code under test.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));

function run(command: readonly string[]): void {
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const compiler = 'node_modules/typescript/bin/tsc';
run([compiler, '-b']);
run([compiler, '-p', 'bench/tsconfig.build.json']);
run(['bench/dist/run.js', ...process.argv.slice(2)]);

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

/** The demo as a user starts it, in a time in which it could not tell its story. */
function demo(...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const main = fileURLToPath(new URL('../src/demo.ts', import.meta.url));
  const command = ['--conditions=@mcp-events/source', '--import', 'tsx', main, ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => resolve({ code: error?.code, stdout, stderr }));
  });
}

it.each([
  ['--repo', '.', /^\nFailed: --repo needs the folder of a git repository \(.*\)\n$/],
  ['--json', 'missing/report.json', /^\nFailed: --json needs a file to write, in a folder there is \(ENOENT.*\)\n$/],
  ['--port', '99999', /^error: .* It must be an integer from 0 to 65535\.\n$/],
])('refuses %s %s before it does anything', { timeout: 60_000 }, async (option, value, told) => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-events-demo-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const given = option === '--port' ? value : join(folder, value);
  expect(await demo(option, given)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(told) });
});

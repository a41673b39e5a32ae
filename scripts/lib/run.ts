import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './files.ts';

/** The outcome of a child process that ended, by itself or at the time limit. */
export interface RunResult {
  ok: boolean;
  /** Standard output alone, for commands whose answer is read. */
  stdout: string;
  /** Both streams in the order they arrived, for people. */
  output: string;
}

export interface RunOptions {
  /** Default: the repository's root. */
  cwd?: string;
  /** The child and its children are killed after this long. Default: 300,000. */
  timeoutMs?: number;
}

// Above any step on a slow two-core machine, below the patience of a CI job.
const DEFAULT_TIMEOUT_MS = 300_000;

// Each child leads its own process group, so that the limit also reaches what npm started; in exchange the groups have to
// be ended by us when this process is interrupted.
const running = new Set<number>();

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended in the meantime.
  }
}

/** Ends everything that was started and runs still. */
export function stopAll(): void {
  running.forEach(endGroup);
}

process.once('exit', stopAll);
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

/** Runs a command without a shell and without standard input. Never rejects: a command that cannot start is a failed run. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { cwd = root, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  return await new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const { pid } = child;
    if (pid !== undefined) running.add(pid);
    let stdout = '';
    let output = '';
    const timer = setTimeout(() => {
      output += `${command} ${args.join(' ')} was ended after ${timeoutMs / 1000} s.\n`;
      if (pid !== undefined) endGroup(pid);
    }, timeoutMs);
    const finish = (ok: boolean): void => {
      clearTimeout(timer);
      if (pid !== undefined) running.delete(pid);
      resolve({ ok, stdout, output });
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', (error) => {
      output += `${command}: ${error.message}\n`;
      finish(false);
    });
    child.once('close', (code) => finish(code === 0));
  });
}

/** The path of an installed development tool. */
export function tool(name: string): string {
  return join(root, 'node_modules', '.bin', name);
}

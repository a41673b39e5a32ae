import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** The server as a user starts it. Killed with the test. */
export class ServerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  /** Exit code and what was written to stderr. */
  readonly ended: Promise<{ code: number | null; stderr: string }>;

  constructor(...args: readonly string[]) {
    const child = spawn(process.execPath, ['--conditions=@mcp-events/source', '--import', 'tsx', main, ...args]);
    this.#child = child;
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
    onTestFinished(() => void child.kill('SIGKILL'));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The next line of stdout as JSON, `undefined` at the end. */
  async next(): Promise<any> {
    const { done, value } = await this.#lines.next();
    return done === true ? undefined : JSON.parse(value);
  }

  write(message: object): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  closeStdin(): void {
    this.#child.stdin.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

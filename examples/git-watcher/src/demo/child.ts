import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Waiting } from './waiting.ts';

export interface ChildOptions {
  /** For people: "the push subscriber". */
  name: string;
  script: URL;
  args: readonly string[];
  /** Beside the variables of this process. */
  environment?: Readonly<Record<string, string>>;
  /** Receives what the process prints. */
  logPath: string;
  waiting: Waiting;
  onMessage: (message: unknown) => void;
}

/** Output shown of a process that ended by itself. */
const SHOWN_LINES = 12;

/** A process of the demo. Ending by itself fails the whole demo. */
export class Child {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #expectedToEnd = false;

  constructor(options: ChildOptions) {
    const { script, args, environment, logPath, waiting, onMessage } = options;
    this.#options = options;
    this.#process = fork(script, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...environment },
    });
    const log = createWriteStream(logPath, { flags: 'a' });
    this.#process.stdout?.pipe(log, { end: false });
    this.#process.stderr?.pipe(log, { end: false });
    this.#process.on('message', (message) => {
      onMessage(message);
      waiting.changed();
    });
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        waiting.fail(error);
        resolve();
      });
      this.#process.once('close', (code, signal) => {
        log.end(() => {
          if (!this.#expectedToEnd) void this.#tellUnexpectedEnd(signal ?? `exit code ${code}`);
          resolve();
        });
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Ends the process by `SIGKILL`, which leaves it no time for anything. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#expectedToEnd = true;
    this.#process.kill('SIGKILL');
    await this.#exited;
  }

  async #tellUnexpectedEnd(how: string): Promise<void> {
    const { name, logPath, waiting } = this.#options;
    const output = await readFile(logPath, 'utf8').catch(() => '');
    const lines = output.trimEnd().split('\n').slice(-SHOWN_LINES);
    waiting.fail(new Error(`${name} ended by itself (${how}). Its last output:\n${lines.join('\n')}`));
  }
}

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { INCOMPLETE_STATUS } from './processShell.ts';

/** A process that the runner started, and is alone to end. */
export class Child {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #complain: (message: string) => void;
  readonly gone: Promise<void>;
  #isToEnd = false;
  #isKilled = false;
  #stopping: Promise<'complete' | 'incomplete' | 'killed'> | undefined;

  /** @param logFile receives what the process prints */
  constructor(name: string, args: readonly string[], logFile: string, complain: (message: string) => void) {
    this.#name = name;
    this.#complain = complain;
    const log = openSync(logFile, 'a');
    this.#process = spawn(process.execPath, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.gone = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        complain(`${name} could not be started: ${error.message}`);
        resolve();
      });
      this.#process.once('exit', (code, signal) => {
        if (!this.#isToEnd) complain(`${name} ended by itself: ${signal ?? `exit status ${code}`}, see ${logFile}`);
        resolve();
      });
    });
  }

  get isAlive(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isAlive) this.#process.kill(signal);
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isToEnd = true;
    this.#isKilled = true;
    this.signal('SIGKILL');
    await this.gone;
  }

  /**
   * Asks it to end, once, and complains if it does not do so in order: asked again, it would die of that. `killed`: by us,
   * meanwhile.
   */
  stop(): Promise<'complete' | 'incomplete' | 'killed'> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<'complete' | 'incomplete' | 'killed'> {
    if (!this.isAlive) return 'complete';
    this.#isToEnd = true;
    const exit = once(this.#process, 'exit');
    this.signal('SIGTERM');
    const [code, signal] = (await exit) as [number | null, string | null];
    if (this.#isKilled) return 'killed';
    // It had only just been started, and did not listen yet.
    if (code === INCOMPLETE_STATUS || signal === 'SIGTERM') return 'incomplete';
    if (code !== 0) this.#complain(`${this.#name} did not stop in order: ${signal ?? `exit status ${code}`}`);
    return 'complete';
  }
}

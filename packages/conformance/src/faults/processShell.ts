import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Random } from '../simulation/random.ts';
import type { ProcessName } from './cast.ts';
import { onMessage, ORDINARY, send } from './controlMessages.ts';
import type { Circumstances } from './controlMessages.ts';
import { countLives, FactWriter, monotonicMs } from './factWriter.ts';
import { loadRandom } from './loadRandom.ts';
import { ClockOffset } from './jumpingClock.ts';

/** What every process is told at its start. */
export interface ProcessConfig {
  readonly name: ProcessName;
  /** Where facts are written. */
  readonly folder: string;
  /** Path of the runner's socket. */
  readonly control: string;
  /** Of the run: decides on the load. */
  readonly seed: number;
}

/** How long an orderly end may take before it counts as hanging. */
const STOP_MS = 20_000;

/** Exit status of an orderly end that could not store everything: what was acknowledged last may come again. */
export const INCOMPLETE_STATUS = 3;

const PAUSE_MS = 200;

const LOOK_EVERY_MS = 100;

/** Of two processes together well below what an attempt may take. */
const STANDSTILL_MS = 300;

/** What all processes of a run have in common: facts, complaints, the line to the runner, and their end. */
export class ProcessShell<Config extends ProcessConfig> {
  readonly config: Config;
  readonly facts: FactWriter;
  readonly clock: ClockOffset = new ClockOffset();
  circumstances: Circumstances = ORDINARY;
  readonly #line: Socket;
  readonly #onStop: (() => Promise<unknown>)[] = [];
  readonly stopping: AbortController = new AbortController();
  /** Which one it is of the processes of this name, from 0. */
  readonly #life: number;
  #isIncomplete = false;

  private constructor(config: Config, line: Socket) {
    this.config = config;
    this.#line = line;
    this.#life = countLives(config.folder, config.name);
    this.facts = new FactWriter(config.folder, config.name);
    this.facts.record({ fact: 'started', process: config.name });
    this.#setClock(0);
    this.#watchStandstill();
    // The runner is gone: nobody else would end this process.
    line.on('error', () => {}).on('close', () => process.exit(1));
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => {
        this.facts.complain(`${event}: ${error instanceof Error ? error.stack : String(error)}`);
        process.exit(1);
      });
    }
    process.once('SIGTERM', () => this.stop());
  }

  /** Reads the arguments, and resolves when the runner has told how things are. */
  static async start<Config extends ProcessConfig>(): Promise<ProcessShell<Config>> {
    const config = JSON.parse(process.argv[2] ?? '') as Config;
    const line = connect(config.control);
    await new Promise<void>((resolve, reject) => {
      line.once('connect', resolve).once('error', reject);
    });
    return new ProcessShell(config, line);
  }

  /** Says that the process is there, and waits for the first word of the runner. */
  async hello(port?: number): Promise<void> {
    const { name } = this.config;
    const told = new Promise<void>((resolve) => {
      onMessage(this.#line, (circumstances: Circumstances) => {
        this.circumstances = circumstances;
        this.#setClock(circumstances.clockOffsetMs);
        resolve();
      });
    });
    send(this.#line, { name, pid: process.pid, ...(port === undefined ? {} : { port }) });
    await told;
  }

  #setClock(offsetMs: number): void {
    this.clock.offsetMs = offsetMs;
    this.facts.record({ fact: 'clockSet', process: this.config.name, offsetMs });
  }

  /** A machine that is busy, or a signal, may keep it from what others wait for: that is no fault of theirs. */
  #watchStandstill(): void {
    let latestMs = monotonicMs();
    const timer = setInterval(() => {
      const nowMs = monotonicMs();
      const stoodMs = nowMs - latestMs - LOOK_EVERY_MS;
      latestMs = nowMs;
      if (stoodMs < STANDSTILL_MS) return;
      const why = `stood still for ${Math.round(stoodMs)} ms`;
      this.facts.record({ fact: 'disturbed', process: this.config.name, why });
    }, LOOK_EVERY_MS);
    timer.unref();
  }

  /** Numbers for a part of what this process does. */
  random(part: string): Random {
    return loadRandom(this.config.seed, this.config.name, this.#life, part);
  }

  /** Something could not be stored; if that is during an orderly end, it is as if the process had died before. */
  storeFailed(): void {
    if (this.stopping.signal.aborted) this.#isIncomplete = true;
  }

  /** To be done before an orderly end, in this order. */
  beforeStop(step: () => Promise<unknown>): void {
    this.#onStop.push(step);
  }

  stop(): void {
    if (this.stopping.signal.aborted) return;
    this.stopping.abort();
    const overdue = setTimeout(() => {
      this.facts.complain('an orderly end takes too long');
      process.exit(1);
    }, STOP_MS);
    overdue.unref();
    void (async () => {
      for (const step of this.#onStop) await step();
      process.exit(this.#isIncomplete ? INCOMPLETE_STATUS : 0);
    })();
  }

  /** Repeats what fails while faults are about. `isExpected` says which failures those are. */
  async insist<R>(step: () => R | Promise<R>, isExpected: (error: unknown) => boolean): Promise<R> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (!isExpected(error)) throw error;
        await pause(PAUSE_MS);
      }
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

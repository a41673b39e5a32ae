import type { ScheduledFault } from './schedule.ts';
import { monotonicMs } from './factWriter.ts';
import type { Stage } from './stage.ts';

/** What was done in a run, by kind. Some faults find nobody to happen to. */
export type InjectedCounts = Record<string, number>;

/** Brings about the faults of a schedule, each at its time, and ends each of them. */
export class Injector {
  readonly #stage: Stage;
  readonly counts: InjectedCounts = {};
  readonly #ending = new Set<Promise<void>>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Resolves when all of them are over, or earlier if the signal aborts. */
  async run(schedule: readonly ScheduledFault[], signal: AbortSignal): Promise<void> {
    const startMs = monotonicMs();
    for (const scheduled of schedule) {
      await until(startMs + scheduled.atMs, signal);
      if (signal.aborted) return;
      const ending = this.#inject(scheduled, signal).finally(() => this.#ending.delete(ending));
      this.#ending.add(ending);
    }
    await Promise.all(this.#ending);
  }

  async #inject({ fault, lastsMs }: ScheduledFault, signal: AbortSignal): Promise<void> {
    const stage = this.#stage;
    const endMs = monotonicMs() + lastsMs;
    switch (fault.kind) {
      case 'kill':
        if (await stage.kill(fault.whom)) this.#count('kill');
        await until(endMs, signal);
        stage.start(fault.whom);
        return;
      case 'restart':
        if (await stage.end(fault.whom)) this.#count('restart');
        await until(endMs, signal);
        stage.start(fault.whom);
        return;
      case 'stop':
        if (!stage.signal(fault.whom, 'SIGSTOP')) return;
        this.#count('stop');
        await until(endMs, signal);
        stage.signal(fault.whom, 'SIGCONT');
        return;
      case 'diskFull': {
        const disk = stage.disk(fault.whom);
        if (disk.refusal !== undefined) return;
        this.#count('diskFull');
        disk.fill();
        await until(endMs, signal);
        disk.empty();
        return;
      }
      case 'link':
        this.#count(fault.fault.kind);
        stage.proxy(fault.whom).begin(fault.fault);
        await until(endMs, signal);
        await stage.proxy(fault.whom).heal();
        return;
      case 'endpoint':
        this.#count(fault.behaviour.kind);
        stage.change(fault.whom, { endpoint: fault.behaviour });
        await until(endMs, signal);
        stage.change(fault.whom, { endpoint: null });
        return;
      case 'clock':
        this.#count('clock');
        stage.change(fault.whom, { clockOffsetMs: fault.offsetMs });
        await until(endMs, signal);
        stage.change(fault.whom, { clockOffsetMs: 0 });
        return;
    }
  }

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
}

function until(atMs: number, signal: AbortSignal): Promise<void> {
  const leftMs = atMs - monotonicMs();
  if (leftMs <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, leftMs);
    signal.addEventListener('abort', finish);
  });
}

import { checkHistory } from '../history/checkHistory.ts';
import type { Fact } from '../history/facts.ts';
import type { Verdict } from '../history/verdict.ts';
import { PROCESSES } from './cast.ts';
import { readCursor } from './cursors.ts';
import { readComplaints, readHistory } from './factReader.ts';
import { monotonicMs } from './factWriter.ts';
import { Injector } from './injector.ts';
import type { InjectedCounts } from './injector.ts';
import { pause } from './processShell.ts';
import type { ScheduledFault } from './schedule.ts';
import type { Settings } from './settings.ts';
import { Stage } from './stage.ts';

export interface RunOptions {
  readonly folder: string;
  readonly settings: Settings;
  /** Decides on the load. */
  readonly seed: number;
  readonly schedule: readonly ScheduledFault[];
  readonly durationMs: number;
  /** Ends the run early, without a verdict. */
  readonly signal: AbortSignal;
}

export interface RunResult {
  readonly facts: readonly Fact[];
  readonly verdict: Verdict;
  /** What must not happen and is no matter of the history. */
  readonly complaints: readonly string[];
  readonly injected: InjectedCounts;
  /** How long everything that was owed took to arrive when the faults were over. */
  readonly settledMs: number;
  /** Why no disk was filled, if so. */
  readonly diskRefusal: string | undefined;
}

/** For processes to be there, on a machine that is busy. */
const START_MS = 90_000;

/** For all that is owed to arrive: longer than a receiver waits for a missing webhook. */
const SETTLE_MS = 120_000;

/** The part without faults: twice as long as what is under way at an end may take. */
const CALM_MS = 6_000;

const LOOK_EVERY_MS = 500;

/** How long nothing more may come after everything has. */
const QUIET_MS = 1_500;

export interface FinishedRun {
  /** `undefined` if it was ended early. */
  readonly result: RunResult | undefined;
  /** Gives up the small disks, with what is on them. */
  readonly unmount: () => void;
}

/** One run: load, faults, time to recover, and the verdict on what was seen. */
export async function runFaults(options: RunOptions): Promise<FinishedRun> {
  const { folder, settings, seed, signal } = options;
  const stage = await Stage.build(folder, settings, seed);
  const unmount = (): void => stage.unmount();
  // Nothing may stay mounted, whatever ends this process.
  process.once('exit', unmount);
  try {
    return { result: signal.aborted ? undefined : await perform(stage, options), unmount };
  } finally {
    await stage.close();
    process.off('exit', unmount);
  }
}

async function perform(stage: Stage, options: RunOptions): Promise<RunResult | undefined> {
  const { folder, settings, schedule, durationMs, signal } = options;
  const { emitEveryMs } = settings;
  const injector = new Injector(stage);
  stage.startAll();
  if (!(await stage.everybody(START_MS, signal))) {
    stage.facts.complain(`not everybody came at the start: ${stage.missing.join(', ')} missing`);
  }
  stage.upstream.begin(emitEveryMs);
  await Promise.all([injector.run(schedule, signal), lasting(durationMs, signal)]);
  for (const name of PROCESSES) stage.signal(name, 'SIGCONT');
  stage.startAll();
  const settledMs = await settle(stage, signal);
  await beCalm(stage, emitEveryMs, signal);
  await settle(stage, signal);
  if (signal.aborted) return undefined;
  await stage.stopAll();
  const facts = readHistory(folder);
  return {
    facts,
    verdict: checkHistory(facts, { readCursor }),
    complaints: readComplaints(folder),
    injected: injector.counts,
    settledMs,
    diskRefusal: stage.disk('server').refusal,
  };
}

/** Waits until the checker finds nothing missing, for a time; then the history says so. */
async function settle(stage: Stage, signal: AbortSignal): Promise<number> {
  const startMs = monotonicMs();
  stage.changeAll({ emitting: false });
  await stage.upstream.stop();
  if (!(await stage.everybody(START_MS, signal))) {
    stage.facts.complain(`not everybody came back: ${stage.missing.join(', ')} missing`);
  }
  while (monotonicMs() - startMs < SETTLE_MS && !signal.aborted) {
    await pause(LOOK_EVERY_MS);
    if (!isMissingAnything(stage.folder)) break;
  }
  const settledMs = monotonicMs() - startMs;
  // What should not come any more has time to come.
  await pause(QUIET_MS);
  stage.facts.record({ fact: 'settled' });
  return settledMs;
}

/**
 * With no fault left, everything has to arrive at once, in time, and without a gap. Some subscriptions end: nothing of them may
 * come any more.
 */
async function beCalm(stage: Stage, emitEveryMs: number, signal: AbortSignal): Promise<void> {
  stage.facts.record({ fact: 'calm' });
  stage.changeAll({ emitting: true });
  stage.upstream.begin(emitEveryMs);
  await lasting(CALM_MS / 3, signal);
  stage.changeAll({ ending: true });
  await lasting((CALM_MS * 2) / 3, signal);
}

function isMissingAnything(folder: string): boolean {
  const facts = readHistory(folder);
  const before = checkHistory(facts, { readCursor });
  const settled = checkHistory([...facts, { fact: 'settled' }], { readCursor });
  return settled.violations.length > before.violations.length;
}

async function lasting(durationMs: number, signal: AbortSignal): Promise<void> {
  const endMs = monotonicMs() + durationMs;
  while (!signal.aborted && monotonicMs() < endMs) await pause(Math.min(LOOK_EVERY_MS, endMs - monotonicMs()));
}

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runCommand } from '../commandLine.ts';
import { idleKinds } from '../history/verdict.ts';
import type { ViolationKind } from '../history/verdict.ts';
import { readOptions, USAGE } from './options.ts';
import type { FaultOptions } from './options.ts';
import { plantAll } from './planting.ts';
import { describeRun } from './report.ts';
import { runFaults } from './run.ts';
import { describeFault, scheduleOf } from './schedule.ts';
import { settingsOf } from './settings.ts';

/** A run of that length has something to look at for every rule; a shorter one may happen to have nothing. */
const WHOLE_RUN_MS = 60_000;

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

// As by a signal: the processes and small disks of a run have to go.
await runCommand(USAGE, readOptions, runAll, () => stopping.abort());

async function runAll(options: FaultOptions): Promise<number> {
  const failed: number[] = [];
  const placed = new Set<ViolationKind>();
  for (const seed of options.seeds) {
    if (stopping.signal.aborted) break;
    if (!(await runOne(seed, options, placed))) failed.push(seed);
  }
  if (stopping.signal.aborted) return 130;
  if (options.seeds.length > 1)
    console.log(`\n${options.seeds.length} runs, ${failed.length} failed: ${failed.join(', ') || 'none'}`);
  const missing = options.required.filter((kind) => !placed.has(kind));
  if (missing.length > 0) console.log(`no run had a place for: ${missing.join(', ')}`);
  return failed.length + missing.length === 0 ? 0 : 1;
}

/**
 * Whether all is well.
 *
 * @param placed gets the kinds of violations that the run had a place for, and of which a planted one was found
 */
async function runOne(seed: number, { durationMs, keep }: FaultOptions, placed: Set<ViolationKind>): Promise<boolean> {
  const minutes = durationMs / 60_000;
  const schedule = scheduleOf(seed, durationMs);
  const settings = settingsOf(seed);
  console.log(`\nseed ${seed}, ${minutes} minutes, ${schedule.length} faults; ${JSON.stringify(settings)}`);
  for (const scheduled of schedule) console.log(describeFault(scheduled));
  const folder = mkdtempSync(join(tmpdir(), 'mcp-events-faults-'));
  const { result, unmount } = await runFaults({
    folder,
    settings,
    seed,
    schedule,
    durationMs,
    signal: stopping.signal,
  });
  let isWell = true;
  let kept = keep === undefined ? undefined : join(resolve(keep), `seed-${seed}`);
  if (result !== undefined) {
    const isClean = result.verdict.violations.length === 0;
    const planted = isClean ? plantAll(result.facts, seed) : [];
    console.log(describeRun(result, planted));
    const isIdle = durationMs >= WHOLE_RUN_MS && idleKinds(result.verdict.examined).length > 0;
    for (const { kind, outcome } of planted) if (outcome === 'found') placed.add(kind);
    const isMissed = planted.some(({ outcome }) => outcome === 'missed');
    isWell = isClean && !isMissed && !isIdle && result.complaints.length === 0;
    if (!isWell) kept ??= `${folder}-kept`;
  }
  if (kept !== undefined && !stopping.signal.aborted) {
    // Before the small disks go.
    cpSync(folder, kept, { recursive: true, filter: (path) => !path.endsWith('/control') });
    console.log(`files: ${kept}`);
  }
  unmount();
  rmSync(folder, { recursive: true, force: true });
  if (!isWell) console.log(`again: npm run faults -- --seed ${seed} --minutes ${minutes}`);
  return isWell;
}

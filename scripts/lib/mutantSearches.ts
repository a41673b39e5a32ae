import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../../packages/conformance/src/simulation/options.ts';
import { run } from './run.ts';
import type { RunResult } from './run.ts';

/** What finds mistakes in this project. */
export const SEARCHES = ['unit', 'simulation', 'faults'] as const;

export type SearchName = (typeof SEARCHES)[number];

/** What a search said of the code it ran on. */
export interface Finding {
  readonly found: boolean;
  /** The test or the seed that found something; why it could not be run, if so. */
  readonly by: string;
  /** It could not be run: neither found nor missed anything. */
  readonly broken?: true;
}

export interface SearchOptions {
  /** Schedules of the simulation, at most. */
  readonly seeds: number;
  /** How long the faults of a run last, in minutes. */
  readonly minutes: number;
  /** The seed of the run of faults. */
  readonly faultSeed: number;
}

/** What is known of where to look. */
export interface SearchTarget {
  /** The checkout. */
  readonly folder: string;
  /** Test files that run first; if they find nothing, those that use a changed file. */
  readonly tests: readonly string[];
  readonly changed: readonly string[];
}

/** They are searches of their own. */
const NOT_UNITS = ['--exclude', 'packages/conformance/test/simulation.test.ts'];

/** All tests that use a file in the middle of the server take minutes. */
const UNIT_LIMIT_MS = 420_000;

interface JsonReport {
  readonly success: boolean;
  readonly numTotalTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** The unit tests named first, then all that use what was changed. */
export async function searchByUnitTests({ folder, tests, changed }: SearchTarget): Promise<Finding> {
  const named = tests.filter((path) => existsSync(join(folder, path)));
  // A test that took too long may say more of the machine than of the bug: whether others find it is asked first.
  const slow: string[] = [];
  let tookTooLong: Finding | undefined;
  const ask = async (args: readonly string[]): Promise<Finding | undefined> => {
    const { slowFile, ...finding } = await unitTests(folder, args);
    if (slowFile === undefined) return finding.found || finding.broken ? finding : undefined;
    slow.push(slowFile);
    tookTooLong = { found: true, by: `${finding.by} (took too long)` };
    return undefined;
  };
  let finding = named.length === 0 ? undefined : await ask(['run', ...named]);
  let asked = changed.length === 0 ? MAX_SLOW_FILES : slow.length - 1;
  while (finding === undefined && asked < slow.length && asked < MAX_SLOW_FILES) {
    asked = slow.length;
    const excluded = slow.flatMap((path) => ['--exclude', path]);
    finding = await ask(['related', '--run', ...NOT_UNITS, ...excluded, ...changed]);
  }
  return finding ?? tookTooLong ?? { found: false, by: '' };
}

const MAX_SLOW_FILES = 3;

interface UnitFinding extends Finding {
  /** What found it was that a test of this file took too long. */
  readonly slowFile?: string;
}

async function unitTests(folder: string, args: readonly string[]): Promise<UnitFinding> {
  const path = join(folder, 'report.json');
  await rm(path, { force: true });
  const options = ['--reporter=json', `--outputFile=${path}`, '--bail=1'];
  const result = await run(join(folder, 'node_modules', '.bin', 'vitest'), [...args, ...options], {
    cwd: folder,
    timeoutMs: UNIT_LIMIT_MS,
  });
  if (!existsSync(path)) return unfinished(result);
  const report = JSON.parse(await readFile(path, 'utf8')) as JsonReport;
  for (const { name, assertionResults } of report.testResults) {
    const failed = assertionResults.find(({ status }) => status === 'failed');
    if (failed === undefined) continue;
    const file = name.slice(folder.length + 1);
    const tookTooLong = failed.failureMessages?.some((message) => message.includes('Test timed out in')) === true;
    return { found: true, by: `${file}: ${failed.fullName}`, ...(tookTooLong && { slowFile: file }) };
  }
  const unloaded = report.testResults.find(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  if (unloaded !== undefined)
    return { found: false, by: `a test file could not be loaded: ${unloaded.message}`, broken: true };
  if (report.numTotalTests === 0) return { found: false, by: 'no test ran', broken: true };
  return result.ok ? { found: false, by: '' } : { found: true, by: 'an error outside of a test' };
}

/**
 * The schedules of the simulation, up to the first that shows something. A world of the project's client costs ten times
 * that of foreign ones, and has a tenth of the schedules; foreign clients run none of its code.
 */
export async function searchBySimulation(target: SearchTarget, { seeds }: SearchOptions): Promise<Finding> {
  const { changed } = target;
  const isOfClient = changed.length > 0 && changed.every((path) => path.startsWith('packages/client/'));
  if (!isOfClient) {
    const finding = await schedules(target, 'foreign', seeds);
    if (finding.found || finding.broken) return finding;
  }
  return await schedules(target, 'clients', Math.ceil(seeds / 10));
}

async function schedules({ folder }: SearchTarget, world: World, count: number): Promise<Finding> {
  const main = join(folder, 'packages/conformance/src/simulation/main.ts');
  const args = ['--world', world, '--seeds', `${count}`, '--stop-at-first'];
  // A schedule takes a second at most on a quiet machine; one that never ends is an answer, too.
  const result = await runSource(folder, main, args, 120_000 + count * 15_000);
  return judged(result, /^seed (\d+) \(again/m, /^(?:complaint: |[\w ]+: ).*$/m, `${world} `);
}

/** One run of the faults. */
export async function searchByFaults({ folder }: SearchTarget, options: SearchOptions): Promise<Finding> {
  const { minutes, faultSeed } = options;
  const main = join(folder, 'packages/conformance/src/faults/main.ts');
  const args = ['--seed', `${faultSeed}`, '--minutes', `${minutes}`];
  const result = await runSource(folder, main, args, minutes * 60_000 + 360_000);
  return judged(result, /^again: .*--seed (\d+)/m, /violation|complaint/i);
}

function judged(result: RunResult, seed: RegExp, reason: RegExp, where = ''): Finding {
  if (result.ok) return { found: false, by: '' };
  const found = seed.exec(result.output)?.[1];
  if (found === undefined) return unfinished(result);
  const start = result.output.search(seed);
  const line =
    result.output
      .slice(start)
      .split('\n')
      .slice(1)
      .find((text) => reason.test(text)) ?? '';
  return { found: true, by: `${where}seed ${found}${line === '' ? '' : `: ${line.trim().slice(0, 120)}`}` };
}

/** Without a verdict: found if it hung or died on the way, unusable if it did not even start. */
function unfinished({ output }: RunResult): Finding {
  if (/was ended after \d+/.test(output)) return { found: true, by: 'it did not end' };
  const error = output.split('\n').find((line) => /Error|error/.test(line)) ?? output.slice(-200);
  const isUnloadable = /SyntaxError|ERR_MODULE|Transform failed|does not provide an export/.test(output);
  const by = error.trim().slice(0, 160);
  return isUnloadable ? { found: false, by, broken: true } : { found: true, by: `it died: ${by}` };
}

async function runSource(folder: string, main: string, args: readonly string[], timeoutMs: number): Promise<RunResult> {
  const source = ['--conditions=@mcp-events/source', '--import', 'tsx', main];
  return await run(process.execPath, [...source, ...args], { cwd: folder, timeoutMs });
}

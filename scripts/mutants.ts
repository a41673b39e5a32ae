// Plants each bug of the kept list, one at a time, and prints which searches find it.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  parseOptions,
  readNumber,
  readWholeNumber,
  runCommand,
  UsageError,
} from '../packages/conformance/src/commandLine.ts';
import { Checkout } from './lib/checkout.ts';
import { readJson, root } from './lib/files.ts';
import { mutated, readMutants } from './lib/mutant.ts';
import type { Mutant } from './lib/mutant.ts';
import { pageOf, problemsOf, scoresOf } from './lib/mutantReport.ts';
import type { MutantResults } from './lib/mutantReport.ts';
import { searchByFaults, searchBySimulation, searchByUnitTests, SEARCHES } from './lib/mutantSearches.ts';
import type { Finding, SearchName, SearchOptions, SearchTarget } from './lib/mutantSearches.ts';

const RECORD = join(root, 'findings', 'mutants.json');
const PAGE = join(root, 'findings', 'mutants.md');

const USAGE = `Usage: npm run mutants -- [options]

Plants known bugs into a copy of the sources, one at a time, and prints which searches find each.

  --search NAME    unit, simulation or faults; may be repeated (default: unit and simulation)
  --only TEXT      mutants whose id, guarantee or files contain this text; may be repeated
  --seeds N        schedules of foreign clients for each, at most, and a tenth as many of the project's own (default 300)
  --minutes M      minutes of faults for each (default 1)
  --jobs N         so many at a time (default 1)
  --missing        leave out what findings/mutants.json has a result of
  --record         write the results to findings/mutants.json and findings/mutants.md
  --check          only look whether each mutant still has its place in the sources
  --help

Exit status: 0 every mutant was found (by the simulation, too, if it breaks a guarantee and the simulation ran), 1 not,
2 unusable options.`;

interface Options extends SearchOptions {
  readonly searches: readonly SearchName[];
  readonly only: readonly string[];
  readonly jobs: number;
  readonly missing: boolean;
  readonly record: boolean;
  readonly check: boolean;
  readonly help: boolean;
}

function readOptions(args: readonly string[]): Options {
  const flag = { type: 'boolean', default: false } as const;
  const list = { type: 'string', multiple: true } as const;
  const values = parseOptions(args, {
    search: list,
    only: list,
    seeds: { type: 'string', default: '300' },
    minutes: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    missing: flag,
    record: flag,
    check: flag,
    help: flag,
  });
  const { missing, record, check, help, only = [] } = values;
  const searches = (values.search ?? ['unit', 'simulation']).map((name) => {
    const search = SEARCHES.find((known) => known === name);
    if (search === undefined)
      throw new UsageError(`--search takes ${SEARCHES.join(', ')}, not ${JSON.stringify(name)}`);
    return search;
  });
  return {
    searches,
    only,
    seeds: readWholeNumber('seeds', values.seeds, 1, 1_000_000),
    minutes: readNumber('minutes', values.minutes, 0.05, 60),
    faultSeed: 113,
    jobs: readWholeNumber('jobs', values.jobs, 1, 64),
    missing,
    record,
    check,
    help,
  };
}

async function search(name: SearchName, target: SearchTarget, options: Options): Promise<Finding> {
  switch (name) {
    case 'unit':
      return await searchByUnitTests(target);
    case 'simulation':
      return await searchBySimulation(target, options);
    case 'faults':
      return await searchByFaults(target, options);
  }
}

/** A search that finds something in the sources as they are says nothing about a mutant. */
async function requireCleanSources(checkout: Checkout, mutants: readonly Mutant[], options: Options): Promise<void> {
  const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests ?? []))];
  for (const name of options.searches) {
    const finding = await search(name, { folder: checkout.folder, tests, changed: [] }, options);
    console.log(
      `${name.padEnd(11)} without a mutant: ${finding.found || finding.broken ? finding.by : 'nothing found'}`,
    );
    if (finding.found || finding.broken) throw new Error(`${name} finds a mistake in the sources as they are.`);
  }
}

async function judge(checkout: Checkout, mutant: Mutant, options: Options, results: MutantResults): Promise<void> {
  const files = await mutated(mutant);
  const target: SearchTarget = { folder: checkout.folder, tests: mutant.tests ?? [], changed: [...files.keys()] };
  const known = results[mutant.id] ?? {};
  await checkout.with(files, async () => {
    for (const name of options.searches) {
      if (options.missing && known[name] !== undefined) continue;
      known[name] = await search(name, target, options);
    }
  });
  results[mutant.id] = known;
  const said = options.searches.map((name) => {
    const { found, broken, by } = known[name] ?? { found: false, by: 'not run' };
    return `    ${name.padEnd(11)} ${broken ? 'BROKEN' : found ? 'found ' : 'LIVES '} ${by}`;
  });
  console.log(`${mutant.id}  ${mutant.guarantee}  ${mutant.what}\n${said.join('\n')}`);
}

async function store(mutants: readonly Mutant[], results: MutantResults, options: Options): Promise<void> {
  const ids = new Set(mutants.map(({ id }) => id));
  const kept = Object.fromEntries(Object.entries(results).filter(([id]) => ids.has(id)));
  await writeFile(RECORD, `${JSON.stringify(kept, undefined, 2)}\n`);
  const how =
    `Written by \`npm run mutants -- --record\`: each bug is planted alone. The simulation runs ${options.seeds} schedules ` +
    `of foreign clients and a tenth as many of the project's own at most, the faults last ${options.minutes} minutes; an empty cell was not tried.`;
  await writeFile(PAGE, pageOf(mutants, kept, how));
}

/** Why mutants cannot be planted: the text that they change is not there any more, or more than once. */
async function misplacedOf(mutants: readonly Mutant[]): Promise<string[]> {
  const problems: string[] = [];
  for (const mutant of mutants) {
    await mutated(mutant).catch((error: unknown) => problems.push((error as Error).message));
  }
  return problems;
}

async function runAll(options: Options): Promise<number> {
  const all = await readMutants();
  const chosen = all.filter(
    ({ id, guarantee, edits }) =>
      options.only.length === 0 ||
      options.only.some((text) =>
        [id, guarantee, ...edits.map(({ file }) => file)].some((place) => place.includes(text)),
      ),
  );
  if (chosen.length === 0) throw new UsageError(`--only ${options.only.join(' ')}: there is no such mutant`);
  const misplaced = await misplacedOf(chosen);
  for (const problem of misplaced) console.log(problem);
  if (misplaced.length > 0) return 1;
  if (options.check) {
    console.log(`${chosen.length} mutants have their places`);
    return 0;
  }
  const results = existsSync(RECORD) ? await readJson<MutantResults>(RECORD) : {};
  const checkouts: Checkout[] = [];
  const removeAll = (): void => checkouts.forEach((checkout) => checkout.remove());
  process.once('exit', removeAll);
  for (let job = 0; job < options.jobs; job++) checkouts.push(new Checkout());
  const [first] = checkouts;
  if (first !== undefined) await requireCleanSources(first, chosen, options);
  const queue = [...chosen];
  await Promise.all(
    checkouts.map(async (checkout) => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        await judge(checkout, mutant, options, results);
        if (options.record) await store(all, results, options);
      }
    }),
  );
  const problems = problemsOf(chosen, results);
  console.log(`\n${scoresOf(chosen, results).join('\n')}`);
  for (const problem of problems) console.log(problem);
  return problems.length === 0 ? 0 : 1;
}

await runCommand(USAGE, readOptions, runAll);

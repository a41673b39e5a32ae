import { parseOptions, readNumber, readWholeNumber, UsageError } from '../commandLine.ts';
import { plants } from '../history/plants.ts';
import type { ViolationKind } from '../history/verdict.ts';

/** What the command line asks for. */
export interface FaultOptions {
  readonly seeds: readonly number[];
  readonly durationMs: number;
  /** Where the files of a run are kept in any case. */
  readonly keep: string | undefined;
  /** Kinds of violations that one of the runs has to have a place for, so that one that is planted there is found. */
  readonly required: readonly ViolationKind[];
  readonly help: boolean;
}

export const USAGE: string = `Usage: npm run faults -- [options]

Starts a server, clients and receivers as processes, has faults of a seeded schedule happen to them, and judges what
was seen.

  --seed N       seed of the schedule (default: a random one, which is printed)
  --seeds N      so many runs, of seeds that follow each other (default 1)
  --minutes M    how long the faults of each run last (default 1)
  --keep DIR     keep the files of each run in a folder below this one
  --plant KIND   require that a run has a place for a violation of this kind, and that one planted there is found:
                 ${Object.keys(plants).join(', ')}, all
  --ci           the short fixed runs of continuous integration
  --help

Exit status: 0 all is well, 1 violations or complaints, 2 unusable options.`;

/** Together they have every kind of fault happen at least once. */
const CI = { seeds: [113, 7933], minutes: 0.2 };

/** Beyond it, one run has more to look at than anybody would. */
const MOST_MINUTES = 600;

/** Seeds that follow it are whole numbers, too. */
const MOST_SEED = (Number.MAX_SAFE_INTEGER - 1) / 2;

/** @throws UsageError */
export function readOptions(args: readonly string[]): FaultOptions {
  const values = parseOptions(args, {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    keep: { type: 'string' },
    plant: { type: 'string' },
    ci: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  });
  const seed = readWholeNumber('seed', values.seed ?? `${Math.floor(Math.random() * 2 ** 31)}`, 0, MOST_SEED);
  const count = readWholeNumber('seeds', values.seeds ?? '1', 1, 1_000_000);
  const minutes = readNumber('minutes', values.minutes ?? '1', 0.05, MOST_MINUTES);
  const { ci: isCi, help } = values;
  if (isCi && (values.seed ?? values.seeds ?? values.minutes) !== undefined) {
    throw new UsageError('--ci decides on seeds and minutes itself: leave --seed, --seeds and --minutes out');
  }
  return {
    seeds: isCi ? CI.seeds : Array.from({ length: count }, (_, index) => seed + index),
    durationMs: (isCi ? CI.minutes : minutes) * 60_000,
    keep: values.keep,
    required: kindsOf(isCi ? 'all' : values.plant),
    help,
  };
}

function kindsOf(plant: string | undefined): ViolationKind[] {
  const all = Object.keys(plants) as ViolationKind[];
  if (plant === undefined) return [];
  if (plant === 'all') return all;
  const kind = all.find((known) => known === plant);
  if (kind === undefined) throw new UsageError(`--plant takes ${all.join(', ')} or all, not ${JSON.stringify(plant)}`);
  return [kind];
}

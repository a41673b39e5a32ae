import { parseOptions, readWholeNumber } from '../commandLine.ts';

/** What the command line asks for. */
export interface SimulationOptions {
  readonly first: number;
  readonly count: number;
  /** Print every fact, not only those that show a violation. */
  readonly facts: boolean;
  /** End at the first schedule that shows something. */
  readonly stopAtFirst: boolean;
  readonly help: boolean;
}

export const USAGE: string = `Usage: npm run simulate -- [options]

Runs the server in virtual time, on a virtual network and disk, under loads and faults that a seed decides, and judges
what was seen. The same seed gives the same facts.

  --seeds N    so many schedules (default 1000)
  --first N    the seed of the first one (default 1)
  --facts      print all that was seen
  --stop-at-first   end at the first schedule that shows something
  --help

Exit status: 0 all is well, 1 violations or complaints, 2 unusable options.`;

/** Beyond it nobody waits for the end. */
const MOST_SEEDS = 999_999_999;

/** @throws UsageError */
export function readOptions(args: readonly string[]): SimulationOptions {
  const {
    seeds,
    first,
    facts,
    'stop-at-first': stopAtFirst,
    help,
  } = parseOptions(args, {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    facts: { type: 'boolean', default: false },
    'stop-at-first': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  });
  const count = readWholeNumber('seeds', seeds, 1, MOST_SEEDS);
  return { first: readWholeNumber('first', first, 0, MOST_SEEDS), count, facts, stopAtFirst, help };
}

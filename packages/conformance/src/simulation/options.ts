import { parseOptions, readWholeNumber, UsageError } from '../commandLine.ts';

/** Who is with the server: clients written for the simulation, which are foreign to it, or applications with the real one. */
export type World = 'foreign' | 'clients';

const WORLDS: readonly World[] = ['foreign', 'clients'];

/** What the command line asks for. */
export interface SimulationOptions {
  readonly first: number;
  readonly count: number;
  readonly worlds: readonly World[];
  /** Print every fact, not only those that show a violation. */
  readonly facts: boolean;
  /** End at the first schedule that shows something. */
  readonly stopAtFirst: boolean;
  readonly help: boolean;
}

export const USAGE: string = `Usage: npm run simulate -- [options]

Runs server and clients in virtual time, on virtual networks and disks, under loads and faults that a seed decides, and
judges what was seen. The same seed gives the same facts.

  --seeds N    so many schedules (default 1000)
  --first N    the seed of the first one (default 1)
  --world W    foreign: clients as the wire sees them, clients: applications with the project's client (default both)
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
    world,
    facts,
    'stop-at-first': stopAtFirst,
    help,
  } = parseOptions(args, {
    seeds: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    world: { type: 'string' },
    facts: { type: 'boolean', default: false },
    'stop-at-first': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  });
  const count = readWholeNumber('seeds', seeds, 1, MOST_SEEDS);
  return {
    first: readWholeNumber('first', first, 0, MOST_SEEDS),
    count,
    worlds: worldsOf(world),
    facts,
    stopAtFirst,
    help,
  };
}

function worldsOf(world: string | undefined): readonly World[] {
  if (world === undefined) return WORLDS;
  const known = WORLDS.filter((name) => name === world);
  if (known.length === 0) throw new UsageError(`--world takes ${WORLDS.join(' or ')}, not ${JSON.stringify(world)}`);
  return known;
}

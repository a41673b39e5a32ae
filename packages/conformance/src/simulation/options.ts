import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface SimulationOptions {
  readonly first: number;
  readonly count: number;
  /** Print every fact, not only those that show a violation. */
  readonly facts: boolean;
  readonly help: boolean;
}

export const USAGE: string = `Usage: npm run simulate -- [options]

Runs the server in virtual time, on a virtual network and disk, under loads and faults that a seed decides, and judges
what was seen. The same seed gives the same facts.

  --seeds N    so many schedules (default 1000)
  --first N    the seed of the first one (default 1)
  --facts      print all that was seen
  --help

Exit status: 0 all is well, 1 violations or complaints, 2 unusable options.`;

/** @throws TypeError for options that cannot be used, with a message for people */
export function readOptions(args: readonly string[]): SimulationOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '1000' },
      first: { type: 'string', default: '1' },
      facts: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { facts, help } = values;
  return { first: wholeNumber('first', values.first), count: wholeNumber('seeds', values.seeds), facts, help };
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new TypeError(`--${name} is a whole number, not "${text}"`);
  return Number(text);
}

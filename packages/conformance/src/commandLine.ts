import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

/** What shells report of a program that SIGPIPE ended, which Node.js ignores. */
const OUTPUT_CLOSED = 141;

/** An option that cannot be used; the message is for people. */
export class UsageError extends Error {}

/** @throws UsageError */
export function parseOptions<Config extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Config,
): ReturnType<typeof parseArgs<{ options: Config }>>['values'] {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** @throws UsageError */
export function readNumber(name: string, text: string, least: number, most: number): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new UsageError(`--${name} is a number from ${least} to ${most}, not ${JSON.stringify(text)}`);
}

/** @throws UsageError */
export function readWholeNumber(name: string, text: string, least: number, most: number): number {
  const value = readNumber(name, text, least, most);
  if (Number.isInteger(value)) return value;
  throw new UsageError(`--${name} is a whole number, not ${JSON.stringify(text)}`);
}

/**
 * Runs what the command line asks for. Exit status: that of `run`, or 2 with the usage for unusable options.
 *
 * @param end called when nobody reads the output any more, as after `head`; by default the process ends at once
 */
export async function runCommand<Options extends { readonly help: boolean }>(
  usage: string,
  readOptions: (args: readonly string[]) => Options,
  run: (options: Options) => Promise<number>,
  end: () => void = () => process.exit(OUTPUT_CLOSED),
): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    end();
  });
  try {
    const options = readOptions(process.argv.slice(2));
    if (options.help) console.log(usage);
    else process.exitCode = await run(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exitCode = 2;
  }
}

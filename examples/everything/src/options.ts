import { Command, InvalidArgumentError, Option } from 'commander';
import { isOrigin, ORIGIN_HINT } from './callbackOrigins.ts';
import type { EverythingOptions } from './everythingServer.ts';

/** What the command line says. */
export interface CommandLine extends EverythingOptions {
  /** Serve standard input and output instead of HTTP. */
  readonly stdio: boolean;
  /** TCP port on 127.0.0.1; 0 lets the system choose. */
  readonly port: number;
}

interface ParsedOptions {
  readonly port: number;
  readonly stdio?: boolean;
  readonly storage: string;
  readonly counter?: string;
  readonly token?: ReadonlyMap<string, string>;
  readonly anonymous?: string;
  readonly pageSize?: number;
  readonly quota: number;
  readonly controls?: boolean;
  readonly allowCallbackOrigin?: readonly string[];
  readonly reachableCallbackOrigin?: readonly string[];
}

const MEMORY = 'memory';
const SQLITE = 'sqlite:';

/** What a bearer token may consist of (RFC 6750); anything else could never arrive in a header. */
const BEARER_TOKEN = /^[\w\-.~+/]+=*$/;

/** Reads arguments, without the interpreter and the script. Explains what is wrong on stderr and throws a `CommanderError`. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const command = new Command('everything')
    .description('An MCP server that shows every capability of MCP Events and can be driven into every condition.')
    .addOption(new Option('--port <number>', 'port on 127.0.0.1, 0 for a free one').argParser(port).default(0))
    .addOption(new Option('--stdio', 'serve standard input and output').conflicts(['port', 'token']))
    .addOption(
      new Option(
        '--storage <where>',
        'keeps events and webhook subscriptions: memory, or sqlite:FILE to outlive the process',
      )
        .argParser(storage)
        .default(MEMORY),
    )
    .option(
      '--counter <file>',
      'upstream of counter.tick, kept across runs (default: FILE.counter of the storage, or temporary)',
      nonEmpty,
    )
    .option('--token <name=secret>', 'a bearer token and its principal, repeatable', token)
    .option('--anonymous <name>', 'principal of requests without a token (default: none)', nonEmpty)
    .option('--page-size <number>', 'event types per page of events/list (default: all)', positiveInteger)
    .option('--quota <number>', 'live subscriptions per principal', positiveInteger, 100)
    .option('--controls', 'offer the events_conformance_ tools')
    .option(
      '--allow-callback-origin <origin>',
      'deliver to callbacks there without guards and without asking them, repeatable',
      origin,
    )
    .option(
      '--reachable-callback-origin <origin>',
      'allow callbacks there, which are asked like any other, repeatable',
      origin,
    )
    .exitOverride();
  const parsed = command.parse(args, { from: 'user' }).opts<ParsedOptions>();
  return {
    stdio: parsed.stdio ?? false,
    port: parsed.port,
    storageFile: parsed.storage === MEMORY ? undefined : parsed.storage.slice(SQLITE.length),
    counterFile: parsed.counter,
    tokens: parsed.token ?? new Map(),
    anonymous: parsed.anonymous,
    pageSize: parsed.pageSize,
    quota: parsed.quota,
    controls: parsed.controls ?? false,
    callbackOrigins: parsed.allowCallbackOrigin ?? [],
    reachableOrigins: parsed.reachableCallbackOrigin,
  };
}

function port(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65_535) return value;
  throw new InvalidArgumentError('Give a number from 0 to 65535.');
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Give a whole number of at least 1.');
}

function nonEmpty(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('It must not be empty.');
}

function storage(text: string): string {
  if (text === MEMORY || (text.startsWith(SQLITE) && text.length > SQLITE.length)) return text;
  throw new InvalidArgumentError('Give memory, or sqlite: and a file, as in sqlite:events.db.');
}

function token(text: string, tokens: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const separator = text.indexOf('=');
  const name = text.slice(0, separator);
  const secret = text.slice(separator + 1);
  if (separator < 1) throw new InvalidArgumentError('Give a principal and its secret, as in alice=s3cret.');
  if (!BEARER_TOKEN.test(secret)) {
    throw new InvalidArgumentError('The secret needs letters, digits or -._~+/ (and = only at its end).');
  }
  if (tokens.has(secret)) throw new InvalidArgumentError('Another principal has that secret already.');
  return new Map([...tokens, [secret, name]]);
}

function origin(text: string, origins: readonly string[] = []): readonly string[] {
  if (!isOrigin(text)) throw new InvalidArgumentError(ORIGIN_HINT);
  return [...origins, text];
}

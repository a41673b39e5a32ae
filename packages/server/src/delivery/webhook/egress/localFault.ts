import type { Clock } from '../../../clock.ts';

/** What this machine has run out of, or does not let this process do. No endpoint can cause it by its answer. */
const LOCAL_CODES: ReadonlyMap<string, string> = new Map([
  ['EMFILE', 'this process has too many open files and sockets; raise its limit (ulimit -n)'],
  ['ENFILE', 'this machine has too many open files'],
  ['ENOBUFS', 'this machine has no buffers left for sockets'],
  ['ENOMEM', 'this machine has no memory left'],
  ['EADDRNOTAVAIL', 'no local port, or no local address of this kind, is free'],
  ['EADDRINUSE', 'no local port is free'],
  ['EAFNOSUPPORT', 'this machine does not have addresses of this kind'],
  ['ENETDOWN', 'the network of this machine is down'],
  ['EACCES', 'this machine does not let this process connect'],
  ['EPERM', 'this machine does not let this process connect'],
  ['ENONAMESERVER', 'no name server of this machine answers'],
  ['EAI_MEMORY', 'this machine has no memory left'],
  ['EAI_SYSTEM', 'this machine cannot look up names'],
]);

/** Errors that a mistake in this process throws. Undici has names of its own for what it was given wrongly. */
const MISTAKES: ReadonlySet<string> = new Set([
  'AssertionError',
  'EvalError',
  'InvalidArgumentError',
  'InvalidReturnValueError',
  'NotImplementedError',
  'NotSupportedError',
  'RangeError',
  'ReferenceError',
  'RequestContentLengthMismatchError',
  'SyntaxError',
  'TypeError',
]);

/** The faults told of at the same time; what else there is waits for the minute to pass. */
const MAX_FAULTS = 100;

const REPORT_INTERVAL_MS = 60_000;

/** A request that could not be made, for a reason that lies with this machine or process and not with the endpoint (DELIV-18). */
export class LocalFaultError extends Error {
  override readonly name = 'LocalFaultError';
  /** The code of the system, or the name of what was thrown. */
  readonly code: string;

  constructor(fault: string, message: string, cause: unknown) {
    super(message, { cause });
    this.code = fault;
  }
}

/** Whether the system says that this machine or process could not do it. */
export function hasLocalCode(error: unknown): boolean {
  return LOCAL_CODES.has(String((error as { readonly code?: unknown } | undefined)?.code));
}

/** Whether an error says something of this machine or process rather than of who was to be reached. */
export function isLocalFault(error: unknown): boolean {
  return hasLocalCode(error) || MISTAKES.has(String((error as { readonly name?: unknown } | undefined)?.name));
}

/** What a fault is called, in few words without anything of the request: a code or a name. */
export function nameOfFault(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  if (typeof code === 'string' && code !== '') return code;
  return typeof name === 'string' && name !== '' ? name : typeof error;
}

/** Tells the operator of local faults: of each kind once, and after that once a minute with how often it was seen. */
export class LocalFaults {
  readonly #clock: Clock;
  readonly #report: (error: LocalFaultError) => void;
  /** When each was told, and how often it was seen since. */
  readonly #told = new Map<string, { atMs: number; count: number }>();

  constructor(clock: Clock, report: (error: LocalFaultError) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  seen(error: unknown): void {
    const fault = nameOfFault(error);
    const nowMs = this.#clock.monotonicMs();
    const told = this.#told.get(fault);
    if (told !== undefined && nowMs - told.atMs < REPORT_INTERVAL_MS) {
      told.count++;
      return;
    }
    if (told === undefined && this.#told.size >= MAX_FAULTS)
      this.#told.delete(this.#told.keys().next().value as string);
    this.#told.set(fault, { atMs: nowMs, count: 0 });
    const why = LOCAL_CODES.get(fault) ?? (error instanceof Error ? error.message : String(error));
    const more = told === undefined || told.count === 0 ? '' : `; ${told.count} more in the last minute`;
    const message = `webhooks could not be sent: ${fault}, ${why}${more}. They are tried again, and it counts against no endpoint`;
    this.#report(new LocalFaultError(fault, message, error));
  }
}

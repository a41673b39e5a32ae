import { refuseUnknown } from './knownMembers.ts';

/** What a number of an option may be. */
export interface NumberBounds {
  readonly least: number;
  readonly most: number;
  /** It counts things. */
  readonly whole?: boolean;
  /** `Infinity` stands for no limit. */
  readonly unlimited?: boolean;
}

/**
 * Fills in what is not given, and checks the rest. Throws a `TypeError` that names the member, what it may be and what it
 * is; also for a member that does not exist.
 */
export function readNumbers<T extends object>(
  given: unknown,
  defaults: T,
  bounds: { readonly [Name in keyof T]: NumberBounds },
  what: string,
): T {
  if (given === undefined) return defaults;
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`${what} must be an object, not ${shown(given)}`);
  refuseUnknown(given, Object.keys(bounds), what);
  const numbers = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    const member = name as keyof T;
    if (value !== undefined) numbers[member] = readNumber(value, bounds[member], `${what}.${name}`) as T[keyof T];
  }
  return numbers;
}

/** @returns the number that was given. Throws a `TypeError` that says what it may be. */
export function readNumber(value: unknown, { least, most, whole, unlimited }: NumberBounds, what: string): number {
  if (typeof value === 'number') {
    if (unlimited === true && value === Infinity) return value;
    if (value >= least && value <= most && (whole !== true || Number.isInteger(value))) return value;
  }
  const kind = whole === true ? 'a whole number' : 'a number';
  const orNone = unlimited === true ? ', or Infinity for no limit' : '';
  throw new TypeError(`${what} must be ${kind} from ${least} to ${most}${orNone}, not ${shown(value)}`);
}

/** @returns what was given. Throws a `TypeError` when it has another type. */
export function readTyped<T>(value: T, type: 'boolean' | 'function', what: string): T {
  // oxlint-disable-next-line valid-typeof -- the type is one of two words
  if (value === undefined || typeof value === type) return value;
  throw new TypeError(`${what} must be a ${type}, not ${shown(value)}`);
}

/** A value as an operator may have written it, cut to what fits a sentence. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 64));
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? String(value) : typeof value;
}

import { refuseUnknown } from './knownMembers.ts';
import { wrongValue } from './wrongValue.ts';

/** What a number of an option may be. */
export interface NumberBounds {
  readonly least: number;
  /** Default: as large as a number may be. */
  readonly most?: number;
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
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw wrongValue(what, 'an object', given);
  refuseUnknown(given, Object.keys(bounds), what);
  const numbers = { ...defaults };
  for (const [name, value] of Object.entries(given)) {
    const member = name as keyof T;
    if (value !== undefined) numbers[member] = readNumber(value, bounds[member], `${what}.${name}`) as T[keyof T];
  }
  return numbers;
}

/** @returns the number that was given. Throws a `TypeError` that says what it may be. */
export function readNumber(value: unknown, bounds: NumberBounds, what: string): number {
  const { least, most, whole, unlimited } = bounds;
  if (typeof value === 'number') {
    if (unlimited === true && value === Infinity) return value;
    if (value >= least && value <= (most ?? Number.MAX_SAFE_INTEGER) && (whole !== true || Number.isInteger(value))) {
      return value;
    }
  }
  const kind = whole === true ? 'a whole number' : 'a number';
  const range = most === undefined ? `of at least ${least}` : `from ${least} to ${most}`;
  const orNone = unlimited === true ? ', or Infinity for no limit' : '';
  throw wrongValue(what, `${kind} ${range}${orNone}`, value);
}

/** @returns what was given. Throws a `TypeError` when it has another type. */
export function readTyped<T>(value: T, type: 'boolean' | 'function' | 'string', what: string): T {
  // oxlint-disable-next-line valid-typeof -- the type is one of three words
  if (value === undefined || typeof value === type) return value;
  throw wrongValue(what, `a ${type}`, value);
}

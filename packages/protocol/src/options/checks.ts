import { refuseUnknown } from './knownMembers.ts';
import { type NumberBounds, readNumber } from './numbers.ts';
import { isPromise, wrongValue } from './wrongValue.ts';

/**
 * Looks at a value where it enters: whatever is wrong is told at once, with what was given and what may be, rather than later
 * by what it does. Throws a `TypeError`.
 */
export type Check = (value: unknown, what: string) => void;

/** A check for each member that exists. */
export type Checks<T> = Readonly<Record<keyof T, Check>>;

/** For a member that is checked elsewhere, or is somebody else's. */
export const anything: Check = () => {};

export function numberOf(bounds: NumberBounds): Check {
  return (value, what) => void readNumber(value, bounds, what);
}

/** A number of things, at least one. */
export const count: Check = numberOf({ least: 1, whole: true });

export const func: Check = (value, what) => {
  if (typeof value !== 'function') throw wrongValue(what, 'a function', value);
};

export const bool: Check = (value, what) => {
  if (typeof value !== 'boolean') throw wrongValue(what, 'true or false', value);
};

export const text: Check = (value, what) => {
  if (typeof value !== 'string' || value === '') throw wrongValue(what, 'a text that is not empty', value);
};

export const textOrNull: Check = (value, what) => {
  if (value !== null && typeof value !== 'string') throw wrongValue(what, 'a text or null', value);
};

export function oneOf(...allowed: readonly string[]): Check {
  const listed = allowed.map((item) => JSON.stringify(item)).join(', ');
  return (value, what) => {
    if (!allowed.includes(value as string)) throw wrongValue(what, `one of ${listed}`, value);
  };
}

/** @param example how it is made, where that is not obvious */
export function having(methods: readonly string[], example?: string): Check {
  const expected = `an object with the methods ${methods.join(', ')}${example === undefined ? '' : ` (${example})`}`;
  return (value, what) => {
    for (const method of methods) {
      const found =
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[method] : undefined;
      if (typeof found !== 'function') throw wrongValue(what, expected, value);
    }
  };
}

/** Options or arguments in one object: no array, no function, and nothing that has to be waited for. */
export const object: Check = (value, what) => {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof URL);
  if (!isObject || isPromise(value)) throw wrongValue(what, 'an object', value);
};

/**
 * Options in one object: each member exists, and is what it may be; `undefined` counts as left out.
 *
 * @param what the options in a sentence, such as `the options of EventsClient`
 * @param prefix of the names of members in sentences, such as `webhook.`
 */
export function checkMembers<T>(given: unknown, checks: Checks<T>, what: string, prefix = ''): void {
  object(given, what);
  refuseUnknown(given as object, Object.keys(checks), what);
  for (const [name, check] of Object.entries<Check>(checks)) {
    const value = (given as Record<string, unknown>)[name];
    if (value !== undefined) check(value, `${prefix}${name}`);
  }
}

/**
 * Checks of options where they enter: whatever is wrong is told at once, with what was given and what may be, rather than
 * later by what it does.
 */

type Check = (name: string, value: unknown) => void;

function fail(name: string, expected: string, value: unknown): never {
  const given = typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : kindOf(value);
  throw new TypeError(`${name} must be ${expected}; got ${given}.`);
}

function kindOf(value: unknown): string {
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) {
    return String(value);
  }
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

/** @throws TypeError */
export const assertPositiveInteger: Check = (name, value) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1) fail(name, 'an integer of at least 1', value);
};

/** A wait that has an end. @throws TypeError */
export const assertDuration: Check = (name, value) => {
  if (!Number.isFinite(value) || (value as number) <= 0) fail(name, 'a number of milliseconds above 0', value);
};

/** @throws TypeError */
export const assertDurationOrZero: Check = (name, value) => {
  if (!Number.isFinite(value) || (value as number) < 0) fail(name, 'a number of milliseconds, 0 or more', value);
};

/** @throws TypeError */
export const assertDurationOrInfinity: Check = (name, value) => {
  if (value !== Infinity) assertDuration(name, value);
};

/** @throws TypeError */
export const assertFunction: Check = (name, value) => {
  if (typeof value !== 'function') fail(name, 'a function', value);
};

/** @throws TypeError */
export const assertBoolean: Check = (name, value) => {
  if (typeof value !== 'boolean') fail(name, 'true or false', value);
};

/** @throws TypeError */
export function assertOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) fail(name, `one of ${allowed.map((item) => `"${item}"`).join(', ')}`, value);
}

/** @throws TypeError */
export const assertText: Check = (name, value) => {
  if (typeof value !== 'string' || value === '') fail(name, 'a text that is not empty', value);
};

/** @throws TypeError */
export const assertTextOrNull: Check = (name, value) => {
  if (value !== null && typeof value !== 'string') fail(name, 'a text or null', value);
};

/** @throws TypeError */
export const assertPlainObject: Check = (name, value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(name, 'an object', value);
};

/** @throws TypeError */
export function assertMethods(name: string, value: unknown, methods: readonly string[]): void {
  for (const method of methods) {
    const found = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[method] : undefined;
    if (typeof found !== 'function') fail(name, `an object with the methods ${methods.join(', ')}`, value);
  }
}

/** Applies checks to the members that are given; `undefined` counts as left out. @throws TypeError */
export function assertOptions(prefix: string, options: object, checks: Record<string, Check>): void {
  for (const [name, check] of Object.entries(checks)) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) check(`${prefix}${name}`, value);
  }
}

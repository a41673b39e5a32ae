import { canonicalJson } from '../occurrence/canonicalJson.ts';

/** Lists up to this length are searched as they are. */
const SHORT = 8;

/** The values of longer lists, for as long as somebody holds the list: made once, not for each event or subscription. */
const setsOfLists = new WeakMap<readonly unknown[], ValueSet>();

/** Values of a list, as JSON tells them apart: `1` is not `"1"`, and objects are compared by content. */
class ValueSet {
  readonly #scalars = new Set<unknown>();
  readonly #structures = new Set<string>();

  constructor(values: readonly unknown[]) {
    for (const value of values) {
      const plain = asJson(value);
      if (isStructure(plain)) this.#structures.add(textOf(plain));
      else this.#scalars.add(plain);
    }
  }

  has(value: unknown): boolean {
    const plain = asJson(value);
    if (!isStructure(plain)) return this.#scalars.has(plain);
    return this.#structures.size > 0 && this.#structures.has(textOf(plain));
  }
}

/** Text that is the same for values that are the same. Never throws, as it is asked for in the middle of an emit. */
export function jsonKey(value: unknown): string {
  return isStructure(value) ? textOf(value) : scalarText(value);
}

/**
 * Whether a value can be compared with what payloads hold: an author's schema may make a big integer of an argument, which no
 * JSON is equal to.
 */
export function isJsonValue(value: unknown): boolean {
  return jsonKey(value) !== NO_JSON;
}

/** No text of JSON is empty, so a value without one equals none of a payload. */
const NO_JSON = '';

function textOf(value: object): string {
  try {
    return canonicalJson(value);
  } catch {
    return NO_JSON;
  }
}

function scalarText(value: unknown): string {
  return typeof value === 'bigint' ? NO_JSON : (JSON.stringify(value) ?? 'null');
}

/** Whether two values are equal, or have one in common where either is a list. */
export function haveCommonValue(one: unknown, other: unknown): boolean {
  if (!Array.isArray(one)) return Array.isArray(other) ? contains(other, one) : isSame(one, other);
  if (!Array.isArray(other)) return contains(one, other);
  const [shorter, longer] = one.length < other.length ? [one, other] : [other, one];
  return shorter.some((value) => contains(longer, value));
}

/** Does the work of later comparisons with a list now: a subscriber's lists are long while one of its calls is answered. */
export function prepareComparison(value: unknown): void {
  if (Array.isArray(value) && value.length > SHORT) valuesOf(value);
}

function contains(list: readonly unknown[], value: unknown): boolean {
  if (list.length <= SHORT) return list.some((candidate) => isSame(candidate, value));
  return valuesOf(list).has(value);
}

function valuesOf(list: readonly unknown[]): ValueSet {
  let values = setsOfLists.get(list);
  if (values === undefined) setsOfLists.set(list, (values = new ValueSet(list)));
  return values;
}

function isSame(one: unknown, other: unknown): boolean {
  const [a, b] = [asJson(one), asJson(other)];
  return a === b || (isStructure(a) && isStructure(b) && textOf(a) === textOf(b));
}

/** What JSON makes of a value that a schema may have given, such as a date or `NaN`. */
function asJson(value: unknown): unknown {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (value === undefined) return null;
  try {
    const { toJSON } = (value ?? {}) as { toJSON?: unknown };
    return typeof toJSON === 'function' ? (toJSON.call(value, '') as unknown) : value;
  } catch {
    return undefined;
  }
}

function isStructure(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

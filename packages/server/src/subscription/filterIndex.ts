import type { Arguments } from './subscription.ts';

/** Argument name -> payload field it is compared with. */
export type Filter = Readonly<Record<string, string>>;

type Data = Readonly<Record<string, unknown>>;

/**
 * Most combinations of values one subscription is entered under. Beyond it (several long lists of values) the
 * subscription is compared event by event instead, so that one subscriber cannot fill the index.
 */
const MAX_KEYS_PER_MEMBER = 64;

/** JSON tells `1` from `"1"` and compares nested values by content. */
function valueKey(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}

function valueKeys(value: unknown): string[] {
  return Array.isArray(value) ? [...new Set(value.map(valueKey))] : [valueKey(value)];
}

/**
 * Whether a payload passes the declared filter: an absent argument constrains nothing; otherwise argument and payload
 * field must be equal, or have a value in common where either is a list.
 */
export function passesFilter(filter: Filter, args: Arguments, data: Data): boolean {
  for (const [argument, field] of Object.entries(filter)) {
    const wanted = args[argument];
    if (wanted === undefined) continue;
    const present = data[field];
    if (present === undefined) return false;
    const presentKeys = valueKeys(present);
    if (!valueKeys(wanted).some((key) => presentKeys.includes(key))) return false;
  }
  return true;
}

/** All ways to take one element of each list, joined to one string. */
function combinations(lists: readonly (readonly string[])[]): string[] {
  let keys = [''];
  for (const list of lists) keys = keys.flatMap((prefix) => list.map((key) => `${prefix}${key}\n`));
  return keys;
}

interface Shape<T> {
  /** The arguments that members of this shape constrain, in the filter's order. */
  readonly argumentNames: readonly string[];
  readonly fields: readonly string[];
  readonly byValues: Map<string, Set<T>>;
}

/**
 * Finds the subscriptions an event may concern by look-up: an emit costs what it matches, not what is subscribed.
 * Members are grouped by which arguments they constrain; inside a group the values are the key.
 */
export class FilterIndex<T extends { readonly subscription: { readonly arguments: Arguments } }> {
  readonly #filter: Filter;
  readonly #entries: readonly (readonly [argument: string, field: string])[];
  readonly #shapes = new Map<string, Shape<T>>();
  readonly #unindexed = new Set<T>();
  #size = 0;

  constructor(filter: Filter) {
    this.#filter = filter;
    this.#entries = Object.entries(filter);
  }

  get size(): number {
    return this.#size;
  }

  add(member: T): void {
    const { shape, keys } = this.#place(member, true);
    this.#size++;
    if (shape === undefined) {
      this.#unindexed.add(member);
      return;
    }
    for (const key of keys) {
      const members = shape.byValues.get(key);
      if (members === undefined) shape.byValues.set(key, new Set([member]));
      else members.add(member);
    }
  }

  delete(member: T): void {
    const { shape, keys } = this.#place(member, false);
    let found = false;
    if (shape === undefined) found = this.#unindexed.delete(member);
    else {
      for (const key of keys) {
        const members = shape.byValues.get(key);
        if (members?.delete(member) !== true) continue;
        found = true;
        if (members.size === 0) shape.byValues.delete(key);
      }
      if (shape.byValues.size === 0) this.#shapes.delete(shape.argumentNames.join('\n'));
    }
    if (found) this.#size--;
  }

  /** Every member, each once. */
  members(): Set<T> {
    const members = new Set(this.#unindexed);
    for (const shape of this.#shapes.values()) {
      for (const sameValues of shape.byValues.values()) for (const member of sameValues) members.add(member);
    }
    return members;
  }

  /** Members whose filter `data` passes; each once. */
  candidates(data: Data): T[] {
    const found: T[] = [];
    let seen: Set<T> | undefined;
    for (const shape of this.#shapes.values()) {
      const keys = combinations(shape.fields.map((field) => (data[field] === undefined ? [] : valueKeys(data[field]))));
      // Only several values on both sides can meet twice.
      if (keys.length > 1) seen ??= new Set();
      for (const key of keys) {
        for (const member of shape.byValues.get(key) ?? []) {
          if (keys.length > 1) {
            if (seen?.has(member) === true) continue;
            seen?.add(member);
          }
          found.push(member);
        }
      }
    }
    for (const member of this.#unindexed) {
      if (passesFilter(this.#filter, member.subscription.arguments, data)) found.push(member);
    }
    return found;
  }

  #place(member: T, create: boolean): { shape: Shape<T> | undefined; keys: readonly string[] } {
    const args = member.subscription.arguments;
    const constrained = this.#entries.filter(([argument]) => args[argument] !== undefined);
    const lists = constrained.map(([argument]) => valueKeys(args[argument]));
    const count = lists.reduce((product, list) => product * list.length, 1);
    if (count > MAX_KEYS_PER_MEMBER) return { shape: undefined, keys: [] };
    const argumentNames = constrained.map(([argument]) => argument);
    const shapeKey = argumentNames.join('\n');
    let shape = this.#shapes.get(shapeKey);
    if (shape === undefined) {
      shape = { argumentNames, fields: constrained.map(([, field]) => field), byValues: new Map() };
      if (create) this.#shapes.set(shapeKey, shape);
    }
    return { shape, keys: combinations(lists) };
  }
}

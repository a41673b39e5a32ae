import type { FeedRecord } from '../occurrence/feedEvent.ts';
import { haveCommonValue, jsonKey, prepareComparison } from './jsonValues.ts';
import type { Arguments } from './subscription.ts';

/** Argument name -> payload field it is compared with. */
export type Filter = Readonly<Record<string, string>>;

type Data = Readonly<Record<string, unknown>>;

/**
 * Most combinations of values one subscription is entered under, so that one subscriber cannot fill the index. Where its
 * lists are longer it is entered under the arguments that fit, if any do, and the others are compared event by event.
 */
const MAX_KEYS_PER_MEMBER = 64;

/**
 * Most combinations of values one event is looked up under. Beyond it (several long lists) the members are compared one
 * by one, so that a payload cannot cost more than its subscribers.
 */
const MAX_KEYS_PER_EVENT = 1_024;

function valueKeys(value: unknown): string[] {
  return Array.isArray(value) ? [...new Set(value.map(jsonKey))] : [jsonKey(value)];
}

/**
 * Whether a payload passes the declared filter: an absent argument constrains nothing; otherwise argument and payload
 * field must be equal, or have a value in common where either is a list.
 */
export function passesFilter(filter: Filter, args: Arguments, event: { readonly data: Data }): boolean {
  return failingArgument(filter, args, event) === undefined;
}

/** The first argument that keeps the event away. */
export function failingArgument(filter: Filter, args: Arguments, event: { readonly data: Data }): string | undefined {
  // Asked for each event a poll reads: no list of entries is made for it.
  for (const argument in filter) {
    const wanted = args[argument];
    if (wanted === undefined) continue;
    const present = event.data[filter[argument] as string];
    if (present === undefined) return argument;
    if (!haveCommonValue(wanted, present)) return argument;
  }
  return undefined;
}

/** All ways to take one element of each list, joined to one string. */
function combinations(lists: readonly (readonly string[])[]): string[] {
  let keys = [''];
  for (const list of lists) keys = keys.flatMap((prefix) => list.map((key) => `${prefix}${key}\n`));
  return keys;
}

function countCombinations(lists: readonly (readonly string[])[]): number {
  return lists.reduce((product, list) => product * list.length, 1);
}

function countOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 1;
}

/** Members that are entered under the same arguments. */
interface Shape<T> {
  readonly fields: readonly string[];
  /** They constrain further ones, which are compared. */
  readonly partial: boolean;
  readonly byValues: Map<string, Set<T>>;
}

interface Place {
  /** Names of the arguments it is entered under. */
  readonly shapeKey: string;
  readonly fields: readonly string[];
  readonly partial: boolean;
  readonly keys: readonly string[];
}

/**
 * Finds the subscriptions an event may concern by look-up: an emit costs what it matches, not what is subscribed.
 * Members are grouped by which arguments they constrain; inside a group the values are the key.
 */
export class FilterIndex<T extends { readonly subscription: { readonly arguments: Arguments } }> {
  #filter: Filter = {};
  #entries: readonly (readonly [argument: string, field: string])[] = [];
  readonly #members = new Set<T>();
  readonly #shapes = new Map<string, Shape<T>>();
  readonly #unindexed = new Set<T>();

  constructor(filter: Filter) {
    this.setFilter(filter);
  }

  /** Looks members up by other arguments from now on. */
  setFilter(filter: Filter): void {
    this.#filter = filter;
    this.#entries = Object.entries(filter);
    this.#shapes.clear();
    this.#unindexed.clear();
    for (const member of this.#members) this.#enter(member);
  }

  get size(): number {
    return this.#members.size;
  }

  /** Every member, each once. */
  members(): Iterable<T> {
    return this.#members;
  }

  add(member: T): void {
    this.#members.add(member);
    this.#enter(member);
  }

  #enter(member: T): void {
    const place = this.#place(member);
    if (place === undefined || place.partial) {
      const args = member.subscription.arguments;
      for (const [argument] of this.#entries) prepareComparison(args[argument]);
    }
    if (place === undefined) {
      this.#unindexed.add(member);
      return;
    }
    for (const key of place.keys) {
      const { byValues } = this.#shape(place);
      const members = byValues.get(key);
      if (members === undefined) byValues.set(key, new Set([member]));
      else members.add(member);
    }
  }

  delete(member: T): void {
    if (!this.#members.delete(member)) return;
    const place = this.#place(member);
    if (place === undefined) {
      this.#unindexed.delete(member);
      return;
    }
    const shape = this.#shapes.get(place.shapeKey);
    if (shape === undefined) return;
    for (const key of place.keys) {
      const members = shape.byValues.get(key);
      members?.delete(member);
      if (members?.size === 0) shape.byValues.delete(key);
    }
    if (shape.byValues.size === 0) this.#shapes.delete(place.shapeKey);
  }

  /** Members that a record concerns; each once. What a gap stands for is not known, so it concerns everybody. */
  concernedBy(record: FeedRecord): T[] {
    return record.kind === 'gap' ? [...this.#members] : this.candidates(record);
  }

  /** Members whose filter `data` passes; each once. */
  candidates(event: { readonly data: Data }): T[] {
    // Without a filter the payload, which is read on demand, need not be looked at.
    if (this.#entries.length === 0) return [...this.#members];
    const { data } = event;
    const found: T[] = [];
    let seen: Set<T> | undefined;
    for (const shape of this.#shapes.values()) {
      const lists = shape.fields.map((field) => (data[field] === undefined ? [] : valueKeys(data[field])));
      if (countCombinations(lists) > MAX_KEYS_PER_EVENT) {
        for (const member of this.#comparedOneByOne(shape, event)) found.push(member);
        continue;
      }
      const keys = combinations(lists);
      // Only several values on both sides can meet twice.
      if (keys.length > 1) seen ??= new Set();
      for (const key of keys) {
        for (const member of shape.byValues.get(key) ?? []) {
          if (shape.partial && !passesFilter(this.#filter, member.subscription.arguments, event)) continue;
          if (keys.length > 1) {
            if (seen?.has(member) === true) continue;
            seen?.add(member);
          }
          found.push(member);
        }
      }
    }
    for (const member of this.#unindexed) {
      if (passesFilter(this.#filter, member.subscription.arguments, event)) found.push(member);
    }
    return found;
  }

  #comparedOneByOne(shape: Shape<T>, event: { readonly data: Data }): T[] {
    const members = new Set([...shape.byValues.values()].flatMap((sameValues) => [...sameValues]));
    return [...members].filter((member) => passesFilter(this.#filter, member.subscription.arguments, event));
  }

  #shape({ shapeKey, fields, partial }: Place): Shape<T> {
    let shape = this.#shapes.get(shapeKey);
    if (shape === undefined) this.#shapes.set(shapeKey, (shape = { fields, partial, byValues: new Map() }));
    return shape;
  }

  /** Where a member stands, `undefined` when it would stand in too many places. */
  #place(member: T): Place | undefined {
    const args = member.subscription.arguments;
    const constrained = this.#entries.filter(([argument]) => args[argument] !== undefined);
    let room = MAX_KEYS_PER_MEMBER;
    const entered = constrained.filter(([argument]) => {
      const count = countOf(args[argument]);
      if (count > room) return false;
      room /= Math.max(1, count);
      return true;
    });
    const partial = entered.length < constrained.length;
    if (partial && entered.length === 0) return undefined;
    const names = entered.map(([argument]) => argument).join('\n');
    return {
      shapeKey: partial ? `${names}\n...` : names,
      fields: entered.map(([, field]) => field),
      partial,
      keys: combinations(entered.map(([argument]) => valueKeys(args[argument]))),
    };
  }
}

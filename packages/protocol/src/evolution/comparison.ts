import type { SchemaChange, SchemaChangeKind, SchemaRole } from './change.ts';
import { MAX_SCHEMA_DEPTH } from './json.ts';

/**
 * Pairs of subschemas compared before giving up. Variants are tried against each other and shared definitions are
 * visited on every path, so the work can grow without end; real schemas need a few hundred.
 */
const MAX_PAIRS = 10_000;

/** Compares two subschemas, none of them resolved, that describe the same value. */
export type CompareSubschemas = (
  comparison: Comparison,
  path: string,
  before: unknown,
  after: unknown,
) => SchemaChange[];

/** One comparison: its subject, and the bookkeeping that makes it end. */
export class Comparison {
  readonly role: SchemaRole;
  readonly beforeRoot: unknown;
  readonly afterRoot: unknown;
  readonly #compareSubschemas: CompareSubschemas;
  /** Pairs being compared right now, each with the depth in the described value at which that began. */
  readonly #active: { before: unknown; after: unknown; valueDepth: number }[] = [];
  /** Properties and items between the root and the value being described. */
  #valueDepth = 0;
  #remainingPairs = MAX_PAIRS;

  constructor(role: SchemaRole, beforeRoot: unknown, afterRoot: unknown, compareSubschemas: CompareSubschemas) {
    this.role = role;
    this.beforeRoot = beforeRoot;
    this.afterRoot = afterRoot;
    this.#compareSubschemas = compareSubschemas;
  }

  /**
   * Compares two subschemas that describe the same value as their parents do. A recursive schema meets a pair again
   * some properties or items further down: assuming it compatible there is right, as any difference shows where it was
   * met first. Met again for the same value, the schema describes nothing and no assumption holds.
   */
  compare(path: string, before: unknown, after: unknown): SchemaChange[] {
    const earlier = this.#active.find((pair) => pair.before === before && pair.after === after && isObject(before));
    if (earlier) {
      return earlier.valueDepth < this.#valueDepth ? [] : [notComparable(path, 'it refers to itself without end')];
    }
    if (this.#active.length >= MAX_SCHEMA_DEPTH || this.#remainingPairs-- <= 0) {
      return [notComparable(path, 'the schemas are too large or too deep')];
    }
    this.#active.push({ before, after, valueDepth: this.#valueDepth });
    const changes = this.#compareSubschemas(this, path, before, after);
    this.#active.pop();
    return changes;
  }

  /** Compares two subschemas that describe a property or an item of the value. */
  comparePart(path: string, before: unknown, after: unknown): SchemaChange[] {
    this.#valueDepth++;
    const changes = this.compare(path, before, after);
    this.#valueDepth--;
    return changes;
  }

  /** A change after which less is allowed: breaking in an input schema (LIST-07). */
  tightened(kind: SchemaChangeKind, path: string, message: string): SchemaChange {
    return { path, kind, breaking: this.role === 'input', message };
  }

  /** A change after which more is allowed: breaking in a payload schema, whose consumers rely on the old one. */
  loosened(kind: SchemaChangeKind, path: string, message: string): SchemaChange {
    return { path, kind, breaking: this.role === 'payload', message };
  }
}

/** A change that breaks in both roles (LIST-06). */
export function breaking(kind: SchemaChangeKind, path: string, message: string): SchemaChange {
  return { path, kind, breaking: true, message };
}

/** A change that breaks in neither role (TERM-04). */
export function additive(kind: SchemaChangeKind, path: string, message: string): SchemaChange {
  return { path, kind, breaking: false, message };
}

export function notComparable(path: string, reason: string): SchemaChange {
  return breaking('notComparable', path, `cannot be compared: ${reason}`);
}

function isObject(node: unknown): boolean {
  return typeof node === 'object';
}

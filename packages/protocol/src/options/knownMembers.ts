/** Longer names are compared by their beginning. */
const LONGEST_COMPARED = 64;

/**
 * Throws a `TypeError` for a member that does not exist, with the nearest one that does: a misspelt option would silently
 * leave the default in force (EMIT-22).
 */
export function refuseUnknown(given: object, known: readonly string[], what: string): void {
  for (const name of Object.keys(given)) if (!known.includes(name)) throw unknownMember(name, known, what);
}

/** Letters by which a member that may be new is taken for another one that is misspelt. */
const MISSPELT = 2;

/** As {@link refuseUnknown}, for options that somebody else may add to: only what is nearly a known one is refused. */
export function refuseMisspelt(given: object, known: readonly string[], what: string): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const isNear = known.some((each) => distanceBetween(shortened(name), each.toLowerCase()) <= MISSPELT);
    if (isNear) throw unknownMember(name, known, what);
  }
}

function unknownMember(name: string, known: readonly string[], what: string): TypeError {
  const nearest = nearestOf(name, known);
  const only = known.length === 0 ? '' : `, only ${known.join(', ')}`;
  const hint = nearest === undefined ? only : `; did you mean ${JSON.stringify(nearest)}?`;
  return new TypeError(`${what} has no member ${JSON.stringify(name.slice(0, LONGEST_COMPARED))}${hint}`);
}

function shortened(name: string): string {
  return name.slice(0, LONGEST_COMPARED).toLowerCase();
}

/** The member that was probably meant; `undefined` where none is alike. */
export function nearestOf(name: string, known: readonly string[]): string | undefined {
  const given = shortened(name);
  let nearest: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const compared = candidate.toLowerCase();
    const distance = distanceBetween(given, compared);
    // Half of it may be wrong, or its end missing: beyond that it is another word.
    const isAlike = distance <= Math.max(given.length, compared.length) / 2 || compared.startsWith(given);
    if (distance >= least || !isAlike) continue;
    nearest = candidate;
    least = distance;
  }
  return nearest;
}

/** Letters to insert, remove or replace (Levenshtein), row by row. */
function distanceBetween(from: string, to: string): number {
  let before = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (before[column - 1] as number) + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, (before[column] as number) + 1, (current[column - 1] as number) + 1));
    }
    before = current;
  }
  return before[to.length] as number;
}

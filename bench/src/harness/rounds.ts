/** One round of a figure: the implementation and its reference, measured one right after the other. */
export interface Pair<T> {
  readonly ours: T;
  readonly reference: T;
}

/**
 * Runs both sides in turns, so that whatever else the machine does meets both. The first round of each warms up and is
 * not kept; the order within a round alternates.
 */
export async function interleave<T>(
  rounds: number,
  ours: () => Promise<T>,
  reference: () => Promise<T>,
): Promise<Pair<T>[]> {
  const pairs: Pair<T>[] = [];
  for (let round = 0; round <= rounds; round++) {
    let pair: Pair<T>;
    if (round % 2 === 0) pair = { ours: await ours(), reference: await reference() };
    else {
      const first = await reference();
      pair = { ours: await ours(), reference: first };
    }
    if (round > 0) pairs.push(pair);
  }
  return pairs;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

import { LogFeed } from '../../feed/logFeed.ts';
import type { Feed } from '../../feed/feed.ts';
import type { StoredDeadLetter } from '../../storage/deadLetterStore.ts';

type Letter = StoredDeadLetter & { readonly number: number };

/**
 * Letters in the order their events have in their logs, as far as there is one: which was given up first says only whose
 * last attempt ended first. Letters that nobody can place stand where they were given up.
 */
export function inEventOrder(letters: readonly Letter[], feedOf: (name: string) => Feed | undefined): Letter[] {
  const byType = new Map<string, { readonly letter: Letter; readonly position: number }[]>();
  for (const letter of letters) {
    const feed = feedOf(letter.name);
    const position = feed instanceof LogFeed && letter.cursor !== null ? feed.positionOf(letter.cursor) : undefined;
    if (position === undefined) continue;
    const placed = byType.get(letter.name);
    if (placed === undefined) byType.set(letter.name, [{ letter, position }]);
    else placed.push({ letter, position });
  }
  for (const placed of byType.values()) placed.sort((one, other) => one.position - other.position);
  const placeable = new Set([...byType.values()].flatMap((placed) => placed.map(({ letter }) => letter)));
  return letters.map((letter) => {
    if (!placeable.has(letter)) return letter;
    return byType.get(letter.name)?.shift()?.letter ?? letter;
  });
}

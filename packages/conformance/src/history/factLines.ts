import type { Fact } from './facts.ts';

/** One line of a file, with its end. */
export function factLine(fact: Fact): string {
  return `${JSON.stringify(fact)}\n`;
}

/** Reads lines. A last line without an end was cut by the death of its writer, and does not count. */
export function readFacts(text: string): Fact[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Fact);
}

/** Puts what several processes wrote into one order by `at`; of one process the order stays. */
export function mergeFacts(histories: readonly (readonly Fact[])[]): Fact[] {
  const placed = histories.flatMap((facts) => {
    let at = -Infinity;
    return facts.map((fact) => ({ fact, at: (at = Math.max(at, fact.at ?? at)) }));
  });
  return placed.toSorted((a, b) => a.at - b.at).map(({ fact }) => fact);
}

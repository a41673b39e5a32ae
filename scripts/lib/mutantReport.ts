import type { Mutant } from './mutant.ts';
import { SEARCHES } from './mutantSearches.ts';
import type { Finding, SearchName } from './mutantSearches.ts';

/** What the searches said of each mutant, by its id. */
export type MutantResults = Record<string, Partial<Record<SearchName, Finding>>>;

/** What is wrong with the results: mutants that live on where they must not, or could not be judged. */
export function problemsOf(mutants: readonly Mutant[], results: MutantResults): string[] {
  const problems: string[] = [];
  for (const { id, what, guarantee } of mutants) {
    const findings = Object.entries(results[id] ?? {}) as [SearchName, Finding][];
    for (const [search, { broken, by }] of findings)
      if (broken) problems.push(`${id} could not be judged by ${search}: ${by}`);
    if (findings.length === 0) continue;
    if (!findings.some(([, { found }]) => found)) problems.push(`${id} lives: ${what}`);
    else if (/^G\d$/.test(guarantee) && results[id]?.simulation?.found === false) {
      problems.push(`${id} breaks ${guarantee} and lives in the simulation: ${what}`);
    }
  }
  return problems;
}

/** Each search: how many it was tried on, and how many it found. */
export function scoresOf(mutants: readonly Mutant[], results: MutantResults): string[] {
  return SEARCHES.flatMap((search) => {
    const tried = mutants.flatMap(({ id, guarantee }) => {
      const finding = results[id]?.[search];
      return finding === undefined || finding.broken ? [] : [{ guarantee, found: finding.found }];
    });
    if (tried.length === 0) return [];
    const ofGuarantees = tried.filter(({ guarantee }) => /^G\d$/.test(guarantee));
    const count = (list: typeof tried): string => `${list.filter(({ found }) => found).length} of ${list.length}`;
    return [`${search}: ${count(tried)}; of those that break a guarantee ${count(ofGuarantees)}`];
  });
}

/** The results as a page: the scores, then a row for each mutant. */
export function pageOf(mutants: readonly Mutant[], results: MutantResults, how: string): string {
  const rows = mutants.map(({ id, what, guarantee }) => {
    const cells = SEARCHES.map((search) => {
      const finding = results[id]?.[search];
      if (finding === undefined) return '';
      return finding.broken ? '?' : finding.found ? 'found' : '-';
    });
    return `| ${id} | ${guarantee} | ${what.replaceAll('|', '\\|')} | ${cells.join(' | ')} |`;
  });
  return [
    '# Planted bugs and what finds them',
    '',
    how,
    '',
    ...scoresOf(mutants, results).map((score) => `- ${score}`),
    '',
    `| id | breaks | what is wrong | ${SEARCHES.join(' | ')} |`,
    `|---|---|---|${SEARCHES.map(() => '---').join('|')}|`,
    ...rows,
    '',
  ].join('\n');
}

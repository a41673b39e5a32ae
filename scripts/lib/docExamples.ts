import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesBelow, root, shown, workspaceFolders } from './files.ts';

/** A block of TypeScript in a page of the documentation. */
export interface DocExample {
  /** Page and line, for people. */
  readonly place: string;
  /** Of the file it becomes: unique, and says which page it is of. */
  readonly name: string;
  /** What is compiled: the block it goes on with, what the page hides, and the block. */
  readonly code: string;
  /** It is run, and has to end by itself or to print what is expected. */
  readonly run: boolean;
  /** It runs until the last example has run. */
  readonly background: boolean;
  /** What it has to print. */
  readonly prints: string | undefined;
}

const FENCE = /^```ts\n(.*?)^```$/gms;
/** The last comment of a text, if nothing but blank lines follows it. */
const DIRECTIVE = /<!-- example ?((?:(?!-->)[^\n])*)(?:\n((?:(?!-->).)*))?-->\n+$/s;

/** Pages whose TypeScript is compiled. */
export function documentedPages(): string[] {
  const own = ['README.md', 'CONTRIBUTING.md'].map((name) => join(root, name));
  const docs = filesBelow(join(root, 'docs')).filter((path) => path.endsWith('.md'));
  const packages = ['packages', 'examples']
    .flatMap(workspaceFolders)
    .flatMap((folder) => filesBelow(folder).filter((path) => path === join(folder, 'README.md')));
  return [...own, ...docs, ...packages];
}

export async function examplesOf(path: string): Promise<DocExample[]> {
  return readExamples(shown(path), await readFile(path, 'utf8'));
}

/**
 * The examples of a page. A comment right before a block says what is to be done with it, on its first line, and hides
 * code that stands in front of it, on the others:
 *
 *     <!-- example continues run prints=INC-1
 *     declare const app: Express;
 *     -->
 *
 * `continues`: after the last block of the page before it that does not continue another. `run`: it is run, too. `background`: and runs
 * on while the following ones do, on later pages as well. `prints=TEXT`: it has to print this.
 *
 * @throws Error for a comment that nobody understands
 */
export function readExamples(page: string, markdown: string): DocExample[] {
  const examples: DocExample[] = [];
  let base = '';
  for (const match of markdown.matchAll(FENCE)) {
    const block = match[1] ?? '';
    const line = markdown.slice(0, match.index).split('\n').length;
    const directive = DIRECTIVE.exec(markdown.slice(0, match.index));
    const place = `${page}:${line}`;
    const { prints, flags } = flagsOf((directive?.[1] ?? '').trim(), place);
    const hidden = directive?.[2] ?? '';
    const code = `${flags.has('continues') ? base : ''}${hidden}\n${block}`;
    if (!flags.has('continues')) base = code;
    examples.push({
      place,
      name: `${page.replaceAll(/[^A-Za-z]+/g, '-')}-${line}`,
      code,
      run: flags.has('run') || flags.has('background'),
      background: flags.has('background'),
      prints,
    });
  }
  return examples;
}

const FLAGS = new Set(['continues', 'run', 'background']);

function flagsOf(text: string, place: string): { flags: ReadonlySet<string>; prints: string | undefined } {
  const [words = '', prints] = text.split('prints=');
  const flags = new Set(words.split(' ').filter(Boolean));
  for (const flag of flags) if (!FLAGS.has(flag)) throw new Error(`${place}: "${flag}" is nothing an example can be`);
  return { flags, prints: prints?.trim() };
}

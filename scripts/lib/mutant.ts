import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { filesBelow, root } from './files.ts';

/** A bug to plant: text of a source file, and what stands there instead. */
export interface MutantEdit {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that the searches have to find. */
export interface Mutant {
  readonly id: string;
  /** What is wrong with it, in a sentence. */
  readonly what: string;
  /** The guarantee (`G1` to `G6`) or the requirement that it breaks. */
  readonly guarantee: string;
  /** The row of a table in docs/guarantees.md that it breaks: the text of its first cell. */
  readonly row?: string;
  /** They are applied together. */
  readonly edits: readonly MutantEdit[];
  /** The test files that kill it, from the root of the repository: they run first. */
  readonly tests?: readonly string[];
}

/** Where the lists stand: one for each part of the code. */
const MUTANTS_FOLDER: string = join(root, 'packages', 'conformance', 'mutants');

const GUARANTEE = /^G[1-6]$|^[A-Z]+-\d+$/;

/** @throws Error that names the entry that cannot be read, or the id that stands twice */
export async function readMutants(folder: string = MUTANTS_FOLDER): Promise<Mutant[]> {
  const mutants: Mutant[] = [];
  for (const path of filesBelow(folder).filter((file) => file.endsWith('.json'))) {
    const entries = JSON.parse(await readFile(path, 'utf8')) as unknown;
    if (!Array.isArray(entries)) throw new Error(`${path} is no list of mutants.`);
    for (const [index, entry] of entries.entries())
      mutants.push(checked(entry, `${basename(path)}, entry ${index + 1}`));
  }
  const seen = new Set<string>();
  for (const { id } of mutants) {
    if (seen.has(id)) throw new Error(`The mutant ${id} stands twice.`);
    seen.add(id);
  }
  return mutants;
}

function checked(entry: unknown, place: string): Mutant {
  const { id, what, guarantee, row, edits, tests } = (entry ?? {}) as Record<string, unknown>;
  const isText = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
  const isEdit = (edit: unknown): boolean => {
    const { file, find, replace } = (edit ?? {}) as Record<string, unknown>;
    return isText(file) && isText(find) && typeof replace === 'string' && find !== replace;
  };
  if (!isText(id) || !isText(what)) throw new Error(`${place}: a mutant has an id and says what is wrong.`);
  if (!isText(guarantee) || !GUARANTEE.test(guarantee)) {
    throw new Error(`${place} (${id}): the guarantee is G1 to G6, or the id of a requirement.`);
  }
  if (row !== undefined && !isText(row)) throw new Error(`${place} (${id}): the row is the text of its first cell.`);
  if (!Array.isArray(edits) || edits.length === 0 || !edits.every(isEdit)) {
    throw new Error(`${place} (${id}): each edit names a file, a text to find, and another one to put there.`);
  }
  if (tests !== undefined && !(Array.isArray(tests) && tests.every(isText))) {
    throw new Error(`${place} (${id}): tests are paths of test files.`);
  }
  return entry as Mutant;
}

/**
 * The files as they are with the bug planted, by path.
 *
 * @throws Error if a text is not there, or not just once: the code has changed, and the mutant has to follow
 */
export async function mutated({ id, edits }: Mutant, from: string = root): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const source = files.get(file) ?? (await readFile(join(from, file), 'utf8').catch(() => undefined));
    if (source === undefined) throw new Error(`The mutant ${id} changes ${file}, which is not there.`);
    const count = source.split(find).length - 1;
    if (count !== 1) throw new Error(`The mutant ${id}: its text stands ${count} times in ${file}, not once.`);
    files.set(
      file,
      source.replace(find, () => replace),
    );
  }
  return files;
}

/** The first cells of the rows of the tables in a page of documentation. */
export function tableRows(markdown: string): string[] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => (line.split('|')[1] ?? '').trim())
    .filter((cell, index, cells) => !/^-+$/.test(cell) && !/^-+$/.test(cells[index + 1] ?? ''));
}

import type { GitOptions } from './git.ts';
import { git } from './git.ts';
import type { Repository } from './repository.ts';

/** Full ref name -> object id. */
export type Refs = ReadonlyMap<string, string>;

/** What happened to one ref between two looks. */
export interface RefChange {
  ref: string;
  kind: 'branch' | 'tag' | 'remote' | 'other';
  change: 'created' | 'updated' | 'deleted';
  before: string | null;
  after: string | null;
}

/** All refs, or those below a prefix. */
export async function readRefs(repository: Repository, prefix = 'refs/', options: GitOptions = {}): Promise<Refs> {
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', '--end-of-options', prefix];
  const { stdout } = await git(repository.path, args, options);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line): [string, string] => [line.slice(line.indexOf(' ') + 1), line.split(' ', 1)[0] ?? '']),
  );
}

/** The commit a branch points at, undefined if there is no such branch. `name` has passed `isBranchName`. */
export async function readBranch(
  repository: Repository,
  name: string,
  options: GitOptions,
): Promise<string | undefined> {
  // The prefix also matches branches below NAME/; the exact name is picked here.
  return (await readRefs(repository, `refs/heads/${name}`, options)).get(`refs/heads/${name}`);
}

/** Changes in the order of the ref names. */
export function compareRefs(before: Refs, after: Refs): RefChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return names.flatMap((ref): RefChange[] => {
    const from = before.get(ref) ?? null;
    const to = after.get(ref) ?? null;
    if (from === to) return [];
    const change = from === null ? 'created' : to === null ? 'deleted' : 'updated';
    return [{ ref, kind: kindOf(ref), change, before: from, after: to }];
  });
}

function kindOf(ref: string): RefChange['kind'] {
  if (ref.startsWith('refs/heads/')) return 'branch';
  if (ref.startsWith('refs/tags/')) return 'tag';
  return ref.startsWith('refs/remotes/') ? 'remote' : 'other';
}

import type { GitOptions } from './git.ts';
import { git, GitError } from './git.ts';
import type { Repository } from './repository.ts';

/** One commit, as far as it is told to subscribers. */
export interface Commit {
  hash: string;
  author: string;
  subject: string;
  committedAt: Date;
  /** Files that differ from the (first) parent. */
  filesChanged: number;
}

/** Commits reachable from `to` and not from `from`; `from` null means all of them. Hashes are full object ids. */
export interface CommitRange {
  from: string | null;
  to: string;
  /** Only commits that touch this path, relative to the top of the repository. */
  path?: string | undefined;
}

/** Subjects are for triage; some commits have no line break at all. */
const MAX_SUBJECT_LENGTH = 500;

/** Whether the repository has this commit. */
export async function hasCommit(repository: Repository, hash: string, options: GitOptions): Promise<boolean> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${hash}^{commit}`];
  const { exitCode } = await git(repository.path, args, { ...options, answers: [0, 1] });
  return exitCode === 0;
}

/**
 * Where a commit stands: `ancestor` of `tip` (or `tip` itself), `elsewhere` in the repository, or `unknown` to it.
 *
 * @param tip exists
 */
export async function standing(
  repository: Repository,
  hash: string,
  tip: string,
  options: GitOptions,
): Promise<'ancestor' | 'elsewhere' | 'unknown'> {
  if (hash === tip) return 'ancestor';
  const args = ['merge-base', '--is-ancestor', '--end-of-options', hash, tip];
  try {
    const { exitCode } = await git(repository.path, args, { ...options, answers: [0, 1] });
    return exitCode === 0 ? 'ancestor' : 'elsewhere';
  } catch (error) {
    // The exit code for an unknown commit is the one for everything else that can go wrong.
    if (error instanceof GitError && !(await hasCommit(repository, hash, options))) return 'unknown';
    throw error;
  }
}

/**
 * Hashes of a range, parents before children. Commits never change, so the same range gives the same list for ever,
 * also with a path: full history decides about each commit by itself.
 */
export async function listCommits(repository: Repository, range: CommitRange, options: GitOptions): Promise<string[]> {
  const { from, to, path } = range;
  const { stdout } = await git(
    repository.path,
    [
      '--literal-pathspecs',
      '--no-replace-objects',
      'rev-list',
      '--topo-order',
      '--reverse',
      ...(path === undefined ? [] : ['--full-history']),
      '--end-of-options',
      to,
      ...(from === null ? [] : [`^${from}`]),
      '--',
      ...(path === undefined ? [] : [path]),
    ],
    options,
  );
  return stdout.split('\n').filter((line) => line !== '');
}

/** The commits themselves, in the order asked for. */
export async function readCommits(
  repository: Repository,
  hashes: readonly string[],
  options: GitOptions,
): Promise<Commit[]> {
  if (hashes.length === 0) return [];
  const { stdout } = await git(
    repository.path,
    [
      '--no-replace-objects',
      '-c',
      'log.showRoot=true',
      'log',
      '--no-walk=unsorted',
      '--format=%x00%H%x00%an%x00%ct%x00%s%x00',
      '--encoding=UTF-8',
      '--name-only',
      '--no-renames',
      '--diff-merges=first-parent',
      '--no-show-signature',
      '--no-notes',
      '--no-color',
      '--end-of-options',
      ...hashes,
      '--',
    ],
    options,
  );
  // Commits hold no NUL, so each one is exactly: hash, author, seconds, subject, and the lines of file names up to the next.
  const [, ...fields] = stdout.split('\0');
  const commits: Commit[] = [];
  for (let at = 0; at + 4 < fields.length; at += 5) {
    const [hash = '', author = '', seconds = '', subject = '', files = ''] = fields.slice(at, at + 5);
    commits.push({
      hash,
      author,
      subject: Array.from(subject).slice(0, MAX_SUBJECT_LENGTH).join(''),
      committedAt: dateOf(seconds),
      filesChanged: files.split('\n').filter((line) => line !== '').length,
    });
  }
  return commits;
}

/** Anybody can write any date into a commit; one that is none must not stop the events after it. */
function dateOf(seconds: string): Date {
  const date = new Date(Number(seconds) * 1_000);
  const year = date.getUTCFullYear();
  return year >= 0 && year <= 9_999 ? date : new Date(0);
}

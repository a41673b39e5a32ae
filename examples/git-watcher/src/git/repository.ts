import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { git } from './git.ts';

/** A local repository, with or without a work tree. */
export interface Repository {
  /** Where commands run: the top of the work tree, so that paths mean the same everywhere. */
  readonly path: string;
  /** Where refs are kept; shared by all work trees. */
  readonly commonDir: string;
  /** The branch that was checked out when the repository was opened; undefined for a detached HEAD. */
  readonly headBranch: string | undefined;
}

/** @throws GitError if there is no repository at `path` */
export async function openRepository(path: string): Promise<Repository> {
  const commonDir = await git(path, ['rev-parse', '--path-format=absolute', '--git-common-dir']);
  // Empty where there is no work tree.
  const toTop = await git(path, ['rev-parse', '--show-cdup']);
  // Exit code 1: HEAD is detached. A branch without commits is named all the same.
  const head = await git(path, ['symbolic-ref', '--quiet', '--short', 'HEAD'], { answers: [0, 1] });
  return {
    path: await realpath(resolve(path, toTop.stdout.trim())),
    commonDir: commonDir.stdout.replace(/\n$/, ''),
    headBranch: head.exitCode === 0 ? head.stdout.trim() : undefined,
  };
}

/**
 * Whether git would take this as a branch name. Stricter than needed in one point: no backslash anywhere. What passes is
 * only ever used as `refs/heads/NAME`, so it is neither an option nor a revision expression.
 */
export function isBranchName(name: string): boolean {
  return BRANCH_NAME.test(name) && !/\.\.|\/\/|@\{|\/\.|\.lock(\/|$)/.test(name);
}

// No leading dash, dot or slash; no control characters, spaces or glob and revision characters; no trailing dot or slash.
// oxlint-disable-next-line no-control-regex -- control characters are what it refuses
const BRANCH_NAME = /^(?![-./])[^\u0000-\u0020\u007f~^:?*[\\]{1,240}(?<![./])$/;

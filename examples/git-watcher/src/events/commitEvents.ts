import type { EventHandle, Events } from '@mcp-events/server';
import { z } from 'zod';
import { isBranchName } from '../git/repository.ts';
import type { Repository } from '../git/repository.ts';
import { checkCommits } from './checkCommits.ts';

const input = z.object({
  branch: z
    .string()
    .refine(isBranchName, 'must be the name of a branch, without refs/heads/')
    .describe('Branch to follow. Default: the one that was checked out when the server started')
    .optional(),
  author: z.string().min(1).describe('Only commits whose author name contains this, in any case').optional(),
  path: z
    .string()
    .refine(isInside, 'must be a path inside the repository, relative to its top')
    .describe('Only commits that touch this file or folder')
    .optional(),
});

const payload = z.object({
  hash: z.string(),
  branch: z.string(),
  author: z.string().describe('Author name'),
  subject: z.string().describe('First line of the message, at most 500 characters'),
  filesChanged: z.int().min(0).describe('Files that differ from the (first) parent'),
});

export type CommitArguments = z.infer<typeof input>;
export type CommitPayload = z.infer<typeof payload>;

/** The slow but sure way to notice a commit; with a watcher that calls `wake()` it is rarely what finds it first. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * `git.commit`: the commits of a branch, from `check`. The repository remembers them, so nothing is lost while
 * subscribers or this server are away.
 */
export function defineCommitEvents(
  events: Events,
  repository: Repository,
): EventHandle<CommitArguments, CommitArguments, CommitPayload> {
  return events.define('git.commit', {
    description: 'A commit became part of a branch. Parents come before their children.',
    input,
    payload,
    nextPollMs: CHECK_INTERVAL_MS,
    check: checkCommits(repository),
    match: (_context, { data }, { author }) =>
      author === undefined || data.author.toLowerCase().includes(author.toLowerCase()),
  });
}

function isInside(path: string): boolean {
  return path !== '' && !path.startsWith('/') && !path.includes('\0') && !path.split('/').includes('..');
}

import { EventsError } from '@mcp-events/server';
import type { Check, CheckContext, CheckResult } from '@mcp-events/server';
import { hasCommit, listCommits, readCommits, standing } from '../git/history.ts';
import { readBranch, readRefs } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { decodeCommitCursor, encodeCommitCursor } from './commitCursor.ts';
import type { CommitCursor } from './commitCursor.ts';
import type { CommitArguments, CommitPayload } from './commitEvents.ts';

type Result = CheckResult<CommitPayload>;

/**
 * Looks for commits after a cursor. Everything needed is in the cursor and in the repository, so it answers the same
 * after a restart of the server (POLL-01).
 */
export function checkCommits(repository: Repository): Check<CommitArguments, CommitPayload> {
  return async (context, args, cursor) => {
    const branch = args.branch ?? repository.headBranch;
    if (branch === undefined) {
      throw invalidArgument('HEAD of the repository is detached, so a branch has to be named');
    }
    const tip = await readBranch(repository, branch, context);
    const position = cursor === null ? undefined : decodeCommitCursor(cursor);
    if (cursor === null || position === undefined) {
      const now = await currentPosition(repository, branch, tip, context);
      return { events: [], cursor: encodeCommitCursor(now), truncated: cursor !== null };
    }
    // A branch that is gone has no commits to tell of, and may come back.
    if (tip === undefined) return { events: [], cursor };
    return readOn(repository, { branch, path: args.path, tip, position }, context);
  };
}

interface Reading {
  readonly branch: string;
  readonly path: string | undefined;
  readonly tip: string;
  readonly position: CommitCursor;
}

async function readOn(repository: Repository, reading: Reading, context: CheckContext): Promise<Result> {
  const { tip, position } = reading;
  const { from, stretch } = position;
  if (stretch === undefined && from === tip) return { events: [], cursor: encodeCommitCursor(position) };
  // A cursor may come from anybody: only what the branch holds is read.
  const last = stretch?.to ?? from;
  const where = last === null ? 'ancestor' : await standing(repository, last, tip, context);
  const startExists = stretch === undefined ? where !== 'unknown' : await isKnown(repository, from, context);
  if (!startExists) {
    // Nobody can say what came after a commit that is not here.
    return { events: [], cursor: encodeCommitCursor({ from: tip }), truncated: true };
  }
  if (where !== 'ancestor') {
    // History was rewritten: commits that were told are no longer part of it, which is what `truncated` says. All that
    // the branch holds now and did not hold before still follows.
    const onward = { from, stretch: { to: tip, told: 0 } };
    return { events: [], cursor: encodeCommitCursor(onward), truncated: true, hasMore: true };
  }
  return readStretch(repository, reading, stretch ?? { to: tip, told: 0 }, context);
}

async function isKnown(repository: Repository, from: string | null, context: CheckContext): Promise<boolean> {
  return from === null || (await hasCommit(repository, from, context));
}

async function readStretch(
  repository: Repository,
  { branch, path, position: { from } }: Reading,
  { to, told }: NonNullable<CommitCursor['stretch']>,
  context: CheckContext,
): Promise<Result> {
  const hashes = await listCommits(repository, { from, to, path }, context);
  const end = Math.min(told + context.limit, hashes.length);
  const commits = await readCommits(repository, hashes.slice(told, end), context);
  const after = (count: number): string =>
    encodeCommitCursor(count >= hashes.length ? { from: to } : { from, stretch: { to, told: count } });
  const events = commits.map(({ hash, committedAt, ...rest }, index) => ({
    // The same commit on two branches is two events.
    eventId: `${branch}@${hash}`,
    timestamp: committedAt,
    data: { hash, branch, ...rest },
    cursor: after(told + index + 1),
  }));
  return { events, cursor: after(end), hasMore: end < hashes.length };
}

async function currentPosition(
  repository: Repository,
  branch: string,
  tip: string | undefined,
  context: CheckContext,
): Promise<CommitCursor> {
  if (tip !== undefined) return { from: tip };
  const isEmpty = (await readRefs(repository, 'refs/', context)).size === 0;
  if (isEmpty || branch === repository.headBranch) return { from: null };
  // Otherwise its whole history would count as new once the branch is made.
  throw invalidArgument(`the repository has no branch ${JSON.stringify(branch)}`);
}

function invalidArgument(problem: string): EventsError {
  return new EventsError('InvalidParams', `arguments.branch: ${problem}`);
}

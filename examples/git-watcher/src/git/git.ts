import { execFile } from 'node:child_process';

/** A git command that failed. `exitCode` is undefined when it never ran or was stopped. */
export class GitError extends Error {
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode: number | undefined, cause: unknown) {
    super(message, { cause });
    this.name = 'GitError';
    this.exitCode = exitCode;
  }
}

export interface GitOptions {
  /** Stops the command. */
  signal?: AbortSignal;
  /** Default 20,000 ms: a hung command must fail before the server gives up on the whole check. */
  timeoutMs?: number;
  /** Exit codes that are answers, not failures. Default only 0. */
  answers?: readonly number[];
  /** Variables to set beside the ones every command gets. */
  environment?: Readonly<Record<string, string>>;
}

export interface GitAnswer {
  exitCode: number;
  stdout: string;
}

/** A list of all commits of a very large repository (41 bytes each) fits. */
const MAX_OUTPUT_BYTES = 128 * 1024 * 1024;

/** Set when the caller itself runs inside a git hook; they would point every command at the wrong repository. */
const MISLEADING_VARIABLES = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_COMMON_DIR',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_NAMESPACE',
  'GIT_PREFIX',
];

/**
 * Runs git in a folder, without a shell. Callers put values of others behind `--end-of-options` or `--`, so that none of
 * them is read as an option.
 *
 * @throws GitError for any exit code that is not an answer
 */
export function git(folder: string, args: readonly string[], options: GitOptions = {}): Promise<GitAnswer> {
  const { signal, timeoutMs = 20_000, answers = [0], environment } = options;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...Object.fromEntries(MISLEADING_VARIABLES.map((name) => [name, undefined])),
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    // Reading must leave no trace, not even a refreshed index.
    GIT_OPTIONAL_LOCKS: '0',
    ...environment,
  };
  const settings = { cwd: folder, env, signal, timeout: timeoutMs, maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true };
  return new Promise((resolve, reject) => {
    execFile('git', ['--no-pager', ...args], settings, (error, stdout, stderr) => {
      const exitCode = error === null ? 0 : error.code;
      if (typeof exitCode === 'number' && answers.includes(exitCode)) resolve({ exitCode, stdout });
      else reject(failure(args, folder, error, stderr));
    });
  });
}

function failure(args: readonly string[], folder: string, error: unknown, stderr: string): GitError {
  const { code, killed, name } = error as { code?: number | string; killed?: boolean; name?: string };
  const command = `git ${args[0] ?? ''} in ${folder}`;
  if (code === 'ENOENT') {
    return new GitError(`${command} could not start: is git installed, and does the folder exist?`, undefined, error);
  }
  if (name === 'AbortError') return new GitError(`${command} was stopped`, undefined, error);
  if (killed === true) return new GitError(`${command} took too long or wrote too much`, undefined, error);
  const exitCode = typeof code === 'number' ? code : undefined;
  return new GitError(`${command} failed: ${stderr.trim() || String(code)}`, exitCode, error);
}

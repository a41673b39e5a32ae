import { appendFile } from 'node:fs/promises';
import { devNull } from 'node:os';
import { dirname, join } from 'node:path';
import { git } from '../git/git.ts';

/** The same commits on every machine: no hooks, signatures or templates of whoever runs this. */
const ISOLATED = { GIT_CONFIG_GLOBAL: devNull, GIT_CONFIG_NOSYSTEM: '1' };

const NAME = 'Scratch Author';
const EMAIL = 'scratch@example.com';
const IDENTITY = ['-c', `user.name=${NAME}`, '-c', `user.email=${EMAIL}`];
const QUIET = [
  '-c',
  `core.hooksPath=${devNull}`,
  '-c',
  'commit.gpgSign=false',
  '-c',
  'gc.auto=0',
  '-c',
  'advice.detachedHead=false',
];

/** The file that each commit adds a line to. */
const FILE_NAME = 'mcp-events-demo.txt';

/** A repository to be thrown away, for making commits in. */
export class ScratchRepository {
  readonly path: string;
  /** The branch that commits go to. */
  readonly branch: string;

  private constructor(path: string, branch: string) {
    this.path = path;
    this.branch = branch;
  }

  /** An empty repository in a new folder. */
  static async create(path: string): Promise<ScratchRepository> {
    await git(dirname(path), ['init', '--quiet', '--template=', '--end-of-options', path], { environment: ISOLATED });
    await git(path, ['symbolic-ref', 'HEAD', 'refs/heads/main']);
    // Kept in the repository, so that commits can also be made by hand.
    await git(path, ['config', 'user.name', NAME]);
    await git(path, ['config', 'user.email', EMAIL]);
    // Thrown away soon: nothing of it has to survive a power cut, and a busy disk would hold up each commit.
    await git(path, ['config', 'core.fsync', 'none']);
    return new ScratchRepository(path, 'main');
  }

  /** A clone in a new folder. It borrows the objects of `source`, which is only read. */
  static async clone(source: string, path: string): Promise<ScratchRepository> {
    await git(dirname(path), ['clone', '--quiet', '--shared', '--template=', '--', source, path], {
      environment: { GIT_LFS_SKIP_SMUDGE: '1' },
      timeoutMs: 60_000,
    });
    const head = await git(path, ['symbolic-ref', '--quiet', '--short', 'HEAD'], { answers: [0, 1] });
    if (head.exitCode === 0) return new ScratchRepository(path, head.stdout.trim());
    await git(path, ['checkout', '--quiet', '-B', 'demo']);
    return new ScratchRepository(path, 'demo');
  }

  /** Makes a commit and returns its hash. */
  async commit(subject: string): Promise<string> {
    await appendFile(join(this.path, FILE_NAME), `${subject}\n`);
    await this.#git('add', '--force', '--', FILE_NAME);
    await this.#git('commit', '--quiet', '--no-verify', '--message', subject);
    return this.head();
  }

  async head(): Promise<string> {
    return (await this.#git('rev-parse', '--verify', 'HEAD')).trim();
  }

  /** Creates a branch, or moves it. */
  async setBranch(name: string, hash: string): Promise<void> {
    await this.#git('branch', '--force', name, hash);
  }

  async deleteBranch(name: string): Promise<void> {
    await this.#git('branch', '--quiet', '-D', name);
  }

  async #git(...args: string[]): Promise<string> {
    const { stdout } = await git(this.path, [...IDENTITY, ...QUIET, ...args], { environment: ISOLATED });
    return stdout;
  }
}

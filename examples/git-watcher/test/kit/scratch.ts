import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ScratchRepository } from '../../src/demo/scratchRepository.ts';
import { git } from '../../src/git/git.ts';

/** A scratch repository of one test, removed by `remove()`. */
export class TestRepository {
  readonly folder: string;
  readonly repository: ScratchRepository;

  private constructor(folder: string, repository: ScratchRepository) {
    this.folder = folder;
    this.repository = repository;
  }

  static async create(): Promise<TestRepository> {
    const folder = await mkdtemp(join(tmpdir(), 'git-watcher-test-'));
    return new TestRepository(folder, await ScratchRepository.create(join(folder, 'repository')));
  }

  get path(): string {
    return this.repository.path;
  }

  async git(...args: string[]): Promise<string> {
    return (await git(this.path, args)).stdout.trim();
  }

  async commits(...subjects: string[]): Promise<string[]> {
    const hashes: string[] = [];
    for (const subject of subjects) hashes.push(await this.repository.commit(subject));
    return hashes;
  }

  /** A commit with chosen parents and no branch pointing at it; nothing in the work tree changes. */
  async looseCommit(subject: string, parents: readonly string[]): Promise<string> {
    const tree = await this.git('hash-object', '-t', 'tree', '-w', '/dev/null');
    return this.git('commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-m', subject);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

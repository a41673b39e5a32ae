import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClientDeliveryMode } from '@mcp-events/client';
import { createCertificate } from './certificate.ts';
import type { CertificateFiles } from './certificate.ts';
import { readJournal, withoutRepetitions } from './journal.ts';
import type { JournalEntry } from './journal.ts';
import { ServerProcess, SubscriberProcess } from './processes.ts';
import { ScratchRepository } from './scratchRepository.ts';
import { brokenPromises, count, tally } from './tally.ts';
import type { Tally } from './tally.ts';
import type { Waiting } from './waiting.ts';

/** The fewest commits with which every act has some. */
export const MIN_COMMITS = 9;

/** Commits come one by one, as from people in a hurry, so that all subscribers are in the middle of it when things end. */
const PAUSE_MS = 40;

const COMMITS = 'git.commit';
const REF_UPDATES = 'git.ref.updated';
const FOLLOWED_BRANCH = 'demo-release';
/** The second move is made while the server is down. */
const REF_CHANGES = ['created', 'updated', 'updated', 'deleted'];

export interface ScenarioOptions {
  /** An existing one; everything is written below it. */
  folder: string;
  /** A repository to clone. Default: an empty one. */
  source: string | undefined;
  commits: number;
  waiting: Waiting;
  /** Told what has just been done. */
  tell: (what: string) => void;
}

/** What a subscriber got. */
export interface SubscriberReport {
  mode: ClientDeliveryMode;
  commits: Tally;
  /** Changes of the followed branch, in the order they arrived. */
  refChanges: string[];
  refGapsTold: number;
}

export interface ScenarioReport {
  subscribers: SubscriberReport[];
  /** In words; empty if all promises held. */
  problems: string[];
}

interface MadeCommit {
  readonly hash: string;
  readonly startedAtMs: number;
  /** The subscribers to which it could travel without a restart in between. */
  readonly liveFor: Set<ClientDeliveryMode>;
}

/** The whole story: commits are made while subscribers and server come and go. */
export class Scenario {
  readonly #options: ScenarioOptions;
  readonly #repository: ScratchRepository;
  readonly #server: ServerProcess;
  readonly #push: SubscriberProcess;
  readonly #poll: SubscriberProcess;
  readonly #webhook: SubscriberProcess;
  readonly #subscribers: readonly SubscriberProcess[];
  readonly #made: MadeCommit[] = [];
  /** Subscribers that run and have a running server. */
  readonly #connected = new Set<ClientDeliveryMode>();

  private constructor(options: ScenarioOptions, repository: ScratchRepository, certificate: CertificateFiles) {
    const { folder, waiting } = options;
    this.#options = options;
    this.#repository = repository;
    this.#server = new ServerProcess(repository.path, folder, certificate.certificatePath, waiting);
    const common = { branch: repository.branch, ref: `refs/heads/${FOLLOWED_BRANCH}`, folder, waiting };
    this.#push = new SubscriberProcess({ mode: 'push', ...common });
    this.#poll = new SubscriberProcess({ mode: 'poll', ...common });
    this.#webhook = new SubscriberProcess({ mode: 'webhook', certificate, ...common });
    this.#subscribers = [this.#push, this.#poll, this.#webhook];
  }

  static async create(options: ScenarioOptions): Promise<Scenario> {
    const { folder, source, tell } = options;
    const path = join(folder, 'repository');
    const certificate = await createCertificate(folder);
    if (source === undefined) {
      const repository = await ScratchRepository.create(path);
      tell('Made an empty scratch repository');
      return new Scenario(options, repository, certificate);
    }
    const repository = await ScratchRepository.clone(source, path);
    tell(`Cloned ${source} to make commits in the clone; the original is only read`);
    return new Scenario(options, repository, certificate);
  }

  /** Leaves no process behind, however it ends. */
  async run(): Promise<ScenarioReport> {
    try {
      return await this.#play();
    } finally {
      await Promise.all([...this.#subscribers, this.#server].map((child) => child.kill()));
    }
  }

  async #play(): Promise<ScenarioReport> {
    const { tell, commits } = this.#options;
    await this.#server.start();
    tell(`Started the server (process ${this.#server.pid}) at ${this.#server.url}`);
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.start(this.#server.url)));
    for (const { mode } of this.#subscribers) this.#connected.add(mode);
    const started = this.#subscribers.map(({ mode, pid }) => `${mode} (process ${pid})`);
    tell(`Started three subscribers: ${started.join(', ')}`);

    const third = Math.floor(commits / 3);
    await this.#undisturbedCommits(third);
    await this.#refUpdates();
    await this.#killedSubscriber(third);
    await this.#killedServer(commits - 2 * third);
    return this.#report();
  }

  async #undisturbedCommits(amount: number): Promise<void> {
    await this.#commit(amount);
    await this.#allReceived();
    this.#options.tell(`Made ${count(amount, 'commit')}; all subscribers have them`);
  }

  async #refUpdates(): Promise<void> {
    const { waiting, tell } = this.#options;
    const steps = [() => this.#moveBranch(0), () => this.#moveBranch(1)];
    for (const [index, step] of steps.entries()) {
      await step();
      // One after the other: what changes twice between two looks of the server is one change.
      await waiting.until(
        `the push subscriber to hear of the branch ${FOLLOWED_BRANCH}`,
        () => this.#push.refUpdates > index,
      );
    }
    await this.#heardOfBranch(steps.length);
    tell(`Created and moved the branch ${FOLLOWED_BRANCH}; all were told each time`);
  }

  async #killedSubscriber(amount: number): Promise<void> {
    const { tell } = this.#options;
    const half = Math.ceil(amount / 2);
    await this.#commitWhile(half, async () => {
      this.#disconnect(this.#push);
      tell(`kill -9 ${this.#push.pid}: the push subscriber is gone, in the middle of more commits`);
      await this.#push.kill();
    });
    const had = (await readJournal(this.#push.journalPath)).filter(isCommit).length;
    await this.#commit(amount - half);
    tell(`Went on without it: it had ${count(had, 'commit')}, and there are ${this.#made.length} now`);
    await this.#push.start(this.#server.url);
    await this.#allReceived();
    this.#connected.add('push');
    tell(`Restarted it (process ${this.#push.pid}): it resumed after commit ${had} and has all ${this.#made.length}`);
  }

  async #killedServer(amount: number): Promise<void> {
    const { tell } = this.#options;
    const part = Math.floor(amount / 3);
    await this.#commitWhile(part, async () => {
      for (const subscriber of this.#subscribers) this.#disconnect(subscriber);
      tell(`kill -9 ${this.#server.pid}: the server is gone, in the middle of more commits`);
      await this.#server.kill();
    });
    await this.#commit(part);
    await this.#moveBranch(2);
    tell(`Nobody serves: there are ${this.#made.length} commits now, and ${FOLLOWED_BRANCH} has moved once more`);
    await this.#server.start();
    tell(`Restarted it (process ${this.#server.pid}) on its storage`);
    await this.#allReceived();
    await this.#heardOfBranch(3);
    for (const { mode } of this.#subscribers) this.#connected.add(mode);
    tell(
      `Push and poll came back, and it went on posting to the webhook; each has all ${this.#made.length} commits and ` +
        'the move',
    );
    await this.#repository.deleteBranch(FOLLOWED_BRANCH);
    await this.#commit(amount - 2 * part);
    await this.#allReceived();
    await this.#heardOfBranch(4);
    tell(
      `Deleted the branch and made the last ${count(amount - 2 * part, 'commit')}; all have all ${this.#made.length}`,
    );
  }

  /** Creates the followed branch, or moves it: to one of the first commits. */
  async #moveBranch(index: number): Promise<void> {
    await this.#repository.setBranch(FOLLOWED_BRANCH, this.#made[index]?.hash ?? '');
  }

  async #heardOfBranch(times: number): Promise<void> {
    await this.#options.waiting.until(`all subscribers to hear ${count(times, 'time')} of ${FOLLOWED_BRANCH}`, () =>
      this.#subscribers.every(({ refUpdates }) => refUpdates >= times),
    );
  }

  async #report(): Promise<ScenarioReport> {
    const subscribers: SubscriberReport[] = [];
    const problems: string[] = [];
    for (const { mode, journalPath } of this.#subscribers) {
      const journal = await readJournal(journalPath);
      const sent = this.#made.map(({ hash, startedAtMs, liveFor }) => ({ hash, startedAtMs, live: liveFor.has(mode) }));
      const commits = tally(sent, journal, COMMITS);
      const refs = withoutRepetitions(journal).filter(({ eventType }) => eventType === REF_UPDATES);
      const refChanges = refs.flatMap((entry) => (entry.kind === 'event' ? [entry.what] : []));
      const refGapsTold = refs.filter(({ kind }) => kind === 'gap').length;
      subscribers.push({ mode, commits, refChanges, refGapsTold });
      problems.push(...brokenPromises(mode, commits, mode === 'push' ? 1 : 0));
      if (refChanges.join() !== REF_CHANGES.join()) {
        problems.push(`the ${mode} subscriber got the branch updates ${refChanges.join(', ') || '(none)'}`);
      }
      if (refGapsTold !== 0) {
        problems.push(
          `the ${mode} subscriber was told ${count(refGapsTold, 'time')} that branch updates may be missing`,
        );
      }
    }
    return { subscribers, problems };
  }

  async #allReceived(): Promise<void> {
    const hashes = this.#made.map(({ hash }) => hash);
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.received(hashes)));
  }

  /** Makes commits, and runs `interrupt` as soon as the push subscriber has the first of them. */
  async #commitWhile(amount: number, interrupt: () => Promise<void>): Promise<void> {
    const { waiting } = this.#options;
    const before = this.#made.length;
    const firstArrived = waiting.until('the push subscriber to have the next commit', () => {
      const next = this.#made[before];
      return next !== undefined && this.#push.commits.has(next.hash);
    });
    await Promise.all([this.#commit(amount), firstArrived.then(interrupt)]);
  }

  async #commit(amount: number): Promise<void> {
    for (let made = 0; made < amount; made++) {
      this.#options.waiting.assertGoing();
      const connectedBefore = [...this.#connected];
      const startedAtMs = Date.now();
      const hash = await this.#repository.commit(`Commit ${this.#made.length + 1} of ${this.#options.commits}`);
      const liveFor = new Set(connectedBefore.filter((mode) => this.#connected.has(mode)));
      this.#made.push({ hash, startedAtMs, liveFor });
      this.#options.waiting.changed();
      await pause(PAUSE_MS);
    }
  }

  /** What has not arrived by now arrives after a restart, which says nothing about latency. */
  #disconnect({ mode, commits }: SubscriberProcess): void {
    this.#connected.delete(mode);
    for (const { hash, liveFor } of this.#made) {
      if (!commits.has(hash)) liveFor.delete(mode);
    }
  }
}

function isCommit({ kind, eventType }: JournalEntry): boolean {
  return kind === 'event' && eventType === COMMITS;
}

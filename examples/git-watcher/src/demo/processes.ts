import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ClientDeliveryMode } from '@mcp-events/client';
import type { CertificateFiles } from './certificate.ts';
import { Child } from './child.ts';
import { SECRET_KEYS_VARIABLE } from './messages.ts';
import type { ServerMessage, SubscriberMessage } from './messages.ts';
import type { Waiting } from './waiting.ts';

/** The server in its own process, always at the same address. */
export class ServerProcess {
  readonly #repository: string;
  readonly #logPath: string;
  readonly #waiting: Waiting;
  readonly #options: readonly string[];
  /** What one process has stored, the next one has to be able to read. */
  readonly #secretKey = randomBytes(32).toString('base64');
  #child: Child | undefined;
  #port = '0';
  url = '';

  /** @param certificatePath certificate of the receivers it may post to */
  constructor(repository: string, folder: string, certificatePath: string, waiting: Waiting) {
    this.#repository = repository;
    this.#logPath = join(folder, 'server.log');
    this.#options = ['--storage', join(folder, 'events.db'), '--callback-ca', certificatePath];
    this.#waiting = waiting;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    let listening = false;
    this.#child = new Child({
      name: 'the server',
      script: new URL('../serverProcess.ts', import.meta.url),
      args: ['--repo', this.#repository, '--port', this.#port, ...this.#options],
      environment: { [SECRET_KEYS_VARIABLE]: this.#secretKey },
      logPath: this.#logPath,
      waiting: this.#waiting,
      onMessage: (message) => {
        this.url = (message as ServerMessage).url;
        this.#port = new URL(this.url).port;
        listening = true;
      },
    });
    await this.#waiting.until('the server to listen', () => listening);
  }

  /** Does nothing if it is not running. */
  async kill(): Promise<void> {
    await this.#child?.kill();
    this.#child = undefined;
  }
}

export interface SubscriberOptions {
  mode: ClientDeliveryMode;
  branch: string;
  /** The ref whose updates it follows. */
  ref: string;
  folder: string;
  /** With which it takes webhooks. */
  certificate?: CertificateFiles;
  waiting: Waiting;
}

/** A subscriber in its own process, with positions and a journal that outlive it. */
export class SubscriberProcess {
  readonly mode: ClientDeliveryMode;
  readonly journalPath: string;
  /** Hashes of the commits that reached the application. */
  readonly commits = new Set<string>();
  /** Changes of the followed ref that reached the application. */
  refUpdates = 0;
  /** Gaps told about the followed ref. */
  refGaps = 0;
  /** Event types that are being delivered. */
  readonly following = new Set<string>();
  readonly #options: SubscriberOptions;
  #child: Child | undefined;

  constructor(options: SubscriberOptions) {
    this.#options = options;
    this.mode = options.mode;
    this.journalPath = join(options.folder, `${options.mode}.journal`);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when everything that happens from now on will reach it. */
  async start(url: string): Promise<void> {
    const { mode, branch, ref, folder, certificate, waiting } = this.#options;
    this.following.clear();
    this.#child = new Child({
      name: `the ${mode} subscriber`,
      script: new URL('../subscriber.ts', import.meta.url),
      args: [
        ...['--url', url, '--mode', mode, '--branch', branch, '--ref', ref],
        ...['--store', join(folder, `${mode}.cursors.json`), '--journal', this.journalPath],
        ...(certificate === undefined
          ? []
          : ['--certificate', certificate.certificatePath, '--key', certificate.keyPath]),
      ],
      logPath: join(folder, `${mode}.log`),
      waiting,
      onMessage: (message) => this.#receive(message as SubscriberMessage),
    });
    await waiting.until(`the ${mode} subscriber to follow both event types`, () => this.following.size === 2);
  }

  /** Resolves when all of these commits reached it. */
  async received(hashes: readonly string[]): Promise<void> {
    const { mode, waiting } = this.#options;
    await waiting.until(`the ${mode} subscriber to have ${hashes.length} commits`, () =>
      hashes.every((hash) => this.commits.has(hash)),
    );
  }

  /** Does nothing if it is not running. */
  async kill(): Promise<void> {
    await this.#child?.kill();
    this.#child = undefined;
  }

  #receive(message: SubscriberMessage): void {
    const { eventType } = message;
    if (message.kind === 'following') this.following.add(eventType);
    else if (message.kind === 'event' && eventType === 'git.commit') this.commits.add(message.what);
    else if (eventType === 'git.ref.updated') {
      if (message.kind === 'event') this.refUpdates += 1;
      else this.refGaps += 1;
    }
  }
}

import { decodeWebhookSecret } from '@mcp-events/protocol';
import { Deduplication, idsOf } from './deduplication.ts';
import { anything, checkMembers, func, text } from '@mcp-events/protocol/options';
import type { AcceptResult, RegisteredCallback, WebhookMessage, WebhookRegistration } from './registration.ts';

/**
 * What can repeat are retries, within minutes, and what a server sends again after a restart. Each subscription has a
 * memory of its own, so it is kept small.
 */
const REMEMBERED_MESSAGES = 5_000;

/**
 * Secrets that posts may be signed with, each of which costs a signature for every post that none verifies. A server signs
 * with two at most.
 */
const MAX_KEYS = 8;

/** Ids that challenges named and that may be the subscription's. A server has one, so more are somebody else's doing. */
const MAX_SUGGESTED_IDS = 8;

/**
 * A registration with what was learnt since: keys, the id, and what was accepted lately. Private all of it: what is shown
 * of an object in a log must not hold a secret.
 */
export class Callback implements RegisteredCallback {
  readonly #registration: WebhookRegistration;
  readonly #unregister: (callback: Callback) => void;
  /** The latest first. */
  #keys: readonly Uint8Array[];
  /** Told by who subscribed. */
  #id: string | undefined;
  /** Told by posts, in a header that no signature covers: none of them may take the callback from the others. */
  readonly #suggested: string[] = [];
  #closed = false;
  readonly #received = new Deduplication(REMEMBERED_MESSAGES);

  constructor(registration: WebhookRegistration, unregister: (callback: Callback) => void) {
    assertRegistration(registration);
    this.#registration = registration;
    this.#unregister = unregister;
    this.#keys = [decodeWebhookSecret(registration.secret)];
    this.#id = registration.id;
  }

  get id(): string | undefined {
    return this.#id ?? this.#suggested[0];
  }

  /** The id is certain. */
  get isBound(): boolean {
    return this.#id !== undefined;
  }

  get path(): string | undefined {
    return this.#registration.path;
  }

  get signingKeys(): WebhookRegistration['signingKeys'] {
    return this.#registration.signingKeys;
  }

  /** Whether posts under this id may be meant for it. */
  isNamed(id: string): boolean {
    return this.#id === undefined ? this.#suggested.includes(id) : this.#id === id;
  }

  /** A post that its key signed came under this id. */
  suggest(id: string): void {
    if (this.#id !== undefined || this.#suggested.includes(id) || this.#suggested.length >= MAX_SUGGESTED_IDS) return;
    this.#suggested.push(id);
  }

  get keys(): readonly Uint8Array[] {
    return this.#keys;
  }

  get closed(): boolean {
    return this.#closed;
  }

  bind(id: string): void {
    this.#id = id;
  }

  rotate(secret: string): void {
    this.#keys = [decodeWebhookSecret(secret), ...this.#keys].slice(0, MAX_KEYS);
  }

  dropOldSecrets(): void {
    this.#keys = this.#keys.slice(0, 1);
  }

  close(): void {
    this.#closed = true;
    this.#unregister(this);
  }

  /** A post that one of its keys signed was refused for its time. */
  refused(): unknown {
    return this.#registration.refused?.();
  }

  /**
   * Hands a message to the application, unless it was accepted before.
   *
   * @throws what the application throws
   */
  async deliver(message: WebhookMessage): Promise<AcceptResult> {
    const ids = idsOf(message);
    const result = await this.#received.once(ids, () => this.#registration.accept(message));
    if (result !== 'repeated') return result;
    // The same event is news only in that it may tell another place.
    if (message.kind === 'event' && message.order !== undefined && !this.#received.isAtKnownPlace(ids)) {
      await this.#registration.repeated?.({ ...message, order: message.order });
      this.#received.add(ids);
    }
    return 'accepted';
  }
}

/** @throws TypeError that names the member; without what a secret holds */
function assertRegistration(registration: WebhookRegistration): void {
  // What is wrong with a path or a secret is said where they are read.
  const checks = {
    path: anything,
    secret: anything,
    id: text,
    accept: func,
    repeated: func,
    refused: func,
    signingKeys: func,
  };
  checkMembers<Required<WebhookRegistration>>(registration, checks, 'the registration of a callback');
  func(registration.accept, 'accept');
}

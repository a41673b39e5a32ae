import type { Dialect, JwksDocument } from '@mcp-events/protocol';
import { callbackEndpointError } from '@mcp-events/protocol';
import type { Caller } from '../../context.ts';
import { countedIds, RUN_ID_LENGTH } from '../../countedIds.ts';
import { Deadlines } from '../../deadlines.ts';
import type { Environment } from '../../environment.ts';
import { answeredAtOnce, isPromise } from '../../maybePromise.ts';
import type { MaybePromise } from '../../maybePromise.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Consent } from '../../storage/subscriptionStore.ts';
import type { Subscription, SubscriptionDetails } from '../../subscription/subscription.ts';
import { withTimeLimit } from '../../timeLimit.ts';
import type { Lifecycle } from '../../subscription/lifecycle.ts';
import type { Registry } from '../../subscription/registry.ts';
import type { Delivery } from './delivery.ts';
import { Egress } from './egress/egress.ts';
import { grantTtlMs } from './grant.ts';
import type { LaneContext } from './laneContext.ts';
import { Persistence } from './persistence.ts';
import type { EndedSubscription } from './persistence.ts';
import { FairScheduler } from './scheduling/fairScheduler.ts';
import { comesBackAfter } from './subscriptionState.ts';
import type { SubscriptionEnd } from './subscriptionState.ts';
import { ServerIdentity } from './signing/serverIdentity.ts';
import { readCallbackUrl } from './verification/callbackUrl.ts';
import type { CallbackUrl } from './verification/callbackUrl.ts';
import { ConsentCache } from './verification/consentCache.ts';
import { ReceiverDocuments } from './verification/receiverDocuments.ts';
import { Verifier } from './verification/verifier.ts';
import type { WebhookOptions } from './webhookOptions.ts';
import { resolveWebhookRules } from './webhookRules.ts';
import type { WebhookRules } from './webhookRules.ts';
import { WebhookSubscription } from './webhookSubscription.ts';
import type { CallbackDetails, WebhookSubscriptionListener } from './webhookSubscription.ts';

/**
 * How often positions are stored that moved without a delivery. What they are behind by after a crash has to be read
 * again, for nothing.
 */
const IDLE_POSITIONS_MS = 60_000;

/** Subscriptions looked at before requests get a turn. */
const SUBSCRIPTIONS_PER_TURN = 1_000;

/** What webhook mode shares with the others. */
export interface WebhookSurroundings {
  readonly registry: Registry;
  readonly lifecycle: Lifecycle;
  /** A unique id that cannot be guessed. */
  readonly randomId: () => string;
  readonly storage: Storage;
  readonly warn: (message: string, name: string) => void;
}

/** What webhook subscriptions of one server share. */
export class Webhooks {
  readonly persistence: Persistence | undefined;
  readonly #environment: Environment;
  readonly #registry: Registry;
  readonly #lifecycle: Lifecycle;
  readonly #options: WebhookOptions;
  readonly #rules: WebhookRules;
  readonly #egress: Egress;
  readonly #scheduler: FairScheduler;
  readonly #retries: Deadlines<Delivery>;
  readonly #expiries: Deadlines<WebhookSubscription>;
  readonly #chores: Deadlines<() => void>;
  readonly #consents: ConsentCache;
  readonly #verifier: Verifier;
  readonly #identity: ServerIdentity | undefined;
  readonly #laneContext: LaneContext;
  readonly #listener: WebhookSubscriptionListener;
  #warnedOfTokens = false;
  /** When the positions of an event type were last looked through. */
  readonly #positionsStoredAtMs = new Map<string, number>();

  /** Throws a `TypeError` that names the wrong option. */
  constructor(
    environment: Environment,
    options: WebhookOptions,
    { registry, lifecycle, randomId, storage, warn }: WebhookSurroundings,
  ) {
    const { clock } = environment;
    this.#registry = registry;
    this.#lifecycle = lifecycle;
    this.#environment = environment;
    this.#options = options;
    const { egress, signingKey } = options;
    this.#rules = resolveWebhookRules(options, storage.durable);
    const { limits, retry, suspension, sealer } = this.#rules;
    const report = (error: unknown, name?: string): void => environment.report(error, 'storage', name);
    if (sealer !== undefined) this.persistence = new Persistence(storage.subscriptions, sealer, clock, report);
    this.#egress = new Egress({
      clock,
      ...egress,
      maxSocketsPerOrigin: limits.hostConcurrency,
      onLocalFault: (error) => environment.report(error, 'webhooks'),
    });
    this.#scheduler = new FairScheduler(clock, limits);
    this.#retries = new Deadlines(clock, (delivery) => delivery.retryNow());
    this.#expiries = new Deadlines(clock, (subscription) => this.#due(subscription));
    this.#chores = new Deadlines(clock, (chore) => chore());
    this.#consents = new ConsentCache(clock);
    this.#identity = signingKey && new ServerIdentity(signingKey);
    const postOptions = {
      egress: this.#egress,
      clock,
      identity: this.#identity,
      timeoutMs: retry.attemptTimeoutMs,
    };
    this.#verifier = new Verifier({
      postOptions,
      consents: this.#consents,
      limits,
      documents:
        options.receiverDocuments === false
          ? undefined
          : new ReceiverDocuments(this.#egress, clock, retry.attemptTimeoutMs),
      confirm: (callback) => this.#confirm(callback),
      randomId,
    });
    this.#laneContext = {
      clock,
      random: () => this.#random(),
      createMessageId: countedIds(randomId().replaceAll('-', '').slice(0, RUN_ID_LENGTH)),
      scheduler: this.#scheduler,
      retries: this.#retries,
      postOptions,
      retryRules: retry,
      suspensionRules: suspension,
      maxOutstanding: limits.outstandingPerSubscription,
      tellAbandoned: options.tellAbandoned ?? true,
      bury: (letter) => reported(() => storage.deadLetters.add(letter), report, letter.name),
      redriven: (number) => {
        environment.observer?.redriven();
        reported(() => storage.deadLetters.delete(number), report);
      },
      broke: (error, name) => environment.report(error, 'webhooks', name),
      warn,
      observer: environment.observer,
    };
    this.#listener = {
      onConsented: ({ principal, url }, consent) => {
        // What the operator vouches for is looked at anew each time.
        if (consent !== 'allowed_origin') this.#consents.use(principal, url, consent);
      },
      onEnd: (subscription, end) => this.#ended(subscription, end),
      isReplaced: ({ id }) => registry.get(id) !== undefined,
      onProgress: (subscription) => this.persistence?.touch(subscription),
      onSuspended: (subscription, isNew) => {
        this.#suspended(subscription, isNew);
        this.persistence?.touch(subscription);
      },
      onFailed: (subscription) => this.#failed(subscription),
      onResumed: (subscription) => environment.observer?.resumed(subscription),
    };
  }

  /** Takes back what was done for a subscription by then. */
  #ended(subscription: WebhookSubscription, end: SubscriptionEnd): Promise<boolean> {
    const { consent, principal, url } = subscription;
    this.#expiries.cancel(subscription.expiry);
    this.#registry.remove(subscription);
    if (consent !== undefined && consent !== 'allowed_origin') this.#consents.release(principal, url);
    this.callUnsubscribe(subscription);
    // One that was not established in a shutdown may have the place of one that is stored.
    const keepsRecord = comesBackAfter(end) || (end === 'refused' && this.#environment.closed);
    if (keepsRecord || this.persistence === undefined) return Promise.resolve(true);
    return this.forgetRecord(subscription);
  }

  /**
   * Removes the record of a subscription that is not live. Resolves with whether that is stored, when it is or has failed;
   * it is, too, where a new subscription has the place by then.
   */
  async forgetRecord({ id, name, principal }: EndedSubscription): Promise<boolean> {
    const isDeleted = await this.persistence?.delete({ id, name, principal });
    return isDeleted !== false || this.#registry.get(id) !== undefined;
  }

  /** Calls `onUnsubscribe` if it is owed. */
  callUnsubscribe(subscription: WebhookSubscription): void {
    if (subscription.takeUnsubscribe()) this.#lifecycle.end(subscription.definition, subscription);
  }

  /** Whether a consent that an earlier run stored, or this one found, holds under the options of today (VERIFY-07). */
  holds(consent: Consent, { vouched }: CallbackUrl): boolean {
    const { confirm, receiverDocuments = true } = this.#options;
    switch (consent) {
      case 'allowed_origin':
        return vouched;
      case 'confirmed':
        return confirm !== undefined;
      case 'document':
        return receiverDocuments;
      case 'challenge':
        return true;
    }
  }

  /** Once: it concerns every client alike. */
  warnOfTokens(name: string): void {
    if (this.#warnedOfTokens) return;
    this.#warnedOfTokens = true;
    this.#laneContext.warn(
      "a webhook subscription belongs to an access token, as authInfo.extra.sub names no subject: with its client's next token it " +
        'becomes another subscription, and events are posted twice until the first one lapses. Put the subject there, or give ' +
        '`principal`',
      name,
    );
  }

  /** After how long a subscription without expiry is ended whose endpoint fails (TTL-13). */
  get dropFailingAfterMs(): number {
    return this.#rules.dropFailingAfterMs;
  }

  /** Throws InvalidParams for what cannot be a callback here (SSRF-01). */
  readCallbackUrl(text: string): CallbackUrl {
    return readCallbackUrl(text, this.#rules.url);
  }

  /** Which rules and numbers a new subscription gets (DIALECT-01, DIALECT-07). */
  dialectFor({ clientInfo, dialect }: Caller, principal: string, url: string): Dialect {
    const rule = this.#options.dialect;
    return this.#decided('dialect', isDialect, () => rule?.({ principal, url, clientInfo })) ?? dialect;
  }

  /**
   * Whether a subscription is sent one delivery at a time (ORDER-06): as the operator's rule says, else as the client asks,
   * else as its event type does.
   */
  orderedFor(
    { clientInfo }: Caller,
    { principal, url, name }: { readonly principal: string; readonly url: string; readonly name: string },
    asked: boolean | undefined,
    ofType: boolean,
  ): boolean {
    const rule = this.#options.ordered;
    return this.#decided('ordered', isBoolean, () => rule?.({ principal, url, clientInfo, name })) ?? asked ?? ofType;
  }

  /** The operator's source of jitter, as long as it says what it is to say: a wait of no number would be none at all. */
  #random(): number {
    const { random } = this.#options;
    if (random === undefined) return Math.random();
    try {
      const value = answeredAtOnce(random());
      if (typeof value === 'number' && value >= 0 && value < 1) return value;
      throw new TypeError(`webhooks.random must answer with a number from 0 to below 1, not ${String(value)}`);
    } catch (error) {
      this.#environment.report(error, 'webhooks.random');
      return Math.random();
    }
  }

  /** What an operator's rule says; one that fails, or says something else, is reported and says nothing. */
  #decided<T>(option: string, isAnswer: (value: unknown) => value is T, rule: () => unknown): T | undefined {
    try {
      const answer = answeredAtOnce(rule());
      if (answer === undefined || isAnswer(answer)) return answer;
      throw new TypeError(`webhooks.${option} answered with something else than it may: ${typeof answer}`);
    } catch (error) {
      this.#environment.report(error, `webhooks.${option}`);
      return undefined;
    }
  }

  /** Whether a caller who unsubscribes from what is not there is told so (UNSUB-02, DIALECT-11, DIALECT-18). */
  tellsUnknown({ clientInfo, dialect }: Caller, principal: string, url: string): boolean {
    if (dialect === 'final') return true;
    const { unknownUnsubscribe: option } = this.#options;
    try {
      const answer = typeof option === 'function' ? option({ principal, url, clientInfo }) : option;
      return answeredAtOnce(answer) === 'notFound';
    } catch (error) {
      this.#environment.report(error, 'unknownUnsubscribe');
      return false;
    }
  }

  /** A subscription that is not delivered to yet, and not counted. */
  create(
    details: SubscriptionDetails & { readonly principal: string },
    { text, host, trusted }: CallbackUrl,
    made: Pick<CallbackDetails, 'dialect' | 'ordered' | 'secrets' | 'definition'>,
  ): WebhookSubscription {
    const callback = { ...made, principal: details.principal, url: text, host, trusted };
    return new WebhookSubscription(details, callback, this.#laneContext, this.#listener);
  }

  /** Resolves with what the endpoint's consent rests on; rejects with what the client is told (VERIFY-01). */
  verify(subscription: WebhookSubscription, callback: CallbackUrl): Promise<Consent> {
    return this.#verifier.verify(subscription.principal, callback, subscription);
  }

  /** Gives a subscription its time, anew with each refresh (TTL-06). */
  grant(subscription: WebhookSubscription, suggestedMs: number | null | undefined): void {
    const ttlMs = grantTtlMs(this.#rules.ttl, suggestedMs);
    this.expireAt(subscription, ttlMs === null ? null : this.#environment.clock.now() + ttlMs);
  }

  /**
   * Ends a subscription at a time, `null` for never (TTL-07): never before the while that is left until then, whatever the time of
   * day is set to meanwhile.
   */
  expireAt(subscription: WebhookSubscription, atMs: number | null): void {
    subscription.refreshBeforeMs = atMs;
    // A suspended one goes on counting how long its endpoint fails, until its client's return is stored.
    if (atMs === null && subscription.suspended) this.#lookAtFailure(subscription);
    else if (atMs === null) this.#expiries.cancel(subscription.expiry);
    else this.#lookIn(subscription, atMs - this.#environment.clock.now());
  }

  /** Signs with this secret from now on (SUB-10). */
  replaceSecret(subscription: WebhookSubscription, secret: string): void {
    const untilMs = this.#environment.clock.now() + this.#rules.rotationGraceMs;
    subscription.secrets = subscription.secrets.replacedBy(secret, untilMs);
  }

  /** The public key of `signingKey`, to be published (SIG-13). */
  keySet(): JwksDocument {
    return this.#identity?.keySet() ?? { keys: [] };
  }

  /** Does something later, unless the server closes until then. */
  retryIn(delayMs: number, callback: () => void): void {
    this.#chores.addIn(callback, delayMs);
  }

  /** Many events of this type were dispatched: most subscriptions stand far behind where they were stored. */
  advanced(name: string): void {
    const nowMs = this.#environment.clock.monotonicMs();
    const lastMs = this.#positionsStoredAtMs.get(name);
    const isRecent = lastMs !== undefined && nowMs - lastMs < IDLE_POSITIONS_MS;
    if (this.persistence === undefined || isRecent) return;
    this.#positionsStoredAtMs.set(name, nowMs);
    void this.#storeInTurns(name);
  }

  async #storeInTurns(name: string): Promise<void> {
    let count = 0;
    for (const subscription of this.#registry.find({ name })) {
      if (++count % SUBSCRIPTIONS_PER_TURN === 0) {
        await new Promise<void>((resolve) => this.#environment.clock.setImmediate(resolve));
      }
      if (this.#environment.closed) return;
      this.#storePosition(subscription);
    }
  }

  /** The server closes: calls what is owed to authors, and stores where every subscription stands. */
  storeLast(): void {
    for (const subscription of this.#registry.all()) {
      if (!(subscription instanceof WebhookSubscription)) continue;
      const { owesUnsubscribe, definition, storedCursor } = subscription;
      this.callUnsubscribe(subscription);
      // The next run is not to call it once more.
      const isStoredAsOwed = owesUnsubscribe && definition.onUnsubscribe !== undefined && storedCursor !== undefined;
      if (isStoredAsOwed) this.persistence?.touch(subscription);
      else this.#storePosition(subscription);
    }
  }

  #storePosition(subscription: Subscription): void {
    if (!(subscription instanceof WebhookSubscription)) return;
    const { position, storedCursor } = subscription;
    // One that is being set up has no position yet, or is not stored yet.
    if (position === null || storedCursor === undefined || position === storedCursor) return;
    this.persistence?.touch(subscription);
  }

  /** What waits at the moment. */
  get queues(): { readonly running: number; readonly waiting: number; readonly retries: number } {
    const { running, waiting } = this.#scheduler;
    return { running, waiting, retries: this.#retries.size };
  }

  /** Starts no attempt any more. Resolves when those under way are over, and what came of them is counted. */
  drain(): Promise<void> {
    return this.#scheduler.close();
  }

  /** Ends what runs by itself, and cuts what is under way. */
  async close(): Promise<void> {
    this.#retries.close();
    this.#expiries.close();
    this.#chores.close();
    void this.#scheduler.close();
    await this.#egress.close();
  }

  /** Where nobody can say, the endpoint is asked itself. */
  async #confirm(callback: { readonly principal: string; readonly url: string }): Promise<boolean> {
    const { confirm } = this.#options;
    if (confirm === undefined) return false;
    const { clock, limits, report } = this.#environment;
    try {
      const call = async (): Promise<unknown> => confirm(callback);
      return (await withTimeLimit(clock, limits.hookMs, 'webhooks.confirm', call())) === true;
    } catch (error) {
      report(error, 'confirm');
      return false;
    }
  }

  /**
   * Without expiry nothing else would ever end a subscription whose endpoint is gone (TTL-13). Where few events come it is never
   * suspended, so each failure looks at how long there was nothing else.
   */
  #failed(subscription: WebhookSubscription): void {
    const { failingForMs } = subscription.lane;
    if (subscription.refreshBeforeMs !== null || failingForMs === undefined) return;
    if (failingForMs >= this.#rules.dropFailingAfterMs) this.#dropFailing(subscription);
  }

  #suspended(subscription: WebhookSubscription, isNew: boolean): void {
    if (isNew) this.#environment.observer?.suspended(subscription, subscription.lane.lastError);
    if (subscription.refreshBeforeMs === null) this.#lookAtFailure(subscription);
  }

  #lookAtFailure(subscription: WebhookSubscription): void {
    this.#lookIn(subscription, this.#rules.dropFailingAfterMs - (subscription.lane.failingForMs ?? 0));
  }

  #dropFailing(subscription: WebhookSubscription): void {
    subscription.terminate(callbackEndpointError(subscription.lane.lastError ?? 'timeout'));
  }

  /** Its grant has passed, or, without expiry, its endpoint has been failing for too long. */
  #due(subscription: WebhookSubscription): void {
    const { refreshBeforeMs } = subscription;
    if (refreshBeforeMs === null) {
      // Its client may be back, and each failure looks for itself then.
      if (subscription.suspended) this.#dropFailing(subscription);
      return;
    }
    // The client knows the date alone: where the clock was set back, it has not come yet (DELIV-21).
    const leftMs = refreshBeforeMs - this.#environment.clock.now();
    if (leftMs > 0) this.#lookIn(subscription, leftMs);
    else void subscription.end('lapsed');
  }

  #lookIn(subscription: WebhookSubscription, waitMs: number): void {
    if (subscription.expiry === undefined) {
      subscription.expiry = this.#expiries.addIn(subscription, waitMs);
    } else this.#expiries.moveIn(subscription.expiry, waitMs);
  }
}

function isDialect(value: unknown): value is Dialect {
  return value === 'final' || value === 'sketch';
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

/** Nobody waits for what is stored on the side, and its failure is in nobody's way. */
function reported(
  store: () => MaybePromise<void>,
  report: (error: unknown, name?: string) => void,
  name?: string,
): void {
  try {
    const storing = store();
    if (isPromise(storing)) storing.catch((error: unknown) => report(error, name));
  } catch (error) {
    report(error, name);
  }
}

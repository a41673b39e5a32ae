import { internalError } from '@mcp-events/protocol';
import type { DeliveryStatus, Dialect, EventsError } from '@mcp-events/protocol';
import { webhookContext } from '../../context.ts';
import type { Deadline } from '../../deadlines.ts';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { Consent } from '../../storage/subscriptionStore.ts';
import type { LifecycleFunctions } from '../../subscription/lifecycle.ts';
import { Subscription } from '../../subscription/subscription.ts';
import type { SubscriptionDetails } from '../../subscription/subscription.ts';
import type { Pump } from '../pump.ts';
import { Lane } from './lane.ts';
import type { LaneContext, LaneListener } from './laneContext.ts';
import type { Renewal } from './renewal.ts';
import type { SigningSecrets } from './signing/signingSecrets.ts';
import { comesBackAfter, mayBecome } from './subscriptionState.ts';
import type { SubscriptionEnd, SubscriptionState } from './subscriptionState.ts';

/** Where and how a subscription's events go. */
export interface CallbackDetails {
  readonly principal: string;
  /** Exactly as sent (OP-05). */
  readonly url: string;
  /** Name under which the endpoint's host is limited. */
  readonly host: string;
  /** May be plain HTTP and at any address. */
  readonly trusted: boolean;
  /** Fixed for the life of the subscription (DIALECT-07). */
  readonly dialect: Dialect;
  /** Whether it is sent one delivery at a time, until a refresh decides otherwise. */
  readonly ordered: boolean;
  readonly secrets: SigningSecrets;
  readonly definition: LifecycleFunctions;
}

/** What the subscription tells the server. */
export interface WebhookSubscriptionListener {
  /** Its endpoint wants deliveries. */
  onConsented(subscription: WebhookSubscription, consent: Consent): void;
  /** It has ended. Called once. Resolves with whether that is stored, when it is or has failed. */
  onEnd(subscription: WebhookSubscription, end: SubscriptionEnd): Promise<boolean>;
  /** Whether another subscription has the id of this one, which has ended. */
  isReplaced(subscription: WebhookSubscription): boolean;
  /** What is stored of it changed. */
  onProgress(subscription: WebhookSubscription): void;
  /** @param isNew `false` for one that an earlier run suspended */
  onSuspended(subscription: WebhookSubscription, isNew: boolean): void;
  /** An event could not be delivered, for now or for good. */
  onFailed(subscription: WebhookSubscription): void;
  /** Its client came back, and delivery goes on. */
  onResumed(subscription: WebhookSubscription): void;
}

const STORED: Promise<boolean> = Promise.resolve(true);

/**
 * A subscription that is delivered to a callback URL. It outlives requests, and lives until its grant ends (TTL-07). Its
 * state changes in one place, {@link WebhookSubscription.state} says which there are, and whoever waited for something asks
 * afterwards whether it still lives: an end is final, whatever was under way.
 */
export class WebhookSubscription extends Subscription implements LaneListener {
  readonly mode = 'webhook';
  declare readonly principal: string;
  readonly url: string;
  readonly host: string;
  readonly trusted: boolean;
  readonly dialect: Dialect;
  /** Whether it is sent one delivery at a time (ORDER-05). */
  ordered: boolean;
  secrets: SigningSecrets;
  /** The author's functions it began with, and ends with. */
  readonly definition: LifecycleFunctions;
  /** Resolves when it is set up, or that has failed; refreshes wait for it. */
  establishing: Promise<void> | undefined;
  /** When it ends without a refresh; `null` for never. */
  refreshBeforeMs: number | null = 0;
  expiry: Deadline<WebhookSubscription> | undefined;
  /** The latest refresh that is not stored yet. */
  renewal: Renewal | undefined;
  /** An earlier run began it: where it started is not known any more. */
  restored = false;
  /**
   * The cursor for which its first answer told a gap. Until the client comes with another one that answer may have been
   * lost, and nothing else tells of the gap.
   */
  truncatedFor: string | null = null;
  /** The position that was stored last; `undefined` when it is not stored. */
  storedCursor: string | null | undefined;
  readonly #lane: Lane;
  readonly #listener: WebhookSubscriptionListener;
  #pump: Pump | undefined;
  #state: SubscriptionState = 'verifying';
  #consent: Consent | undefined;
  #owesUnsubscribe = false;
  #end: SubscriptionEnd | undefined;
  #endStored: Promise<boolean> = STORED;
  #terminated: EventsError | undefined;

  constructor(
    details: SubscriptionDetails,
    callback: CallbackDetails,
    context: LaneContext,
    listener: WebhookSubscriptionListener,
  ) {
    super(details);
    this.url = callback.url;
    this.host = callback.host;
    this.trusted = callback.trusted;
    this.dialect = callback.dialect;
    this.ordered = callback.ordered;
    this.secrets = callback.secrets;
    this.definition = callback.definition;
    this.#listener = listener;
    this.#lane = new Lane(context, this, callback.host, this);
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Whether it has ended and comes back by itself, in this run or the next. */
  get comesBack(): boolean {
    return this.#end !== undefined && comesBackAfter(this.#end) && this.storedCursor !== undefined;
  }

  /** Resolves with whether its end is stored, when it is or that has failed. */
  get endStored(): Promise<boolean> {
    return this.#endStored;
  }

  /** Why the server ended it, if it did. */
  get terminated(): EventsError | undefined {
    return this.#terminated;
  }

  /** What its endpoint's consent rests on; `undefined` until it is known. */
  get consent(): Consent | undefined {
    return this.#consent;
  }

  /** Whether `onSubscribe` has run, and `onUnsubscribe` has not. */
  get owesUnsubscribe(): boolean {
    return this.#owesUnsubscribe;
  }

  /** What its pump feeds. */
  get lane(): Lane {
    return this.#lane;
  }

  /** Where a later run goes on. */
  get position(): string | null {
    return this.#lane.position;
  }

  /** The client's cursor before a gap it may not know of; `null` when there is none. */
  get gapAfter(): string | null {
    return this.truncatedFor ?? this.#lane.gapAfter;
  }

  /** The position that is safe for the client (SUB-14). */
  get cursor(): string | null {
    return this.#lane.cursor;
  }

  /** Whether everything there is was acknowledged or given up. */
  get isCurrent(): boolean {
    return this.#pump?.isAttached === true && this.#lane.outstanding === 0;
  }

  get suspended(): boolean {
    return this.#lane.suspended;
  }

  /** Whoever ended it meanwhile decides how the request is answered, whatever came of that. */
  assertLive(): void {
    if (this.ended) throw this.#terminated ?? internalError('The subscription has ended meanwhile');
  }

  /** Its endpoint wants deliveries: what it is told from now on is posted. */
  consentGiven(consent: Consent): void {
    if (!this.#become('opening')) return;
    this.#consent = consent;
    this.#listener.onConsented(this, consent);
  }

  /** `onSubscribe` has run. `false` when it ended meanwhile, so that its counterpart is the caller's to call. */
  hookRan(): boolean {
    this.#owesUnsubscribe = !this.ended;
    // It outlives requests and restarts: what its author's functions are told must not depend on whether one was there.
    this.context = webhookContext(this.principal, this.id);
    return this.#owesUnsubscribe;
  }

  /** It has run in an earlier run that did not end in order, and has no counterpart yet: however this one ends, it is owed (HOOK-09). */
  hookRanBefore(): void {
    this.#owesUnsubscribe = true;
  }

  /** Whether `onUnsubscribe` is owed. Whoever is told so calls it: it is so once. */
  takeUnsubscribe(): boolean {
    const owed = this.#owesUnsubscribe;
    this.#owesUnsubscribe = false;
    return owed;
  }

  /** Gives it the pump, which stands where delivery starts. */
  attach(pump: Pump): void {
    if (this.ended) pump.close();
    else {
      this.#pump = pump;
      this.#lane.attach(pump);
    }
  }

  /** Begins delivery. */
  start(): void {
    if (this.#become(this.suspended ? 'suspended' : 'live')) this.#pump?.run();
  }

  /**
   * The client came back: delivery goes on if it was suspended (SUB-13).
   *
   * @param cursor where the client says it is; it moves nothing (SUB-11)
   * @returns how deliveries went until now (STATUS-02), whether there is a gap the client may not know of, and its new
   *   cursor
   */
  refresh(cursor: string | null): { status: DeliveryStatus; truncated: boolean; cursor: string | null } {
    this.#lane.setOrdered(this.ordered);
    const status = this.#lane.status();
    if (this.suspended) this.#listener.onResumed(this);
    if (this.#state === 'suspended') this.#become('live');
    this.#lane.resume();
    const isAskedAgain = this.truncatedFor !== null && cursor === this.truncatedFor;
    if (!isAskedAgain) this.truncatedFor = null;
    const truncated = this.#lane.tellGap(cursor) || isAskedAgain;
    // Whoever is told may go on behind the gap.
    return { status, truncated, cursor: truncated ? this.position : this.cursor };
  }

  /**
   * Sends an event again that was given up. `false` when it is under way already, or nothing may be sent: also before its
   * endpoint has said that it wants deliveries (VERIFY-01).
   */
  redeliver(event: FeedEvent, deadLetter: number): boolean {
    return (this.#state === 'live' || this.#state === 'suspended') && this.#lane.redeliver(event, deadLetter);
  }

  terminate(error: EventsError): void {
    if (!this.#become('ended')) return;
    this.#terminated = error;
    // An endpoint that never consented is not told anything (VERIFY-01).
    if (this.#consent === undefined) this.#lane.close();
    else this.#lane.terminate(error);
    this.#finish('terminated');
  }

  /** Ends without a word to the endpoint (OP-24). Resolves like {@link endStored}. */
  end(end: Exclude<SubscriptionEnd, 'terminated'>): Promise<boolean> {
    if (this.#become('ended')) {
      this.#lane.close();
      this.#finish(end);
    }
    return this.#endStored;
  }

  onProgress(): void {
    if (!this.ended) this.#listener.onProgress(this);
  }

  onSuspended(): void {
    // One that an earlier run suspended gets there when it starts.
    this.#listener.onSuspended(this, this.#state === 'live' && this.#become('suspended'));
  }

  onFailed(): void {
    this.#listener.onFailed(this);
  }

  /** Subscribed to anew after its end. */
  get replaced(): boolean {
    return this.#listener.isReplaced(this);
  }

  onFinalError(error: EventsError): void {
    this.terminate(error);
  }

  #finish(end: SubscriptionEnd): void {
    this.#end = end;
    this.#endStored = this.#listener.onEnd(this, end);
  }

  /** The one place where the state changes. `false`, and nothing changes, where there is no way from the present one. */
  #become(next: SubscriptionState): boolean {
    if (!mayBecome(this.#state, next)) return false;
    this.#state = next;
    return true;
  }
}

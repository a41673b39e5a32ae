import type { DeliveryStatus, Dialect, EventsError } from '@mcp-events/protocol';
import type { Deadline } from '../../deadlines.ts';
import type { EventContext } from '../../context.ts';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';
import type { LifecycleFunctions } from '../../subscription/lifecycle.ts';
import { Subscription } from '../../subscription/subscription.ts';
import type { SubscriptionDetails } from '../../subscription/subscription.ts';
import type { Pump } from '../pump.ts';
import { Lane } from './lane.ts';
import type { LaneContext, LaneListener } from './lane.ts';
import type { SigningSecrets } from './signing/signingSecrets.ts';

/** Where and how a subscription's events go. */
export interface CallbackDetails {
  readonly principal: string;
  /** Exactly as sent (OP-05). */
  readonly url: string;
  /** Name under which the endpoint's host is limited. */
  readonly host: string;
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
  /** It has ended, for whatever reason. Called once. */
  onEnd(subscription: WebhookSubscription): void;
  /** Whether another subscription has the id of this one, which has ended. */
  isReplaced(subscription: WebhookSubscription): boolean;
  /** What is stored of it changed. */
  onProgress(subscription: WebhookSubscription): void;
  onSuspended(subscription: WebhookSubscription): void;
  /** Its client came back, and delivery goes on. */
  onResumed(subscription: WebhookSubscription): void;
}

/** A subscription that is delivered to a callback URL. It outlives requests, and lives until its grant ends (TTL-07). */
export class WebhookSubscription extends Subscription implements LaneListener {
  readonly mode = 'webhook';
  declare readonly principal: string;
  readonly url: string;
  readonly host: string;
  readonly trusted: boolean;
  readonly dialect: Dialect;
  /** Whether it is sent one delivery at a time (ORDER-05). */
  ordered: boolean;
  readonly secrets: SigningSecrets;
  /** The author's functions it began with, and ends with. */
  readonly definition: LifecycleFunctions;
  /** Resolves when it is set up, or that has failed; refreshes wait for it. */
  establishing: Promise<void> | undefined;
  /** When it ends without a refresh; `null` for never. */
  refreshBeforeMs: number | null = 0;
  expiry: Deadline<WebhookSubscription> | undefined;
  /** Its endpoint's consent is remembered on its account. */
  consented = false;
  /** `onSubscribe` has run, so `onUnsubscribe` is owed. */
  begun = false;
  /** An earlier run began it: where it started is not known any more. */
  restored = false;
  /**
   * The cursor for which its first answer told a gap. Until the client comes with another one that answer may have been
   * lost, and nothing else tells of the gap.
   */
  truncatedFor: string | null = null;
  /** The position that was stored last. */
  storedCursor: string | null | undefined;
  /** Its record outlives it: it is to come back. */
  keepsRecord = false;
  readonly #lane: Lane;
  readonly #listener: WebhookSubscriptionListener;
  #pump: Pump | undefined;
  #ended = false;
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

  get ended(): boolean {
    return this.#ended;
  }

  /** Why the server ended it, if it did. */
  get terminated(): EventsError | undefined {
    return this.#terminated;
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

  /** Gives it the pump, which stands where delivery starts. */
  attach(pump: Pump): void {
    this.#pump = pump;
    this.#lane.attach(pump);
  }

  /** Begins delivery. */
  start(): void {
    if (!this.#ended) this.#pump?.run();
  }

  /**
   * The client came back: delivery goes on if it was suspended (SUB-13).
   *
   * @param cursor where the client says it is; it moves nothing (SUB-11)
   * @returns how deliveries went until now (STATUS-02), whether there is a gap the client may not know of, and its new
   *   cursor
   */
  refresh(
    context: EventContext,
    cursor: string | null,
  ): { status: DeliveryStatus; truncated: boolean; cursor: string | null } {
    this.context = context;
    this.#lane.setOrdered(this.ordered);
    const status = this.#lane.status();
    if (this.suspended) this.#listener.onResumed(this);
    this.#lane.resume();
    const isAskedAgain = this.truncatedFor !== null && cursor === this.truncatedFor;
    if (!isAskedAgain) this.truncatedFor = null;
    const truncated = this.#lane.tellGap(cursor) || isAskedAgain;
    // Whoever is told may go on behind the gap.
    return { status, truncated, cursor: truncated ? this.position : this.cursor };
  }

  redeliver(event: FeedEvent, deadLetter: number): boolean {
    return this.#lane.redeliver(event, deadLetter);
  }

  terminate(error: EventsError): void {
    if (this.#ended) return;
    this.#terminated = error;
    // An endpoint that never consented is not told anything (VERIFY-01).
    if (this.consented) this.#lane.terminate(error);
    else this.#lane.close();
    this.#end();
  }

  /** Ends without a word to the endpoint: unsubscribed, lapsed, refused, or the server closes (OP-24). */
  end(): void {
    if (this.#ended) return;
    this.#lane.close();
    this.#end();
  }

  onProgress(): void {
    if (!this.#ended) this.#listener.onProgress(this);
  }

  onSuspended(): void {
    this.#listener.onSuspended(this);
  }

  /** Subscribed to anew after its end. */
  get replaced(): boolean {
    return this.#listener.isReplaced(this);
  }

  onFinalError(error: EventsError): void {
    this.terminate(error);
  }

  #end(): void {
    this.#ended = true;
    this.#listener.onEnd(this);
  }
}

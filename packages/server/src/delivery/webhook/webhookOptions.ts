import type { Dialect } from '@mcp-events/protocol';
import type { MaybePromise } from '../../maybePromise.ts';
import type { Dial } from './egress/dial.ts';
import type { Resolve } from './egress/resolve.ts';
import type { SuspensionRules } from './failureRate.ts';
import type { TtlRules } from './grant.ts';
import type { RetryRules } from './retryPolicy.ts';
import type { SchedulingLimits } from './scheduling/fairScheduler.ts';
import type { ServerSigningKey } from './signing/serverIdentity.ts';

/** Bounds on what webhook subscriptions may use. */
export interface WebhookLimits extends SchedulingLimits {
  /** Deliveries of one subscription that are neither acknowledged nor given up. Default 64. */
  readonly outstandingPerSubscription: number;
  /**
   * Challenges and look-ups of documents per host and minute (VERIFY-09). When they are used up, principals that had less than
   * a quarter of them still get through, up to twice as many in all. Default 60.
   */
  readonly challengesPerHostPerMinute: number;
  /** The same per address, whatever names lead to it; IPv6 by networks of 64 bits. Default 60. */
  readonly challengesPerAddressPerMinute: number;
}

/** Who subscribes, and where to. Input of the `dialect` option. */
export interface WebhookPeer {
  readonly principal: string;
  readonly url: string;
  /** What the client calls itself. Never proof of anything. */
  readonly clientInfo?: { readonly name: string; readonly version: string } | undefined;
}

/** Whose deliveries are decided on. Input of the `ordered` option. */
export interface OrderedPeer extends WebhookPeer {
  /** Name of the event type. */
  readonly name: string;
}

/** Webhook mode. Everything has a default, so `webhooks: {}` switches it on. */
export interface WebhookOptions {
  /**
   * Origins the operator vouches for: callbacks below them need no verification, and are {@link reachableOrigins} as well.
   * A function is asked with each subscribe, and when a stored subscription comes back, so that the answer can change; it
   * gets origins of `http` and `https` as `URL` spells them. An origin that is taken off is treated like any other from
   * then on: its endpoints are asked before anything else is sent to them.
   */
  readonly allowedOrigins?: readonly string[] | ((origin: string) => boolean);
  /**
   * Origins whose callbacks may be plain `http` and at any address, as on the same machine or a private network. That says
   * nothing of consent: their endpoints are asked like any other. A function is asked as for {@link allowedOrigins}.
   */
  readonly reachableOrigins?: readonly string[] | ((origin: string) => boolean);
  /** Refuses callback URLs (SSRF-06), after everything else was found in order. Not asked for {@link allowedOrigins}. */
  readonly allowUrl?: (url: URL) => boolean;
  /** Whether the endpoint's consent was established elsewhere, for example in a dashboard (VERIFY-01). */
  readonly confirm?: (callback: { principal: string; url: string }) => MaybePromise<boolean>;
  /** Whether `/.well-known/mcp-webhook-receiver.json` of the callback's origin counts as consent (VERIFY-11). Default true. */
  readonly receiverDocuments?: boolean;
  readonly ttl?: Partial<TtlRules>;
  readonly retry?: Partial<RetryRules>;
  readonly suspension?: Partial<SuspensionRules>;
  /**
   * A subscription without expiry whose endpoint has been failing for this long is ended (TTL-13). Default 7 days.
   */
  readonly dropFailingAfterMs?: number;
  /** How long a replaced secret signs along (SIG-05). Default 5 minutes. */
  readonly rotationGraceMs?: number;
  readonly limits?: Partial<WebhookLimits>;
  /** Whether events that were given up are told as a gap (OP-11). Default true. */
  readonly tellAbandoned?: boolean;
  /** Signs deliveries with a key of the server as well (SIG-12). Default: none. */
  readonly signingKey?: ServerSigningKey;
  /**
   * What a peer of the older dialect is answered that unsubscribes from what it has no subscription to (DIALECT-18): `complete`
   * (the default), as the guide of a deployed host asks for, whose agents unsubscribe without knowing; or `notFound`, as the
   * sketch has it in its table of errors. Peers of the extension always get NotFound.
   */
  readonly unknownUnsubscribe?: 'complete' | 'notFound' | ((peer: WebhookPeer) => 'complete' | 'notFound');
  /** Overrides the dialect of a new subscription (DIALECT-07). Default: that of the request. */
  readonly dialect?: (peer: WebhookPeer) => Dialect | undefined;
  /**
   * Whether a subscription gets one delivery at a time, so that its events arrive in order at every receiver (ORDER-05):
   * overrides what the client asks for and what `orderedWebhooks` of the event type says. `undefined` leaves it to them.
   * Asked with each subscribe and refresh; the answer is stored with the subscription.
   */
  readonly ordered?: (peer: OrderedPeer) => boolean | undefined;
  /**
   * Keys that encrypt signing secrets in durable storage (AES-256-GCM): 32 bytes in base64 each. The first encrypts, all of
   * them decrypt: to replace a key, put the new one in front. Required with durable storage, and not used without.
   */
  readonly secretKeys?: readonly string[];
  /** Replaces how hosts are looked up and connections are made, for example in tests. */
  readonly egress?: {
    readonly resolve?: Resolve;
    readonly connect?: Dial;
    /** Certificate authorities trusted instead of the platform's, as PEM. */
    readonly tls?: { readonly ca?: string | string[] };
    /**
     * Prefixes of 32, 40, 48, 56, 64 or 96 bits that this server's network translates to IPv4 (NAT64, RFC 6052), such as
     * `64:ff9b::/96`: an address in them may be dialled if the IPv4 address it carries may be. For servers without IPv4 of
     * their own, whose name servers make up such addresses (DNS64): without this every callback that has IPv4 only is
     * refused. Default: none.
     */
    readonly nat64Prefixes?: readonly string[];
  };
  /** Source of jitter, uniform in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

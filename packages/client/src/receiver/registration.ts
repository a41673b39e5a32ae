import type { DeliveredOccurrence, EventOrder, JwksDocument, RpcError } from '@mcp-events/protocol';

/** A callback as it is made known to a receiver. */
export interface WebhookRegistration {
  /**
   * Last path segment of the callback URL, if the subscription has a URL of its own: the secret is known from the first
   * post on (OP-28). Absent on a shared URL, where `X-MCP-Subscription-Id` chooses (RECV-01).
   */
  readonly path?: string;
  /** What posts are signed with: `whsec_` and base64. One of its own for each subscription (SIG-11). */
  readonly secret: string;
  /** The id of the subscribe result, if it is known. Until then the first verified challenge tells it (VERIFY-13). */
  readonly id?: string;
  /**
   * Called for each verified message that is not a repetition. The answer to the server waits for it: 2xx for
   * `accepted`, 503 for `retry` and for a rejection, 410 for `gone` (RECV-02, RECV-08). Store, then return; servers
   * give up after a few seconds (RECV-03).
   */
  readonly accept: (message: WebhookMessage) => AcceptResult | Promise<AcceptResult>;
  /**
   * Called instead of `accept` when an accepted event comes again and tells another place, as after a restart of the
   * server: for `ArrivalOrder.repeated`. Awaited; a rejection is answered 503.
   */
  readonly repeated?: (message: EventMessage & { order: EventOrder }) => unknown;
  /**
   * Called when a post that is signed with the secret was refused for its time (SIG-09): one of the two clocks is wrong, or
   * somebody repeats an old post. Its server counts that as a failure of this endpoint, and may stop (RECV-18).
   */
  readonly refused?: () => void;
  /**
   * Public keys of the server. If given, each post must also carry a `v1a` signature that one of them verifies. Called
   * for each post: fetch from an origin you trust already, never from one named in a delivery, and cache (SIG-13).
   */
  readonly signingKeys?: () => JwksDocument | Promise<JwksDocument>;
}

/**
 * `accepted`: stored or handed over, not to be sent again. `retry`: not now. `gone`: this one never, others go on. Some
 * servers end the whole subscription on `gone` (410); to pass over one message only, accept it and leave it.
 */
export type AcceptResult = 'accepted' | 'retry' | 'gone';

/** What a verified post holds. Content is untrusted data, like a tool result (AUTH-06). */
export type WebhookMessage = EventMessage | GapMessage | TerminatedMessage;

interface MessageHead {
  /** The subscription, as the server names it. */
  subscriptionId: string;
  /** Names the message; equal to the event's id or not (DIALECT-10). */
  webhookId: string;
}

/** An event, whole, with its `eventId` and `cursor` (RECV-07). */
export interface EventMessage extends MessageHead {
  kind: 'event';
  event: DeliveredOccurrence;
  /** The event's place in its subscription, if the server tells it. */
  order?: EventOrder;
  /** Length of the body it came in. */
  bytes: number;
}

/** Events were lost; delivery goes on from this cursor (ENV-04). */
export interface GapMessage extends MessageHead {
  kind: 'gap';
  cursor: string;
  /** Places in the order for which no event will come, in their order, as far as the server tells them. */
  missing?: readonly EventOrder[];
}

/** The server ended the subscription (ENV-06). */
export interface TerminatedMessage extends MessageHead {
  kind: 'terminated';
  error: RpcError;
}

/** A registered callback. */
export interface RegisteredCallback {
  /** The subscription's id, once known. */
  readonly id: string | undefined;
  /** The subscribe result arrived. Overrules what a challenge told. */
  bind(id: string): void;
  /**
   * Accepts posts signed with this secret too (SIG-05), beside the seven latest ones.
   *
   * @throws TypeError if it is not a webhook secret (SIG-01)
   */
  rotate(secret: string): void;
  /** Accepts the latest secret only, from now on. */
  dropOldSecrets(): void;
  /** Forgets the callback: posts for it are answered as unknown. */
  close(): void;
}

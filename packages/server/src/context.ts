import type { AuthInfo } from '@modelcontextprotocol/server';
import type { DeliveryMode, Dialect } from '@mcp-events/protocol';

/** Who is asking, as far as the transport knows. Input of the `principal` option. */
export interface CallerInfo {
  /** Validated by the server's own authentication; `undefined` for anonymous callers and on stdio. */
  readonly authInfo?: AuthInfo | undefined;
  /** The HTTP request, absent on stdio. */
  readonly request?: Request | undefined;
  /** What the client calls itself. Never proof of anything. */
  readonly clientInfo?: { readonly name: string; readonly version: string } | undefined;
}

/** One request of a client, read once at the edge. */
export interface Caller extends CallerInfo {
  /** Stable name of the authenticated party, `undefined` for anonymous callers. */
  readonly principal: string | undefined;
  /** Whether the principal is only the access token's, and changes with it. */
  readonly isTokens: boolean;
  /** Which error numbers this peer understands (DIALECT-01). */
  readonly dialect: Dialect;
}

/**
 * What author code gets to know about the subscription it is called for.
 *
 * A webhook subscription outlives requests and restarts, and keeps no credentials: `authInfo` and `clientInfo` are there for
 * `authorize` and `onSubscribe` while a client's call is answered, and never afterwards, in no function. Decide by
 * `principal`.
 */
export interface EventContext extends CallerInfo {
  /** Whose subscription it is, as the `principal` option says; `undefined` of anonymous callers. */
  readonly principal: string | undefined;
  /** How its events reach the client. */
  readonly mode: DeliveryMode;
  /** Id of the subscription: for `emit` with a target, and to pair `onSubscribe` with `onUnsubscribe` (HOOK-01). */
  readonly subscriptionId: string;
}

/**
 * What the author's functions are told of a webhook subscription when no client is there. Unchangeable, as all contexts: all
 * of its author's functions see the same one (AUTH-13).
 */
export function webhookContext(principal: string | undefined, subscriptionId: string): EventContext {
  return Object.freeze({ authInfo: undefined, principal, mode: 'webhook', subscriptionId });
}

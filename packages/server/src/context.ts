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
  /** Which error numbers this peer understands (DIALECT-01). */
  readonly dialect: Dialect;
}

/** What author code gets to know about the subscription it is called for. */
export interface EventContext extends CallerInfo {
  readonly principal: string | undefined;
  readonly mode: DeliveryMode;
  /** Id of the subscription: for `emit` with a target, and to pair `onSubscribe` with `onUnsubscribe` (HOOK-01). */
  readonly subscriptionId: string;
}

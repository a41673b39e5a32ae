/** One HTTP request to an address that a stranger named: a delivery, a challenge or a well-known document. */
export interface EgressRequest {
  readonly method: 'POST' | 'GET';
  /** The exact text the client gave. */
  readonly url: string;
  /** Sent as they are. `host`, `content-length` and `connection` are the connection's own. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The whole attempt: resolving, connecting, waiting for a free connection, and the answer. */
  readonly timeoutMs: number;
  /**
   * How many bytes of the answer's body are kept; an answer that goes on is cut by closing the connection. With 0 the
   * status alone is the answer: it counts as soon as it is there, whatever the body does (SSRF-08).
   */
  readonly maxResponseBytes: number;
  /** The operator vouches for this origin: addresses are not checked, http is allowed. Everything else stays the same. */
  readonly trusted: boolean;
}

/**
 * Why there is no answer. `local_fault`: the request could not be made, for a reason that lies with this machine or process
 * (DELIV-18). Refused and reset connections, broken answers and names that do not resolve are all
 * `connection_refused`: the protocol's list has no finer words (OP-10). `blocked`: the URL or an address of its host is
 * not one this server sends to (SSRF-02).
 */
export type EgressFailure = 'connection_refused' | 'timeout' | 'tls_error' | 'blocked' | 'local_fault';

/** What became of a request. Redirects are answers like any other (SSRF-05). */
export type EgressResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly retryAfter?: string;
      readonly cacheControl?: string;
      readonly age?: string;
      /** As it came over the wire: nothing is ever decompressed. */
      readonly body: Uint8Array;
      /** The body was longer than `maxResponseBytes`; never set where that was 0. */
      readonly truncated: boolean;
    }
  | { readonly kind: 'failed'; readonly reason: Exclude<EgressFailure, 'local_fault'> }
  /** `fault` is the system's code, or the name of what was thrown: for operators. */
  | { readonly kind: 'failed'; readonly reason: 'local_fault'; readonly fault: string };

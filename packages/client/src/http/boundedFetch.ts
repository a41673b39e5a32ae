import type { FetchLike } from '@modelcontextprotocol/client';
import { type Checks, checkMembers, count, func } from '@mcp-events/protocol/options';
import { checkClock, type Clock, systemClock } from '../clock.ts';
import { boundedAnswer } from './boundedBody.ts';
import { HttpFacts } from './httpFacts.ts';
import { headerValue, MCP_NAME_HEADER, nameOf } from './mcpName.ts';

/** Code of an error about headers, as the core protocol numbers it. */
const HEADER_MISMATCH = -32_020;

/** Options of {@link boundedFetch}. */
export interface BoundedFetchOptions {
  /** Largest JSON answer, and largest single message of an event stream, in bytes after decompression. Default 16 MiB. */
  maxMessageBytes?: number;
  /** What is read of the text of an error, in bytes. Default 64 KiB. */
  maxErrorBytes?: number;
  /** What makes the requests. Default: the runtime's `fetch`. */
  fetch?: FetchLike;
  /** Default: the runtime's. */
  clock?: Clock;
}

/**
 * A `fetch` for the SDK's HTTP transport that a server cannot overwhelm, and that does for Events what the SDK's client
 * leaves to it:
 *
 * - an answer beyond its bound is given up, with an error that says so (`ANSWER_TOO_LARGE`);
 * - the event type is sent in `Mcp-Name`, and left out from then on if the server refuses that;
 * - `Retry-After` of an answer to an `events/*` request is kept: until then such requests are answered here, with the same
 *   status;
 * - streams are never resumed by `Last-Event-ID`: events streams go on by their cursor only (PUSH-19).
 *
 * @throws TypeError for an option that does not exist or cannot be used
 */
export function boundedFetch(options: BoundedFetchOptions = {}): FetchLike {
  checkMembers<Required<BoundedFetchOptions>>(options, { ...boundChecks, fetch: func }, 'the options of boundedFetch');
  return fetchWith(options, new HttpFacts(options.clock ?? systemClock));
}

/** Of the options that are ours wherever they stand. */
export const boundChecks: Checks<Required<Omit<BoundedFetchOptions, 'fetch'>>> = {
  maxMessageBytes: count,
  maxErrorBytes: count,
  clock: checkClock,
};

/** As {@link boundedFetch}, with facts for others to look at. */
export function fetchWith(options: BoundedFetchOptions, facts: HttpFacts): FetchLike {
  const { maxMessageBytes = 16 * 1024 * 1024, maxErrorBytes = 64 * 1024 } = options;
  const bounds = { maxMessageBytes, maxErrorBytes };
  let sendsName = true;
  const send = async (url: string | URL, init: RequestInit | undefined): Promise<Response> => {
    const response = await (options.fetch ?? fetch)(url, init);
    const method = new Headers(init?.headers).get('mcp-method');
    if (method?.startsWith('events/') === true || response.ok) facts.read(response);
    return boundedAnswer(response, bounds, (error) => (facts.failure = error));
  };

  return async (url, init) => {
    const headers = new Headers(init?.headers);
    // The transport gives up then, and the stream is opened again with its cursor.
    if (headers.has('last-event-id')) return new Response(null, { status: 405 });
    const method = headers.get('mcp-method');
    const isEvents = method?.startsWith('events/') === true;
    const waitMs = isEvents ? facts.retryAfterMs : 0;
    if (waitMs > 0) return paused(facts.pausedWith ?? 503, waitMs);
    const name = sendsName ? nameOf(method, init?.body) : undefined;
    if (name === undefined) return send(url, init);
    headers.set(MCP_NAME_HEADER, headerValue(name));
    const first = await send(url, { ...init, headers });
    if (first.status !== 400) return first;
    const text = await first.text();
    // What is an answer of the protocol to something else may have been carried out: it is not asked for again.
    if (!mayConcernHeaders(text)) return new Response(text, first);
    // Refused, for this header perhaps: nothing was done, so it may be asked once more.
    const second = await send(url, init);
    if (second.status !== 400) {
      sendsName = false;
      return second;
    }
    await second.body?.cancel();
    return new Response(text, first);
  };
}

/** Whether an answer with the status 400 may be about headers: an error of the protocol says so by its code (CAP-13). */
function mayConcernHeaders(text: string): boolean {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown } | null };
    return typeof error?.code !== 'number' || error.code === HEADER_MISMATCH;
  } catch {
    return true;
  }
}

function paused(status: number, waitMs: number): Response {
  const seconds = Math.ceil(waitMs / 1_000);
  const text = `The server asked not to be asked again for another ${seconds} s (Retry-After).`;
  return new Response(text, { status, headers: { 'retry-after': String(seconds) } });
}

import { isIP } from 'node:net';
import { parseUrl } from '@mcp-events/protocol';

/** Parsed URLs kept, and the longest text that is: together they bound the cache's memory. */
const MAX_TARGETS = 10_000;
const MAX_CACHED_LENGTH = 2_048;

/** A callback URL, taken apart once. */
export interface CallbackTarget {
  readonly origin: string;
  /** What is resolved: without the brackets of an IPv6 literal. */
  readonly hostname: string;
  /** The host, where it is an address: nothing is resolved then, but it is checked all the same. */
  readonly address: string | undefined;
  readonly port: number;
  /** Path and query, as sent. */
  readonly path: string;
  readonly secure: boolean;
  /** Whether a stranger may name this URL, as far as its text says. */
  readonly isPublic: boolean;
}

/**
 * Names that by definition lead nowhere public (RFC 6761, RFC 6762, RFC 8375, and `.internal`), and names without a dot,
 * which the search list of this machine would complete. Their addresses would be refused anyway; refused by name, they
 * are not looked up either, and nobody learns from the outcome which of them exist here.
 */
const LOCAL_NAME = /^[^.]*$|\.(?:localhost|local|internal|home\.arpa)$/;

/**
 * Takes a callback URL apart; `undefined` when it is none. Hosts in other notations (octal, hexadecimal, decimal, short,
 * full-width) come out in their usual form, so what is checked is what is dialled. User info and fragments are refused
 * (SSRF-08).
 */
export function parseCallbackTarget(text: string): CallbackTarget | undefined {
  const url = parseUrl(text);
  if (url === undefined || text.includes('#')) return undefined;
  const secure = url.protocol === 'https:';
  // Nobody can listen at port 0 (SSRF-11).
  if ((!secure && url.protocol !== 'http:') || url.port === '0' || url.username !== '' || url.password !== '')
    return undefined;
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const address = isIP(hostname) === 0 ? undefined : hostname;
  return {
    origin: url.origin,
    hostname,
    address,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    path: url.pathname + url.search,
    secure,
    isPublic: secure && (address !== undefined || !LOCAL_NAME.test(hostname.replace(/\.+$/, ''))),
  };
}

/** Parsed callback URLs by their text, the oldest forgotten first. */
export class CallbackTargets {
  readonly #targets = new Map<string, CallbackTarget>();

  get(url: string): CallbackTarget | undefined {
    const known = this.#targets.get(url);
    if (known !== undefined) return known;
    const target = parseCallbackTarget(url);
    if (target !== undefined && url.length <= MAX_CACHED_LENGTH) {
      if (this.#targets.size >= MAX_TARGETS) this.#targets.delete(this.#targets.keys().next().value as string);
      this.#targets.set(url, target);
    }
    return target;
  }
}

import {
  callbackUrlSchema,
  describeIssues,
  invalidParams,
  MAX_CALLBACK_URL_LENGTH,
  parseUrl,
} from '@mcp-events/protocol';
import { answeredAtOnce } from '../../../maybePromise.ts';
import type { WebhookOptions } from '../webhookOptions.ts';

/** A callback URL whose text was accepted. */
export interface CallbackUrl {
  /** Exactly as sent: part of the subscription's identity (OP-05). */
  readonly text: string;
  readonly origin: string;
  readonly path: string;
  /** Host name in one spelling, without port: what limits are kept by, so that variants of a URL do not multiply them. */
  readonly host: string;
  /** May be plain HTTP and at any address: the operator says so of the origin. */
  readonly trusted: boolean;
  /** The operator vouches for the origin, so that its endpoints need not be asked whether they want deliveries. */
  readonly vouched: boolean;
}

export interface CallbackUrlRules {
  /** Whether the operator vouches for an origin, in the URL parser's spelling. */
  readonly isAllowedOrigin: (origin: string) => boolean;
  /** Whether callbacks of an origin may be plain HTTP and at any address. Those that are vouched for may anyway. */
  readonly isReachableOrigin: (origin: string) => boolean;
  readonly allowUrl: ((url: URL) => boolean) | undefined;
}

/** Other schemes have origins, too, that nobody means who allows an origin. */
const WEB_SCHEME = /^https?:$/;

/**
 * Reads a callback URL, or throws InvalidParams (SSRF-01, SSRF-06, SSRF-08). Only what its text tells is looked at here.
 */
export function readCallbackUrl(text: string, rules: CallbackUrlRules): CallbackUrl {
  const url = parseUrl(text);
  const plain = url !== undefined && isPlain(url, text) ? url : undefined;
  const vouched = plain !== undefined && rules.isAllowedOrigin(plain.origin);
  const trusted = vouched || (plain !== undefined && rules.isReachableOrigin(plain.origin));
  if (!trusted) {
    const checked = callbackUrlSchema.safeParse(text);
    if (!checked.success) throw invalidParams(`delivery.url: ${describeIssues(checked.error)}`);
  }
  const { origin, pathname, hostname } = url ?? new URL(text);
  if (!vouched && !isAllowedUrl(text, rules)) {
    throw invalidParams('delivery.url: this server does not deliver to this URL');
  }
  return { text, origin, path: pathname, host: hostname.replace(/\.$/, ''), trusted, vouched };
}

function isAllowedUrl(text: string, { allowUrl }: CallbackUrlRules): boolean {
  // Anything but a clear yes is a no: also a promise, or what a regular expression found.
  return allowUrl === undefined || answeredAtOnce(allowUrl(new URL(text))) === true;
}

/** A web address of bounded length with nothing that parsers read differently, no user info and no fragment (SSRF-08, SSRF-11). */
function isPlain(url: URL, text: string): boolean {
  const authority = /^https?:\/\/([^/?]+)/i.exec(text)?.[1];
  if (url.port === '0' || authority === undefined || authority.includes('@') || text.length > MAX_CALLBACK_URL_LENGTH)
    return false;
  return WEB_SCHEME.test(url.protocol) && !/[\s\\#\p{Cc}]/u.test(text);
}

/** Reads an option that names origins. Throws a `TypeError` for what is no origin. */
export function readOrigins(
  option: 'allowedOrigins' | 'reachableOrigins',
  allowed: WebhookOptions['allowedOrigins'] = [],
): (origin: string) => boolean {
  if (typeof allowed === 'function') {
    // Anything but a clear yes is a no.
    return (origin) => answeredAtOnce(allowed(origin)) === true;
  }
  if (!Array.isArray(allowed)) {
    throw new TypeError(`webhooks.${option}: expected a list of origins, or a function, not ${String(allowed)}`);
  }
  const origins = new Set(
    allowed.map((text: unknown) => {
      const url = typeof text === 'string' ? parseUrl(text) : undefined;
      const isOrigin =
        url !== undefined && WEB_SCHEME.test(url.protocol) && /^[^/]+:\/\/[^/*]+\/?$/.test(text as string);
      if (!isOrigin || url.username !== '' || url.password !== '') {
        throw new TypeError(`webhooks.${option}: expected an origin such as https://host:port, not ${String(text)}`);
      }
      return url.origin;
    }),
  );
  return (origin) => origins.has(origin);
}

import { callbackUrlSchema, describeIssues, invalidParams } from '@mcp-events/protocol';

/** A callback URL whose text was accepted. */
export interface CallbackUrl {
  /** Exactly as sent: part of the subscription's identity (OP-05). */
  readonly text: string;
  readonly origin: string;
  readonly path: string;
  /** Host name in one spelling, without port: what limits are kept by, so that variants of a URL do not multiply them. */
  readonly host: string;
  /** The operator vouches for the origin. */
  readonly trusted: boolean;
}

export interface CallbackUrlRules {
  readonly allowedOrigins: ReadonlySet<string>;
  readonly allowUrl: ((url: URL) => boolean) | undefined;
}

/**
 * Reads a callback URL, or throws InvalidParams (SSRF-01, SSRF-06, SSRF-08). Only what its text tells is looked at here.
 */
export function readCallbackUrl(text: string, rules: CallbackUrlRules): CallbackUrl {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const trusted = url !== undefined && rules.allowedOrigins.has(url.origin) && isPlain(url, text);
  if (!trusted) {
    const checked = callbackUrlSchema.safeParse(text);
    if (!checked.success) throw invalidParams(`delivery.url: ${describeIssues(checked.error)}`);
  }
  const { origin, pathname, hostname } = url ?? new URL(text);
  if (!trusted && rules.allowUrl?.(new URL(text)) === false) {
    throw invalidParams('delivery.url: this server does not deliver to this URL');
  }
  return { text, origin, path: pathname, host: hostname.replace(/\.$/, ''), trusted };
}

/** Nothing that parsers read differently, no user info and no fragment (SSRF-08). */
function isPlain(url: URL, text: string): boolean {
  return url.username === '' && url.password === '' && !/[\s\\#@\p{Cc}]/u.test(text);
}

/** Origins as the URL parser spells them. Throws a `TypeError` for what is no origin. */
export function readAllowedOrigins(origins: readonly string[] = []): Set<string> {
  return new Set(
    origins.map((text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      const isOrigin = url !== undefined && /^https?:$/.test(url.protocol) && /^[^/]+:\/\/[^/]+\/?$/.test(text);
      if (!isOrigin || url.username !== '' || url.password !== '') {
        throw new TypeError(`webhooks.allowedOrigins: expected an origin such as https://host:port, not ${text}`);
      }
      return url.origin;
    }),
  );
}

import { webhookReceiverDocumentSchema } from '@mcp-events/protocol';
import type { Clock } from '../../../clock.ts';
import type { Egress } from '../egress/egress.ts';
import type { CallbackUrl } from './callbackUrl.ts';

const DOCUMENT_PATH = '/.well-known/mcp-webhook-receiver.json';

/** Longest time a document is taken from the cache (OP-25). One hour. */
const MAX_CACHED_MS = 3_600_000;

/** How long a document without caching headers counts, and how long a missing one is not asked for again. */
const DEFAULT_CACHED_MS = 300_000;

const MAX_DOCUMENT_BYTES = 64 * 1024;

/** Origins remembered. */
const MAX_ORIGINS = 10_000;

interface CachedDocument {
  readonly prefixes: Promise<readonly string[]>;
  /** By a clock that nobody sets. */
  untilMs: number;
}

/** What origins say about where webhooks are welcome (VERIFY-11, VERIFY-12). */
export class ReceiverDocuments {
  readonly #egress: Egress;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #cache = new Map<string, CachedDocument>();

  constructor(egress: Egress, clock: Clock, timeoutMs: number) {
    this.#egress = egress;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the answer for this callback needs no request. */
  isCached({ origin }: CallbackUrl): boolean {
    const cached = this.#cache.get(origin);
    return cached !== undefined && cached.untilMs > this.#clock.monotonicMs();
  }

  /** Whether the callback's origin declares that it takes webhooks there. A missing or bad document is a no (OP-25). */
  async covers(callback: CallbackUrl): Promise<boolean> {
    const { origin, path } = callback;
    let cached = this.isCached(callback) ? this.#cache.get(origin) : undefined;
    if (cached === undefined) {
      // Unknown until it is here; simultaneous questions wait for the same request.
      const entry: CachedDocument = {
        prefixes: this.#fetch(callback, (ms) => (entry.untilMs = ms)),
        untilMs: Infinity,
      };
      cached = entry;
      this.#cache.delete(origin);
      this.#cache.set(origin, cached);
      if (this.#cache.size > MAX_ORIGINS) this.#cache.delete(this.#cache.keys().next().value as string);
    }
    return (await cached.prefixes).some((prefix) => isBelow(path, prefix));
  }

  async #fetch({ origin, trusted }: CallbackUrl, keepUntil: (ms: number) => void): Promise<readonly string[]> {
    const result = await this.#egress.send({
      method: 'GET',
      url: origin + DOCUMENT_PATH,
      headers: { accept: 'application/json' },
      timeoutMs: this.#timeoutMs,
      maxResponseBytes: MAX_DOCUMENT_BYTES,
      trusted,
    });
    const answered = result.kind === 'response' && result.status === 200 && !result.truncated;
    // A fault of ours says nothing of the document.
    const isUnknown = result.kind === 'failed' && result.reason === 'local_fault';
    if (isUnknown) keepUntil(this.#clock.monotonicMs());
    else
      keepUntil(this.#clock.monotonicMs() + (answered ? cachedMs(result.cacheControl, result.age) : DEFAULT_CACHED_MS));
    return answered ? prefixesOf(result.body) : [];
  }
}

function prefixesOf(body: Uint8Array): readonly string[] {
  try {
    const parsed = webhookReceiverDocumentSchema.safeParse(JSON.parse(new TextDecoder().decode(body)));
    return parsed.success ? parsed.data.receivers : [];
  } catch {
    return [];
  }
}

function cachedMs(cacheControl = '', age = '0'): number {
  if (/(?:^|[\s,])(?:no-store|no-cache)\b/i.test(cacheControl)) return 0;
  const maxAge = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(cacheControl)?.[1];
  if (maxAge === undefined) return DEFAULT_CACHED_MS;
  return Math.min(MAX_CACHED_MS, Math.max(0, (Number(maxAge) - (Number(age) || 0)) * 1_000));
}

/** A prefix ends at a border between path segments: `/hooks` covers `/hooks/a`, not `/hooks-of-others` (OP-25). */
function isBelow(path: string, prefix: string): boolean {
  if (!prefix.startsWith('/') || !isUnambiguous(path)) return false;
  // The same normal form as the callback's path has; a prefix cannot leave its origin.
  const { pathname } = new URL(`https://origin.invalid${prefix}`);
  return path === pathname || path.startsWith(pathname.endsWith('/') ? pathname : `${pathname}/`);
}

/**
 * Whether whatever serves the path reads it as we do. Servers decode before they look for `..`, some of them twice, cut at `;`,
 * take `\` for `/`, or a character for the plain one it resembles: by these a path could leave what a prefix covers. Such a
 * callback is asked itself.
 */
function isUnambiguous(path: string): boolean {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    // No UTF-8: overlong forms of "/" and "." are among that.
    return false;
  }
  const plain = decoded.normalize('NFKC');
  if (/[%;\\\p{Cc}\p{Cf}\u2044\u2215\u29f8\ufffd]/u.test(plain)) return false;
  const segments = plain.split('/');
  return segments.length === path.split('/').length && !segments.some((segment) => /^\s*\.{1,2}\s*$/.test(segment));
}

const SENTINEL_PREFIX = '=?base64?';
const SENTINEL_SUFFIX = '?=';
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Code of a header that contradicts the body, in the core protocol. */
export const HEADER_MISMATCH_CODE = -32_020;

/**
 * What is wrong with the `Mcp-Name` header of an `events/*` request, `undefined` when nothing is. Intermediaries route
 * by the header, so one that is there has to say what the body says; it may be left out (CAP-12, CAP-13).
 */
export function nameHeaderFault(headers: Headers, params: unknown): string | undefined {
  const header = headers.get('mcp-name');
  const { name } = (params ?? {}) as { name?: unknown };
  // A request without a name has nothing to mirror, or is refused for that.
  if (header === null || typeof name !== 'string') return undefined;
  const decoded = decodeHeaderValue(header);
  if (decoded === undefined) return 'Mcp-Name carries an invalid Base64 value';
  if (decoded === name) return undefined;
  return 'Mcp-Name and params.name disagree';
}

/** Text that is no plain header value comes as the Base64 of its UTF-8, marked as such. */
function decodeHeaderValue(value: string): string | undefined {
  if (!(value.startsWith(SENTINEL_PREFIX) && value.endsWith(SENTINEL_SUFFIX))) return value;
  const base64 = value.slice(SENTINEL_PREFIX.length, -SENTINEL_SUFFIX.length);
  if (!CANONICAL_BASE64.test(base64)) return undefined;
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

import { createHash } from 'node:crypto';

/** Visible ASCII of the length `emit` accepts: a header carries it unchanged. */
const HEADER_SAFE = /^[\x21-\x7e]{1,256}$/;

/**
 * The same id, or one derived from it that fits into an HTTP header: peers of the older dialect get the event's id in
 * one (DIALECT-06). The same upstream id always gives the same one, so an event keeps one id on every path (OCC-07).
 */
export function headerSafeId(authored: string): string {
  if (HEADER_SAFE.test(authored)) return authored;
  return `id_${createHash('sha256').update(authored).digest('base64url')}`;
}

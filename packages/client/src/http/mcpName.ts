import { isJsonObject } from '@mcp-events/protocol';

/** The event type of a request in a header, for those who route by it; the SDK's client keeps it to itself. */
export const MCP_NAME_HEADER = 'mcp-name';

const PREFIX = '=?base64?';
const SUFFIX = '?=';

/** The name of the event type that a request of ours is about; undefined if it is about none. */
export function nameOf(method: string | null, body: unknown): string | undefined {
  if (method === null || !method.startsWith('events/') || typeof body !== 'string') return undefined;
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch {
    return undefined;
  }
  const params = isJsonObject(message) ? message['params'] : undefined;
  const name = isJsonObject(params) ? params['name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** A text as the value of a header: as it is, or wrapped where a header cannot hold it or would be read differently. */
export function headerValue(text: string): string {
  const isPlain = /^[\t -~]+$/.test(text) && text === text.trim();
  if (isPlain && !(text.startsWith(PREFIX) && text.endsWith(SUFFIX))) return text;
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCodePoint(byte));
  return `${PREFIX}${btoa(bytes.join(''))}${SUFFIX}`;
}

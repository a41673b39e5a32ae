import { parseUrl } from '@mcp-events/protocol';

/** Which origins may be called back without guards. Stands for the operator's configuration: it outlives restarts. */
export class CallbackOrigins {
  readonly #allowed: Set<string>;

  constructor(allowed: readonly string[]) {
    this.#allowed = new Set(allowed);
  }

  /** Throws an error for people. */
  allow(origin: string): void {
    if (!isOrigin(origin)) throw new Error(`${JSON.stringify(origin)} is no origin. ${ORIGIN_HINT}`);
    this.#allowed.add(origin);
  }

  allows(origin: string): boolean {
    return this.#allowed.has(origin);
  }
}

export const ORIGIN_HINT = 'Give scheme, host and port only, as in https://example.com:8443.';

/** Whether the text is the origin of web pages, in the one spelling that origins are compared in. */
export function isOrigin(text: string): boolean {
  const url = parseUrl(text);
  return url?.origin === text && /^https?:$/.test(url.protocol);
}

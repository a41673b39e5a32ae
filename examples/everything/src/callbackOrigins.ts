import { parseUrl } from '@mcp-events/protocol';

/** Which origins may be called back, and how. Stands for the operator's configuration: it outlives restarts. */
export class CallbackOrigins {
  readonly #trusted: Set<string>;
  readonly #reachable: Set<string>;

  /**
   * @param trusted the operator vouches for: no guards, and no verification
   * @param reachable may be plain HTTP and at any address; their endpoints are asked like any other
   */
  constructor(trusted: readonly string[], reachable: readonly string[]) {
    this.#trusted = new Set(trusted);
    this.#reachable = new Set(reachable);
  }

  /** Throws an error for people. */
  makeReachable(origin: string): void {
    if (!isOrigin(origin)) throw new Error(`${JSON.stringify(origin)} is no origin. ${ORIGIN_HINT}`);
    this.#reachable.add(origin);
  }

  trusts(origin: string): boolean {
    return this.#trusted.has(origin);
  }

  reaches(origin: string): boolean {
    return this.#reachable.has(origin);
  }
}

export const ORIGIN_HINT = 'Give scheme, host and port only, as in https://example.com:8443.';

/** Whether the text is the origin of web pages, in the one spelling that origins are compared in. */
export function isOrigin(text: string): boolean {
  const url = parseUrl(text);
  return url?.origin === text && /^https?:$/.test(url.protocol);
}

import type { Callback } from './callback.ts';
import { RecentKeys } from './recentKeys.ts';

/** Refused paths that are remembered: servers give up within days, and applications cancel that many at most in them. */
const MAX_REFUSED_PATHS = 10_000;

/** Whose key a post may be signed with. */
export interface Candidates {
  /** Those of the subscription id that the post names, servers may use the same one (OP-07), and the only one of a URL. */
  bound: Callback[];
  /** Those whose id is not known yet (VERIFY-13). */
  unbound: Callback[];
  /** The URL belongs to these alone, so a key that verifies tells the subscription without an id (OP-28). */
  ownUrl: boolean;
}

/** The registered callbacks, by the URL they are posted to. */
export class Callbacks {
  readonly #byPath = new Map<string, Set<Callback>>();
  readonly #shared = new Set<Callback>();
  readonly #refused = new RecentKeys(MAX_REFUSED_PATHS);

  /** @throws TypeError if the path is not one segment of a URL */
  add(callback: Callback): void {
    const { path } = callback;
    if (path === undefined) {
      this.#shared.add(callback);
      return;
    }
    if (path === '' || lastSegment(`https://localhost/${path}`) !== path) {
      throw new TypeError(`path must be one segment of a URL as it is sent, such as "3f6c1d"; got "${path}"`);
    }
    this.#refused.delete(path);
    this.#byPath.set(path, (this.#byPath.get(path) ?? new Set()).add(callback));
  }

  delete(callback: Callback): void {
    this.#shared.delete(callback);
    const { path } = callback;
    if (path === undefined) return;
    const own = this.#byPath.get(path);
    own?.delete(callback);
    if (own?.size === 0) this.#byPath.delete(path);
  }

  /** Nothing more is to be posted to this path. */
  refuse(path: string): void {
    this.#refused.add(path);
  }

  isRefused(url: string): boolean {
    const path = lastSegment(url);
    return this.#refused.has(path) && !this.#byPath.has(path);
  }

  /** Chooses by what stands outside of the body (RECV-01). */
  find(url: string, subscriptionId: string): Candidates {
    const own = this.#byPath.get(lastSegment(url));
    const candidates: Candidates = { bound: [], unbound: [], ownUrl: own !== undefined };
    for (const callback of own ?? this.#shared) {
      // On a URL of its own the key tells, whatever an unsigned header says.
      if (callback.isNamed(subscriptionId) || own?.size === 1) candidates.bound.push(callback);
      else if (!callback.isBound) candidates.unbound.push(callback);
    }
    return candidates;
  }
}

function lastSegment(url: string): string {
  const { pathname } = new URL(url);
  return pathname.slice(pathname.lastIndexOf('/') + 1);
}

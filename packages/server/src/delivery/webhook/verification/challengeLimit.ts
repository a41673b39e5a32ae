import type { Clock } from '../../../clock.ts';

const WINDOW_MS = 60_000;

/** Destinations counted at the same time; beyond them the longest counted ones start anew. */
const MAX_DESTINATIONS = 10_000;

/** Part of the share that is left to those who have used less than that, until the share is used twice. */
const KEPT_PART = 4;

/** What a first challenge needs: the document, and the challenge. */
const LEAST_KEPT = 2;

interface Window {
  readonly startMs: number;
  count: number;
  readonly byPrincipal: Map<string, number>;
}

/**
 * Requests to endpoints that have not consented yet, per destination and minute (VERIFY-09): hosts by their names, or by their
 * addresses. Nobody can use up a destination's share for all others.
 */
export class ChallengeLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #kept: number;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
    this.#kept = Math.min(perMinute, Math.max(LEAST_KEPT, Math.ceil(perMinute / KEPT_PART)));
  }

  /** Counts one; `false` when the destination has had its share. */
  take(destination: string, principal = ''): boolean {
    if (!this.hasRoom(destination, principal)) return false;
    const window = this.#window(destination);
    window.count++;
    window.byPrincipal.set(principal, (window.byPrincipal.get(principal) ?? 0) + 1);
    return true;
  }

  hasRoom(destination: string, principal: string): boolean {
    const { count, byPrincipal } = this.#window(destination);
    if (count < this.#perMinute) return true;
    return count < 2 * this.#perMinute && (byPrincipal.get(principal) ?? 0) < this.#kept;
  }

  #window(destination: string): Window {
    const nowMs = this.#clock.monotonicMs();
    let window = this.#windows.get(destination);
    if (window === undefined || nowMs - window.startMs >= WINDOW_MS) {
      window = { startMs: nowMs, count: 0, byPrincipal: new Map() };
      this.#windows.delete(destination);
      this.#windows.set(destination, window);
      if (this.#windows.size > MAX_DESTINATIONS) this.#windows.delete(this.#windows.keys().next().value as string);
    }
    return window;
  }
}

/** One destination has any number of IPv6 addresses: the 64 bits that name its network stand for all of them. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

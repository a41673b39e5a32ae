import type { Clock } from '../../../clock.ts';

const WINDOW_MS = 60_000;

/** Hosts counted at the same time; beyond them the longest counted ones start anew. */
const MAX_HOSTS = 10_000;

/** Requests to hosts that have not consented yet, per host and minute (VERIFY-09). */
export class ChallengeLimit {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #counts = new Map<string, { count: number; readonly startMs: number }>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Counts one; `false` when the host has had its share. */
  take(host: string): boolean {
    const nowMs = this.#clock.now();
    let entry = this.#counts.get(host);
    // Also after the clock was set back.
    if (entry === undefined || Math.abs(nowMs - entry.startMs) >= WINDOW_MS) {
      entry = { count: 0, startMs: nowMs };
      this.#counts.delete(host);
      this.#counts.set(host, entry);
      if (this.#counts.size > MAX_HOSTS) this.#counts.delete(this.#counts.keys().next().value as string);
    }
    if (entry.count >= this.#perMinute) return false;
    entry.count++;
    return true;
  }
}

/** When delivery to an endpoint that keeps failing stops until the client comes back (DELIV-13). */
export interface SuspensionRules {
  /** Share of failed attempts above which delivery is suspended, 0 to 1; 1 never suspends. Default 0.95. */
  readonly failureRate: number;
  /** Time the share is taken over. Default 60 minutes. */
  readonly windowMs: number;
  /** Attempts in that time below which nothing is concluded. Default 100. */
  readonly minAttempts: number;
}

/** Suspension at nineteen failures in twenty within an hour, of a hundred attempts at least (DELIV-13). */
export const defaultSuspensionRules: SuspensionRules = { failureRate: 0.95, windowMs: 3_600_000, minAttempts: 100 };

/** Parts of the window: it rolls in steps of one twelfth, five minutes by default. */
const PARTS = 12;

/** Attempts of one subscription over a rolling window, in constant memory. */
export class FailureRate {
  readonly #rules: SuspensionRules;
  /** Per part of the window, in turn: attempts, failures. */
  readonly #counts: number[] = Array.from({ length: 2 * PARTS }, () => 0);
  /** Number of the newest part. */
  #newest = 0;

  constructor(rules: SuspensionRules) {
    this.#rules = rules;
  }

  /** Counts an attempt; says whether delivery has to be suspended now. */
  count(failed: boolean, nowMs: number): boolean {
    const part = Math.floor(nowMs / (this.#rules.windowMs / PARTS));
    const steps = Math.min(PARTS, Math.max(0, part - this.#newest));
    for (let step = 0; step < steps; step++) this.#clear(part - step);
    this.#newest = Math.max(this.#newest, part);
    const place = 2 * (this.#newest % PARTS);
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    if (!failed) return false;
    this.#counts[place + 1] = (this.#counts[place + 1] ?? 0) + 1;
    let attempts = 0;
    let failures = 0;
    for (let at = 0; at < this.#counts.length; at += 2) {
      attempts += this.#counts[at] ?? 0;
      failures += this.#counts[at + 1] ?? 0;
    }
    return attempts >= this.#rules.minAttempts && failures > this.#rules.failureRate * attempts;
  }

  /** Forgets everything: the endpoint gets a fresh chance. */
  reset(): void {
    this.#counts.fill(0);
  }

  #clear(part: number): void {
    this.#counts[2 * (part % PARTS)] = 0;
    this.#counts[2 * (part % PARTS) + 1] = 0;
  }
}

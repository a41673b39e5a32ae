/** A rate: so many per second, with bursts of one second's worth. */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #atMs: number;

  /** @param perSecond `Infinity` for no limit */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = Math.max(1, perSecond);
    this.#atMs = nowMs;
  }

  /** Time until one is available; 0 when it is. */
  waitMs(nowMs: number): number {
    if (this.#perSecond === Infinity) return 0;
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(Math.max(1, this.#perSecond), this.#tokens + (elapsedMs * this.#perSecond) / 1_000);
    this.#atMs = nowMs;
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1_000) / this.#perSecond);
  }

  /** Uses one up. Call it when {@link waitMs} is 0. */
  take(): void {
    if (this.#perSecond !== Infinity) this.#tokens -= 1;
  }
}

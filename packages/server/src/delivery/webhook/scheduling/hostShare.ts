import { Fifo } from './fifo.ts';
import { TokenBucket } from './tokenBucket.ts';

/** What an attempt says about its host: whether it answered at all, not whether it liked the delivery. `skipped`: none was made. */
export type HostOutcome = 'answered' | 'unreachable' | 'skipped';

/** Attempts under way to a host nothing is known of yet. */
const INITIAL_CONCURRENCY = 16;

/**
 * One host's part of the attempts under way. It grows by one for each answer and halves for each attempt that got
 * none, so a dead host soon holds a single one, while a fast one soon has all it may have.
 */
export class HostShare<Waiting> {
  readonly bucket: TokenBucket;
  /** What waits for room at this host. */
  readonly parked: Fifo<Waiting> = new Fifo();
  running = 0;
  /** Flows that exist. */
  flows = 0;
  readonly #most: number;
  #allowed: number;

  constructor(concurrency: number, perSecond: number, nowMs: number) {
    this.bucket = new TokenBucket(perSecond, nowMs);
    this.#most = concurrency;
    this.#allowed = Math.min(INITIAL_CONCURRENCY, concurrency);
  }

  get isFull(): boolean {
    return this.running >= this.#allowed;
  }

  /** Attempts that may be started now. */
  get room(): number {
    return Math.max(0, this.#allowed - this.running);
  }

  /** An attempt is over. */
  settled(outcome: HostOutcome): void {
    this.running--;
    if (outcome === 'answered') this.#allowed = Math.min(this.#most, this.#allowed + 1);
    else if (outcome === 'unreachable') this.#allowed = Math.max(1, Math.floor(this.#allowed / 2));
  }
}

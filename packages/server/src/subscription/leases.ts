import type { Clock } from '../clock.ts';
import type { Pollers } from './pollers.ts';
import type { PollSubscription } from './pollSubscription.ts';

/** A poll subscription: exists as long as polls keep coming (HOOK-04). */
export interface Lease {
  readonly subscription: PollSubscription;
  /** Settles when `onSubscribe` has run; rejects when it refused. */
  readonly ready: Promise<void>;
  /** Polls that are being answered: as long as there are any, it does not expire. */
  polls: number;
  readonly pollers: Pollers;
  /** By a clock that nobody sets: how long nobody polled, whatever the time of day is set to meanwhile. */
  expiresAtMs: number;
}

/**
 * Poll leases by principal, name and canonical arguments (HOOK-05). Soft state that drives hooks and limits: no answer
 * depends on it, and nothing of it is persisted (HOOK-07).
 */
export class Leases {
  readonly #clock: Clock;
  /**
   * By lease time, then in order of renewal: the first of each map is the next to expire, so that one timer serves
   * any number of leases.
   */
  readonly #byDuration = new Map<number, Map<string, Lease>>();
  /** Of callers that are not authenticated, in order of renewal. */
  readonly #anonymous = new Map<string, Lease>();
  #timer: unknown;
  #timerAtMs = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string): Lease | undefined {
    for (const leases of this.#byDuration.values()) {
      const lease = leases.get(key);
      if (lease !== undefined) return lease;
    }
    return undefined;
  }

  /** Adds a lease, or gives a known one its full time again. */
  renew(key: string, lease: Lease, durationMs: number): void {
    this.delete(key);
    lease.expiresAtMs = this.#clock.monotonicMs() + durationMs;
    let leases = this.#byDuration.get(durationMs);
    if (leases === undefined) this.#byDuration.set(durationMs, (leases = new Map()));
    leases.set(key, lease);
    if (lease.subscription.principal === undefined) this.#anonymous.set(key, lease);
    this.#schedule(lease.expiresAtMs);
  }

  /**
   * Gives up the anonymous lease that was not polled for longest, for a caller that is authenticated: who they are nobody
   * can tell, so that one of them could take the places of all (ERR-13). No answer depends on a lease; a poll that is held is
   * answered at once (POLL-12), where no other lease is left.
   */
  giveUpAnonymous(): boolean {
    let held: [key: string, lease: Lease] | undefined;
    for (const [key, lease] of this.#anonymous) {
      if (lease.subscription.ended) continue;
      if (lease.polls > 0) held ??= [key, lease];
      else return this.#giveUp(key, lease);
    }
    return held !== undefined && this.#giveUp(...held);
  }

  #giveUp(key: string, lease: Lease): true {
    this.delete(key);
    lease.subscription.expire();
    return true;
  }

  delete(key: string): void {
    this.#anonymous.delete(key);
    for (const [durationMs, leases] of this.#byDuration) {
      if (!leases.delete(key)) continue;
      if (leases.size === 0) this.#byDuration.delete(durationMs);
      break;
    }
    if (this.#byDuration.size === 0) this.#unschedule();
  }

  /** Ends all leases as expiry would. */
  close(): void {
    const leases = [...this.#byDuration.values()].flatMap((byKey) => [...byKey.values()]);
    this.#byDuration.clear();
    this.#anonymous.clear();
    this.#unschedule();
    for (const lease of leases) lease.subscription.expire();
  }

  #expire(): void {
    this.#timerAtMs = Infinity;
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Infinity;
    for (const [durationMs, leases] of this.#byDuration) {
      for (const [key, lease] of leases) {
        if (lease.expiresAtMs > nowMs) {
          nextMs = Math.min(nextMs, lease.expiresAtMs);
          break;
        }
        if (lease.polls > 0) {
          this.renew(key, lease, durationMs);
          continue;
        }
        this.delete(key);
        lease.subscription.expire();
      }
    }
    if (nextMs !== Infinity) this.#schedule(nextMs);
  }

  #schedule(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    this.#unschedule();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.setTimeout(() => this.#expire(), Math.max(0, atMs - this.#clock.monotonicMs()));
  }

  #unschedule(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timerAtMs = Infinity;
  }
}

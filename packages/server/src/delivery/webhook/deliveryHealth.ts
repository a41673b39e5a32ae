import type { DeliveryStatus, LastError } from '@mcp-events/protocol';
import { Since } from '../../clock.ts';
import type { Clock } from '../../clock.ts';
import type { StoredSubscription } from '../../storage/subscriptionStore.ts';
import { FailureRate } from './failureRate.ts';
import type { SuspensionRules } from './failureRate.ts';

/**
 * How deliveries of one subscription go, in constant memory (STATUS-03, STATUS-04), and whether that has suspended it
 * (DELIV-13).
 */
export class DeliveryHealth {
  #lastDeliveryAtMs: number | undefined;
  #lastError: LastError | null = null;
  #failedSince: Since | undefined;
  #suspendedAtMs: number | undefined;
  /** Made with the first attempt. */
  #failureRate: FailureRate | undefined;

  /** Why the last attempt failed, if it did. */
  get lastError(): LastError | null {
    return this.#lastError;
  }

  /** Start of the present series of failures. */
  get failedSinceMs(): number | undefined {
    return this.#failedSince?.atMs;
  }

  /** How long there was nothing else, whatever the time of day was set to meanwhile. */
  failingForMs(clock: Clock): number | undefined {
    return this.#failedSince?.elapsedMs(clock);
  }

  get suspended(): boolean {
    return this.#suspendedAtMs !== undefined;
  }

  get suspendedAtMs(): number | undefined {
    return this.#suspendedAtMs;
  }

  /** What a later run needs to know. */
  get record(): Pick<StoredSubscription, 'suspended' | 'failing'> {
    const { lastError: reason, failedSinceMs: sinceMs, suspended } = this;
    return { suspended, failing: reason === null || sinceMs === undefined ? null : { sinceMs, reason } };
  }

  /** As an earlier run left it. */
  restore({ suspended, failing }: Pick<StoredSubscription, 'suspended' | 'failing'>, clock: Clock): void {
    if (suspended) this.#suspendedAtMs = clock.now();
    if (failing === null) return;
    this.#lastError = failing.reason;
    this.#failedSince = new Since(clock, failing.sinceMs);
  }

  succeeded(nowMs: number): void {
    this.#lastDeliveryAtMs = nowMs;
    this.#lastError = null;
    this.#failedSince = undefined;
  }

  failed(reason: LastError, clock: Clock): void {
    this.#lastError = reason;
    this.#failedSince ??= new Since(clock);
  }

  /** Counts an attempt towards suspension. @returns whether it suspends now */
  count(rules: SuspensionRules, failed: boolean, clock: Clock): boolean {
    this.#failureRate ??= new FailureRate(rules);
    if (!this.#failureRate.count(failed, clock.monotonicMs())) return false;
    this.#suspendedAtMs = clock.now();
    return true;
  }

  /** Ends the suspension. @returns whether there was one */
  resume(): boolean {
    if (this.#suspendedAtMs === undefined) return false;
    this.#suspendedAtMs = undefined;
    this.#failureRate?.reset();
    return true;
  }

  /** @param throttledMs how long rate limits hold deliveries back; 0 when they do not (STATUS-05) */
  status(throttledMs: number): DeliveryStatus {
    return {
      active: !this.suspended,
      lastDeliveryAt: this.#lastDeliveryAtMs === undefined ? null : isoTime(this.#lastDeliveryAtMs),
      lastError: this.#lastError,
      ...(this.#failedSince === undefined ? {} : { failedSince: isoTime(this.#failedSince.atMs) }),
      ...(throttledMs === 0 ? {} : { throttled: true, retryAfterMs: throttledMs }),
    };
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

import type { DeliveryStatus, LastError } from '@mcp-events/protocol';

/** How deliveries of one subscription went, in constant memory (STATUS-03, STATUS-04). */
export class DeliveryHealth {
  #lastDeliveryAtMs: number | undefined;
  #lastError: LastError | null = null;
  #failedSinceMs: number | undefined;

  /** Why the last attempt failed, if it did. */
  get lastError(): LastError | null {
    return this.#lastError;
  }

  /** Start of the present series of failures. */
  get failedSinceMs(): number | undefined {
    return this.#failedSinceMs;
  }

  /** As an earlier run left it. */
  restore({ sinceMs, reason }: { readonly sinceMs: number; readonly reason: LastError }): void {
    this.#lastError = reason;
    this.#failedSinceMs = sinceMs;
  }

  succeeded(nowMs: number): void {
    this.#lastDeliveryAtMs = nowMs;
    this.#lastError = null;
    this.#failedSinceMs = undefined;
  }

  failed(reason: LastError, nowMs: number): void {
    this.#lastError = reason;
    this.#failedSinceMs ??= nowMs;
  }

  /** @param throttledMs how long rate limits hold deliveries back; 0 when they do not (STATUS-05) */
  status(active: boolean, throttledMs: number): DeliveryStatus {
    return {
      active,
      lastDeliveryAt: this.#lastDeliveryAtMs === undefined ? null : isoTime(this.#lastDeliveryAtMs),
      lastError: this.#lastError,
      ...(this.#failedSinceMs === undefined ? {} : { failedSince: isoTime(this.#failedSinceMs) }),
      ...(throttledMs === 0 ? {} : { throttled: true, retryAfterMs: throttledMs }),
    };
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

import { type Clock, MAX_DELAY_MS } from '../clock.ts';

/** Watches a stream for silence. */
export interface Liveness {
  /** A message arrived. */
  touch: () => void;
  stop: () => void;
}

/** How long a stream may be silent, in milliseconds. */
export interface SilenceLimits {
  /** Before its first message. */
  firstMs: number;
  /** After any. */
  limitMs: number;
}

/**
 * Calls `onSilence` once, when more time passed without any message than the limit (PUSH-18). A clock that is set back
 * meanwhile prolongs nothing; a computer that slept, which looks like one that is set forward, finds its streams silent.
 */
export function watchLiveness(clock: Clock, { firstMs, limitMs }: SilenceLimits, onSilence: () => void): Liveness {
  // Messages only note the time; the timer is renewed when it fires, not a hundred thousand times a second.
  let lastMs = clock.now();
  let lastMonotonicMs = clock.monotonicMs();
  let allowedMs = firstMs;
  let timer = clock.setTimeout(check, Math.min(firstMs + 1, MAX_DELAY_MS));
  function check(): void {
    const silentMs = Math.max(clock.now() - lastMs, clock.monotonicMs() - lastMonotonicMs);
    if (silentMs > allowedMs) onSilence();
    else timer = clock.setTimeout(check, Math.min(allowedMs - silentMs + 1, MAX_DELAY_MS));
  }
  return {
    touch: () => {
      lastMs = clock.now();
      lastMonotonicMs = clock.monotonicMs();
      allowedMs = limitMs;
    },
    stop: () => clock.clearTimeout(timer),
  };
}

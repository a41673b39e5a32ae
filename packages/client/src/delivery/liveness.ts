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
 * meanwhile costs one more limit at the most; a computer that slept finds its streams silent at the next look.
 */
export function watchLiveness(clock: Clock, { firstMs, limitMs }: SilenceLimits, onSilence: () => void): Liveness {
  // Messages only note the time; the timer is renewed when it fires, not a hundred thousand times a second.
  let lastMs = clock.now();
  let allowedMs = firstMs;
  let timer = clock.setTimeout(check, Math.min(firstMs + 1, MAX_DELAY_MS));
  function check(): void {
    const nowMs = clock.now();
    // The clock was set back, and when the last message came is not known any more.
    lastMs = Math.min(lastMs, nowMs);
    const silentMs = nowMs - lastMs;
    if (silentMs > allowedMs) onSilence();
    else timer = clock.setTimeout(check, Math.min(allowedMs - silentMs + 1, MAX_DELAY_MS));
  }
  return {
    touch: () => {
      lastMs = clock.now();
      allowedMs = limitMs;
    },
    stop: () => clock.clearTimeout(timer),
  };
}

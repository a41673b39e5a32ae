import type { Clock } from '../clock.ts';

/** Watches a stream for silence. */
export interface Liveness {
  /** A message arrived. */
  touch: () => void;
  stop: () => void;
}

/**
 * Calls `onSilence` once, when more than two heartbeat intervals passed without any message (PUSH-18): one heartbeat may
 * be late, two missing ones mean that nobody is there.
 */
export function watchLiveness(clock: Clock, heartbeatIntervalMs: number, onSilence: () => void): Liveness {
  // Messages only note the time; the timer is renewed when it fires, not a hundred thousand times a second.
  const limitMs = heartbeatIntervalMs * 2;
  let lastMs = clock.now();
  let timer = clock.setTimeout(check, limitMs + 1);
  function check(): void {
    const silentMs = clock.now() - lastMs;
    if (silentMs > limitMs) onSilence();
    else timer = clock.setTimeout(check, limitMs - silentMs + 1);
  }
  return {
    touch: () => {
      lastMs = clock.now();
    },
    stop: () => clock.clearTimeout(timer),
  };
}

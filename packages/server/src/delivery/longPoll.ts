import type { PollSubscription } from '../subscription/pollSubscription.ts';
import { Pump } from './pump.ts';
import type { PumpOptions } from './pump.ts';

export interface LongPollOptions extends Omit<PumpOptions, 'sink'> {
  /** Ends the wait when it ends. */
  readonly holder: PollSubscription;
  readonly cursor: string;
  readonly holdMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits until the subscription has something after `cursor`, or was ended, or `holdMs` passed, or the client gave up
 * (POLL-11). What arrived is not handed over but read from the feed by the caller, so a held poll answers exactly like
 * a plain one.
 */
export async function waitForEvent(options: LongPollOptions): Promise<void> {
  const { clock, cursor, holder, holdMs, signal, ...pumpOptions } = options;
  if (signal.aborted) return;
  let settle = (): void => {};
  const settled = new Promise<void>((resolve) => (settle = resolve));
  const wake = (): boolean => {
    settle();
    return false;
  };
  const pump = new Pump({ ...pumpOptions, clock, sink: { deliver: wake, lose: wake, fail: () => {} } });
  const timer = clock.setTimeout(settle, holdMs);
  const release = holder.whileHeld(settle);
  signal.addEventListener('abort', settle, { once: true });
  pump.openAt(cursor);
  pump.run();
  await settled;
  clock.clearTimeout(timer);
  signal.removeEventListener('abort', settle);
  release();
  pump.close();
}

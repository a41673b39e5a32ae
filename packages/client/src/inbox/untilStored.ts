import { type BackoffOptions, backoffMs } from '../backoff.ts';
import { type Clock, sleep } from '../clock.ts';
import { asError, type EventsClientErrorCode, isEventsClientError } from '../errors.ts';

/** What waits between two attempts are measured with. */
export interface Waits {
  clock: Clock;
  backoff: BackoffOptions;
  random: () => number;
}

/** Failures that no repetition mends. */
export const FATAL: readonly EventsClientErrorCode[] = [
  'TAKEN_OVER',
  'HANDLER_MISUSED',
  'PARKED_FULL',
  'STORE_CORRUPT',
];

/**
 * Repeats what the database keeps from being done, however often it fails (CLIENT-30); undefined if the subscription was
 * stopped before.
 *
 * @param subscription is told of each failure
 * @throws what no repetition mends
 */
export async function untilStored<R>(
  step: () => Promise<R>,
  subscription: { readonly stopped: AbortSignal; fail(error: Error): void },
  { clock, backoff, random }: Waits,
): Promise<R | undefined> {
  const { stopped } = subscription;
  for (let attempt = 0; !stopped.aborted; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if (hasCode(error, FATAL)) throw error;
      subscription.fail(asError(error));
      await sleep(clock, backoffMs(attempt, backoff, random), stopped);
    }
  }
  return undefined;
}

export function hasCode(error: unknown, codes: readonly EventsClientErrorCode[]): boolean {
  return isEventsClientError(error) && codes.includes(error.code);
}

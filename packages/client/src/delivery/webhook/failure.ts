import { isEventsError } from '@mcp-events/protocol';
import { isNotSupported, isTakenOver } from '../../errors.ts';
import type { DeliveryOutcome } from '../deliveryLoop.ts';

/**
 * What an error of the server means in webhook mode.
 *
 * @param first it answers the request that would have begun delivery
 */
export function failure(kind: 'failed' | 'terminated', error: Error, first = false): DeliveryOutcome {
  if (isTakenOver(error)) return { kind: 'terminated', error };
  const name = isEventsError(error) ? error.errorName : undefined;
  // They may be about the callback alone (SSRF-01, VERIFY-04) or about this mode (SUB-01): having a receiver must not end
  // a subscription that would work without one. If they are about more, the next mode is refused in the same way.
  const unusable = name === 'CallbackEndpointError' || name === 'InvalidParams' || (first && name === 'Forbidden');
  return { kind: unusable ? 'unusable' : kind, error };
}

/** Whether trying the same request again may help (ERR-08). */
export function isTransient(error: Error): boolean {
  if (!isEventsError(error)) return !isNotSupported(error) && !isTakenOver(error);
  return (
    error.errorName === 'Unknown' || error.errorName === 'InternalError' || error.errorName === 'ResourceExhausted'
  );
}

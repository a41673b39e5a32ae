import type { DeliveryMode, EventTypeDescriptor } from '@mcp-events/protocol';
import { DeliveryModeNotAvailableError, isEventsClientError, NoCompatibleDeliveryModeError } from '../errors.ts';

/** A delivery mode of this client. */
export type ClientDeliveryMode = DeliveryMode;

/** What this client can use, the preferred one first (CLIENT-02). */
export function usableModes(hasReceiver: boolean): ClientDeliveryMode[] {
  return hasReceiver ? ['webhook', 'push', 'poll'] : ['push', 'poll'];
}

/**
 * The modes to use for a subscription, the preferred one first; the later ones are for failover.
 *
 * @param usable what this client can use, the preferred one first
 * @param forced the application's choice, which leaves no other (CLIENT-04)
 * @throws NoCompatibleDeliveryModeError if the type offers none that this client can use (CLIENT-03)
 * @throws DeliveryModeNotAvailableError if the forced one is not offered, or not usable here (CLIENT-04)
 */
export function chooseModes(
  type: EventTypeDescriptor,
  usable: readonly ClientDeliveryMode[],
  forced?: ClientDeliveryMode,
): ClientDeliveryMode[] {
  const modes = usable.filter((mode) => type.delivery.includes(mode));
  if (forced !== undefined) {
    if (modes.includes(forced)) return [forced];
    throw new DeliveryModeNotAvailableError(type.name, forced, type.delivery, usable);
  }
  if (modes.length === 0) throw new NoCompatibleDeliveryModeError(type.name, type.delivery, usable);
  return modes;
}

/** Whether an error is one that {@link chooseModes} throws. */
export function isUnusable(error: unknown): boolean {
  return (
    isEventsClientError(error) &&
    (error.code === 'NO_COMPATIBLE_DELIVERY_MODE' || error.code === 'DELIVERY_MODE_NOT_AVAILABLE')
  );
}

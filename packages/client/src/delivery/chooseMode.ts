import type { DeliveryMode, EventTypeDescriptor } from '@mcp-events/protocol';
import { DeliveryModeNotAvailableError, NoCompatibleDeliveryModeError } from '../errors.ts';

/** The delivery modes this client can use, the preferred one first (CLIENT-02). */
const deliveryPreference: readonly ClientDeliveryMode[] = ['push', 'poll'];

/** A delivery mode of this client. */
export type ClientDeliveryMode = Extract<DeliveryMode, 'push' | 'poll'>;

/**
 * The modes to use for a subscription, the preferred one first; the later ones are for failover.
 *
 * @param forced the application's choice, which leaves no other (CLIENT-04)
 * @throws NoCompatibleDeliveryModeError if the type offers none that this client can use (CLIENT-03)
 * @throws DeliveryModeNotAvailableError if the type does not offer the forced one (CLIENT-04)
 */
export function chooseModes(type: EventTypeDescriptor, forced?: ClientDeliveryMode): ClientDeliveryMode[] {
  if (forced !== undefined) {
    if (!type.delivery.includes(forced)) throw new DeliveryModeNotAvailableError(type.name, forced, type.delivery);
    return [forced];
  }
  const modes = deliveryPreference.filter((mode) => type.delivery.includes(mode));
  if (modes.length === 0) throw new NoCompatibleDeliveryModeError(type.name, type.delivery, deliveryPreference);
  return modes;
}

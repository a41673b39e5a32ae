import { isEventsError } from '@mcp-events/protocol';
import type { EventsError } from '@mcp-events/protocol';
import type { EventType } from '../catalog/eventType.ts';
import type { Core } from '../core.ts';
import { Pump } from '../delivery/pump.ts';
import type { Sink } from '../delivery/sink.ts';
import type { Subscription } from '../subscription/subscription.ts';

/** The pump of a subscription to this type. */
export function createPump(core: Core, type: EventType, subscription: Subscription, sink: Sink): Pump {
  const { selection, clock } = core;
  return new Pump({
    subscription,
    feed: type.feed,
    rules: type.rules,
    selection,
    sink,
    clock,
    report: type.reportSelection,
  });
}

/**
 * A source that cannot be read at the moment does not refuse a client that knows its position: delivery starts there,
 * and a stream is told of the failure (PUSH-07). Without a position there is nothing to confirm.
 */
export async function openPump(
  pump: Pump,
  cursor: string | null,
  notBeforeMs: number | undefined,
): Promise<{ cursor: string | null; truncated: boolean; failure?: EventsError }> {
  try {
    return await pump.open(cursor, notBeforeMs);
  } catch (error) {
    if (cursor === null || !isEventsError(error) || error.errorName !== 'InternalError') throw error;
    pump.openAt(cursor, notBeforeMs);
    return { cursor, truncated: false, failure: error };
  }
}

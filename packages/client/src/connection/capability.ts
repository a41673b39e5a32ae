import { type EventsCapability, findEventsCapability } from '@mcp-events/protocol';
import type { Client } from '@modelcontextprotocol/client';
import { anyResult } from './anyResult.ts';
import type { TransportTap } from './transportTap.ts';

/** Reads the server's declaration; undefined if it offers no Events in a dialect this client accepts (CAP-05). */
export async function discoverEvents(
  client: Client,
  tap: TransportTap,
  acceptSketch: boolean,
): Promise<EventsCapability | undefined> {
  // The extension exists from revision 2026-07-28 on (CAP-07).
  if (client.getProtocolEra() !== 'modern') return undefined;
  const declared = findEventsCapability(client.getServerCapabilities());
  if (declared?.dialect === 'final' || !acceptSketch) return declared?.dialect === 'final' ? declared : undefined;
  // The SDK drops capability keys it does not know, so the sketch's top-level key shows only in a raw answer.
  const exchange = { onDropped: (): void => {} };
  const request = { method: 'server/discover', params: tap.mark({}, exchange) };
  const discovered = await client.request(request, anyResult).finally(() => tap.release(exchange));
  return findEventsCapability(discovered['capabilities']);
}

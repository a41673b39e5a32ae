import { StreamableHTTPClientTransport, type StreamableHTTPClientTransportOptions } from '@modelcontextprotocol/client';
import { systemClock } from '../clock.ts';
import { type BoundedFetchOptions, fetchWith } from './boundedFetch.ts';
import { HttpFacts, keepHttpFacts } from './httpFacts.ts';

/** Options of {@link eventsTransport}: those of the SDK's transport, and the bounds of what the server may answer. */
export type EventsTransportOptions = StreamableHTTPClientTransportOptions &
  Pick<BoundedFetchOptions, 'maxMessageBytes' | 'maxErrorBytes' | 'clock'>;

/**
 * The SDK's Streamable HTTP transport, set up for Events: with {@link boundedFetch}, without its own way to resume streams,
 * and so that the events client sees what the server's headers tell (its clock, `Retry-After`).
 *
 * @param url the MCP endpoint
 * @throws TypeError if the URL or a bound is none
 */
export function eventsTransport(
  url: string | URL,
  options: EventsTransportOptions = {},
): StreamableHTTPClientTransport {
  const { maxMessageBytes, maxErrorBytes, clock = systemClock, ...rest } = options;
  const facts = new HttpFacts(clock);
  const bounds = {
    ...(maxMessageBytes !== undefined && { maxMessageBytes }),
    ...(maxErrorBytes !== undefined && { maxErrorBytes }),
    ...(rest.fetch !== undefined && { fetch: rest.fetch }),
  };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    // Events streams resume by cursor only (PUSH-19).
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: 1_000,
      reconnectionDelayGrowFactor: 1,
    },
    ...rest,
    fetch: fetchWith(bounds, facts),
  });
  keepHttpFacts(transport, facts);
  return transport;
}

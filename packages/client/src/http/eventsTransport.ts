import { StreamableHTTPClientTransport, type StreamableHTTPClientTransportOptions } from '@modelcontextprotocol/client';
import { systemClock } from '../clock.ts';
import { parseUrl } from '@mcp-events/protocol';
import { object, refuseMisspelt, wrongValue } from '@mcp-events/protocol/options';
import { type BoundedFetchOptions, boundChecks, fetchWith } from './boundedFetch.ts';
import { HttpFacts, keepHttpFacts } from './httpFacts.ts';

/** Options of {@link eventsTransport}: those of the SDK's transport, and the bounds of what the server may answer. */
export type EventsTransportOptions = StreamableHTTPClientTransportOptions &
  Pick<BoundedFetchOptions, 'maxMessageBytes' | 'maxErrorBytes' | 'clock'>;

const EXPECTED_URL = 'the absolute URL of an MCP endpoint, such as "https://events.example/mcp"';

/** Those of the SDK as we know them; a later one may have more. */
const SDK_OPTIONS: (keyof StreamableHTTPClientTransportOptions)[] = [
  'authProvider',
  'fetch',
  'maxStepUpRetries',
  'onInsufficientScope',
  'protocolVersion',
  'reconnectionOptions',
  'reconnectionScheduler',
  'redirectPolicy',
  'requestInit',
  'sessionId',
  'skipIssuerMetadataValidation',
];

/**
 * The SDK's Streamable HTTP transport, set up for Events: with {@link boundedFetch}, without its own way to resume streams,
 * and so that the events client sees what the server's headers tell (its clock, `Retry-After`).
 *
 * @param url the MCP endpoint
 * @throws TypeError for a URL that is none, and for an option that is misspelt or cannot be used
 */
export function eventsTransport(
  url: string | URL,
  options: EventsTransportOptions = {},
): StreamableHTTPClientTransport {
  if (parseUrl(String(url)) === undefined) throw wrongValue('the url of eventsTransport', EXPECTED_URL, url);
  object(options, 'the options of eventsTransport');
  refuseMisspelt(options, [...Object.keys(boundChecks), ...SDK_OPTIONS], 'the options of eventsTransport');
  for (const [name, check] of Object.entries(boundChecks)) {
    const value = options[name as keyof typeof boundChecks];
    if (value !== undefined) check(value, name);
  }
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

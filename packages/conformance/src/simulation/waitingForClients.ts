import type { Logger } from '@mcp-events/server';

/** What a record of the server's log says of a webhook subscription. */
interface LogRecord {
  readonly event?: string;
  readonly subscriptionId?: string;
  readonly callback?: string;
  readonly kind?: string;
}

/**
 * A log that tells when the server begins to wait for the client of a webhook subscription: with everything that is emitted,
 * since delivery was suspended, or with what became of the events until then, since nothing else tells of a gap.
 *
 * @param onWaiting gets the name of the endpoint
 */
export function logOfWaiting(onWaiting: (endpoint: string, what: 'all' | 'emitted') => void): Logger {
  const endpoints = new Map<string, string>();
  const take = (fields: object): void => {
    const { event, subscriptionId = '', callback, kind } = fields as LogRecord;
    if (callback !== undefined) endpoints.set(subscriptionId, new URL(callback).hostname.split('.')[0] ?? '');
    const endpoint = endpoints.get(subscriptionId);
    if (endpoint === undefined) return;
    if (event === 'subscription.suspended') onWaiting(endpoint, 'all');
    else if (event === 'delivery.abandoned' && kind === 'gap') onWaiting(endpoint, 'emitted');
  };
  return { debug: take, info: take, warn: take, error: take };
}

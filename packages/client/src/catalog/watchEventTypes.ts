import { type EventTypeDescriptor, isJsonObject, Notifications } from '@mcp-events/protocol';
import { backoffMs, type BackoffOptions } from '../backoff.ts';
import { type Clock, MAX_DELAY_MS, sleep } from '../clock.ts';
import type { Connection } from '../connection/connection.ts';
import { asError } from '../errors.ts';
import { untilAborted } from '../untilAborted.ts';
import type { EventTypes } from './eventTypes.ts';

export interface WatchOptions {
  connection: Connection;
  types: EventTypes;
  clock: Clock;
  backoff: BackoffOptions;
  random: () => number;
  signal: AbortSignal;
  onChange: (types: EventTypeDescriptor[]) => void;
  onWarning: (message: string) => void;
}

/**
 * Follows changes of the server's event types on a `subscriptions/listen` request of its own, and lists them again
 * after each (LIST-12). Not by the SDK's `listen()`: that one drops the filter member it does not know from the
 * acknowledgement, and with it the answer whether the server honours it.
 */
export async function watchEventTypes(options: WatchOptions): Promise<void> {
  const { connection, clock, signal } = options;
  let attempt = 0;
  let missed = false;
  while (!signal.aborted) {
    const listen = new AbortController();
    const stop = (): void => listen.abort('closed');
    signal.addEventListener('abort', stop);
    let honoured = true;
    const onNotification = (method: string, params: Record<string, unknown>): void => {
      if (method === Notifications.listChanged) void relist(options);
      if (method.startsWith('notifications/events/')) return;
      const filter = params['notifications'];
      honoured = isJsonObject(filter) && filter['eventsListChanged'] === true;
      if (!honoured) stop();
      attempt = 0;
      // A change between two listen requests was not announced.
      if (honoured && missed) void relist(options);
      missed = true;
    };
    try {
      if (!(await untilAborted(connection.capability(), signal)).listChanged) return;
      const params = { notifications: { eventsListChanged: true } };
      await connection.request('subscriptions/listen', params, {
        signal: listen.signal,
        timeoutMs: MAX_DELAY_MS,
        onNotification,
      });
    } catch (error) {
      if (!signal.aborted && honoured) {
        options.onWarning(`Watching the event types failed and is tried again: ${asError(error).message}`);
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
    if (!honoured) {
      options.onWarning(
        'The server declares listChanged but did not accept eventsListChanged: changes are not watched.',
      );
      return;
    }
    await sleep(clock, backoffMs(attempt, options.backoff, options.random), signal);
    attempt += 1;
  }
}

async function relist({ types, onChange, onWarning }: WatchOptions): Promise<void> {
  try {
    onChange(await types.refresh());
  } catch (error) {
    onWarning(`Listing the event types after a change failed: ${asError(error).message}`);
  }
}

import { type EventTypeDescriptor, isJsonObject, Notifications } from '@mcp-events/protocol';
import { backoffMs, type BackoffOptions } from '../backoff.ts';
import { type Clock, MAX_DELAY_MS, sleep } from '../clock.ts';
import type { Connection } from '../connection/connection.ts';
import { HEALTHY_AFTER_MS } from '../delivery/deliveryLoop.ts';
import { asError } from '../errors.ts';
import { onAborted, untilAborted } from '../untilAborted.ts';
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
  const lists = new Relisting(options);
  let attempt = 0;
  let missed = false;
  while (!signal.aborted) {
    const listen = new AbortController();
    const stop = (): void => listen.abort('closed');
    const forget = onAborted(signal, stop);
    let honoured = true;
    let acceptedAtMs: number | undefined;
    const onNotification = (method: string, params: Record<string, unknown>): void => {
      if (method === Notifications.listChanged) lists.request();
      if (method.startsWith('notifications/events/')) return;
      const filter = params['notifications'];
      honoured = isJsonObject(filter) && filter['eventsListChanged'] === true;
      if (!honoured) stop();
      acceptedAtMs ??= clock.monotonicMs();
      // A change between two listen requests was not announced.
      if (honoured && missed) lists.request();
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
      forget();
    }
    if (!honoured) {
      options.onWarning(
        'The server declares listChanged but did not accept eventsListChanged: changes are not watched.',
      );
      return;
    }
    // One that is ended at once shows nothing: some proxies accept streams only to cut them.
    if (acceptedAtMs !== undefined && clock.monotonicMs() - acceptedAtMs >= HEALTHY_AFTER_MS) attempt = 0;
    await sleep(clock, backoffMs(attempt, options.backoff, options.random), signal);
    attempt += 1;
  }
}

/** Lists after changes: one list at a time, and one more for whatever was announced meanwhile. */
class Relisting {
  readonly #options: WatchOptions;
  #isRunning = false;
  #isDue = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  request(): void {
    this.#isDue = true;
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    const { types, onChange, onWarning, signal } = this.#options;
    this.#isRunning = true;
    while (this.#isDue && !signal.aborted) {
      this.#isDue = false;
      try {
        const list = await types.refresh();
        // The next one says more.
        if (!this.#isDue && !signal.aborted) onChange(list);
      } catch (error) {
        onWarning(`Listing the event types after a change failed: ${asError(error).message}`);
      }
    }
    this.#isRunning = false;
  }
}

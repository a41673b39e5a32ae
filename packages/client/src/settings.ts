import { type BackoffOptions, defaultBackoff } from './backoff.ts';
import { tell } from '@mcp-events/protocol/options';
import { type Clock, systemClock } from './clock.ts';
import { asError } from './errors.ts';
import type { WebhookOptions } from './delivery/webhook/webhookOptions.ts';
import { InboxSessions } from './inbox/inboxSessions.ts';
import type { EventsClientOptions } from './options.ts';
import type { CursorStore } from './store/cursorStore.ts';
import { memoryStore } from './store/memoryStore.ts';
import type { BufferLimits } from './subscription/eventBuffer.ts';

/** The options of an `EventsClient` with their defaults. */
export interface Settings {
  store: CursorStore;
  sessions: InboxSessions;
  webhook: WebhookOptions | undefined;
  limits: BufferLimits;
  pollFloorMs: number;
  heartbeatIntervalMs: number;
  backoff: BackoffOptions;
  clock: Clock;
  random: () => number;
}

/** @param onWarning told of an option that does not do what it is to do */
export function settingsOf(options: EventsClientOptions, onWarning: (message: string) => void): Settings {
  const sessions = new InboxSessions();
  return {
    store: sessions.of(options.store ?? memoryStore()),
    sessions,
    webhook: options.webhook,
    limits: {
      maxEvents: options.maxBufferedEvents ?? 1_000,
      maxBytes: options.maxBufferedBytes ?? 4 * 1024 * 1024,
    },
    pollFloorMs: options.pollFloorMs ?? 1_000,
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 30_000,
    backoff: { ...defaultBackoff, ...options.backoff },
    clock: options.clock ?? systemClock,
    random: jitterOf(options.random, onWarning),
  };
}

/** The application's source of jitter, as long as it is one: a wait of no number would be none, and repeated without an end. */
function jitterOf(given: EventsClientOptions['random'], onWarning: (message: string) => void): () => number {
  if (given === undefined) return Math.random;
  return () => {
    let failure = 'answered with something else than a number from 0 to below 1';
    try {
      const value: unknown = given();
      if (typeof value === 'number' && value >= 0 && value <= 1) return value;
      tell(() => value);
    } catch (error) {
      failure = `threw: ${asError(error).message}`;
    }
    onWarning(`random ${failure}. Math.random is used instead.`);
    return Math.random();
  };
}

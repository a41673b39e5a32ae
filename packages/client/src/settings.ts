import { type BackoffOptions, defaultBackoff } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';
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

export function settingsOf(options: EventsClientOptions): Settings {
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
    random: options.random ?? Math.random,
  };
}

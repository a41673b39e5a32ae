import type { DeliveryStatus } from '@mcp-events/protocol';
import type { BackoffOptions } from '../backoff.ts';
import type { Clock } from '../clock.ts';
import type { Connection } from '../connection/connection.ts';
import type { EventBuffer } from '../subscription/eventBuffer.ts';
import type { Callback } from './webhook/callback.ts';

/** Delivery that ends sooner and without an event has shown nothing: some proxies accept streams only to cut them. */
export const HEALTHY_AFTER_MS = 5_000;

/** What a delivery mode gets to do its work. One mode is one file that implements {@link DeliveryLoop}. */
export interface DeliveryContext {
  name: string;
  arguments: Record<string, unknown>;
  maxAgeMs?: number;
  maxEvents?: number;
  longPollMs?: number;
  /** Order on the wire of webhooks, if the application asked for it or declined it. */
  ordered?: boolean;
  /** Takes what arrives, and knows the cursor to continue from. */
  buffer: EventBuffer;
  connection: Connection;
  /** Where webhooks go, if this client takes any. */
  callback?: Callback;
  /** The callback has another path: to be kept, so that a later process knows what to end. */
  onCallbackRenewed: (path: string) => void;
  clock: Clock;
  /** Waits between failed attempts within one run of a loop. */
  backoff: BackoffOptions;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Shortest wait between polls, in milliseconds (POLL-06). */
  pollFloorMs: number;
  /** The server's heartbeat interval as assumed, in milliseconds (OP-15). */
  heartbeatIntervalMs: number;
  /** How long a stream may stay without its first message, in milliseconds. */
  acceptWithinMs: number;
  /** Ends the loop. */
  signal: AbortSignal;
  /** The server accepted the subscription. */
  onActive: () => void;
  /** This mode gets through, however short each connection lasts: no reason to change it. */
  onProgress: () => void;
  /** Delivery demonstrably works: failures before this no longer count. */
  onHealthy: () => void;
  /** The server met a failure and delivery goes on by itself (PUSH-07). */
  onError: (error: Error) => void;
  /** The server told how its deliveries went (STATUS-06). */
  onDeliveryStatus: (status: DeliveryStatus) => void;
  /** Something of the server's was ignored. */
  onWarning: (message: string) => void;
  /** Has the event types read again, in the background. */
  refreshTypes: () => void;
}

/** Why a loop returned. Values, not exceptions: each is an ordinary turn of events. */
export type DeliveryOutcome =
  /** The signal aborted. */
  | { kind: 'stopped' }
  /** The buffer is full: to be run again when it has room. */
  | { kind: 'paused' }
  /** To be run again after a while. */
  | { kind: 'failed'; error: Error }
  /** Not to be run again soon if there is another mode: this one cannot work as things are. */
  | { kind: 'unusable'; error: Error }
  /** The server ended the subscription (TERM-01). */
  | { kind: 'terminated'; error: Error };

/**
 * Delivers from `buffer.resumeCursor` on until it returns. It may be stopped and run again, in this or another mode, at
 * any moment: all it leaves behind is in the buffer.
 */
export type DeliveryLoop = (context: DeliveryContext) => Promise<DeliveryOutcome>;

import type { DeliveryStatus, EventTypeDescriptor } from '@mcp-events/protocol';
import type { BackoffOptions } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ClientDeliveryMode } from './delivery/chooseMode.ts';
import type { SubscriptionStatus } from './delivery/supervisor.ts';
import type { WebhookOptions } from './delivery/webhook/webhookOptions.ts';
import type { CursorStore } from './store/cursorStore.ts';
import type { Gap } from './subscription/eventBuffer.ts';
import type { PayloadSchema } from './subscription/payloadSchema.ts';
import type { ReceivedEvent } from './subscription/receivedEvent.ts';

/** Options of an `EventsClient`. */
export interface EventsClientOptions {
  /** Where positions are kept. Default: in memory, for the life of this client. */
  store?: CursorStore;
  /** Also accept servers that declare Events under the earlier top-level capability (DIALECT-03). Default true. */
  acceptSketch?: boolean;
  /** Lets servers post events to a receiver, which is preferred where offered (CLIENT-02). Default: no webhooks. */
  webhook?: WebhookOptions;
  /**
   * Told the new list when the server changed its event types (LIST-12). Giving it opens a `subscriptions/listen`
   * request, if the server announces changes. Without it, the list is read again when a subscription needs it.
   */
  onEventTypesChanged?: (types: EventTypeDescriptor[]) => void;
  /** Told what was ignored and why: malformed messages, callbacks that throw. For logs. Default: nothing. */
  onWarning?: (message: string) => void;
  /** Shortest wait between polls that found nothing more, in milliseconds (POLL-06). Default 1000. */
  pollFloorMs?: number;
  /** The server's heartbeat interval, in milliseconds; a stream is dead after two of them in silence (OP-15). Infinity never counts one as dead. Default 30000. */
  heartbeatIntervalMs?: number;
  /** Most events of one subscription that wait for the application; poll batches are asked for at this size. Default 1000. */
  maxBufferedEvents?: number;
  /**
   * Most memory of one subscription's waiting events, estimated, in bytes. Webhooks that arrive ahead of their turn may
   * take up to twice as much beside it. Default 4 MiB.
   */
  maxBufferedBytes?: number;
  /** Waits between failed attempts. Default: full jitter up to 1 s, doubling to 60 s. */
  backoff?: Partial<BackoffOptions>;
  /** Default: the runtime's. */
  clock?: Clock;
  /** Source of jitter, uniform in [0, 1). Default `Math.random`. */
  random?: () => number;
}

/**
 * Options of one subscription.
 *
 * @typeParam T what the application gets as an event's data
 */
// oxlint-disable-next-line typescript/no-explicit-any -- options for any payload fit where those of a certain one are asked for
export interface SubscribeOptions<T = any> {
  /**
   * Forces a delivery mode (CLIENT-04). Default: the best one the type offers, changed when it keeps failing, and at once
   * when the server cannot reach or refuses the callback. A forced webhook is tried again then, told to `onError`; it ends
   * at the fourth `InvalidParams` in a row, since the arguments may be what is refused.
   */
  delivery?: ClientDeliveryMode;
  /**
   * Where to start: a cursor, or null for "from now". Default: the position kept in the store, else from now. A position
   * kept in an inbox comes before it, because effects are stored with it: to begin elsewhere, `cancel()` first.
   */
  from?: string | null;
  /** Replay nothing older than this, in milliseconds (CUR-08). Default: everything after the cursor. */
  maxAgeMs?: number;
  /** Most events in one poll result. Default: `maxBufferedEvents`. */
  maxEvents?: number;
  /** Let the server hold a poll for up to this long, in milliseconds, until an event arrives (POLL-10). Default: no hold. */
  longPollMs?: number;
  /**
   * Order on the wire of webhooks (ORDER-06): `true` asks for one post at a time, each after the one before it was
   * acknowledged, at the cost of a round trip per event; `false` declines it where the event type has it. The application
   * gets one order either way: this is for a receiver that does not restore it, or has little room for what is early. A
   * server that does not grant it is told of to `onError` (`ORDER_NOT_GRANTED`) when webhooks begin, and delivers all the
   * same. Poll and push always have it. Default: what the event type says.
   */
  ordered?: boolean;
  /**
   * What an event's data has to be, as a schema of zod or any other library that follows Standard Schema. The application gets
   * what the schema makes of the data. An event that does not fit is passed over: told as a gap (`unreadable`) at its place,
   * and why to `onError`. Default: the data is not checked.
   */
  payload?: PayloadSchema<T>;
  /**
   * The policy between receipt and action (AUTH-07): an event is handed out only if this says true. Awaited; may be used
   * to look at untrusted data before anything else does (AUTH-06). If it throws, so does the iteration, and if it answers with
   * anything but true or false: the event stays the next one.
   */
  filter?: (event: ReceivedEvent) => boolean | Promise<boolean>;
  /** Events may be missing at this place in the order; the subscription goes on (CUR-13). Awaited. */
  onGap?: (gap: Gap) => void | Promise<void>;
  /** A failure after which delivery goes on by itself. */
  onError?: (error: Error) => void;
  /**
   * How the server's posts went, as told with a refresh (STATUS-06): whether it had suspended them (`active` false; this
   * refresh resumed them), whether it throttles them, and the category of the last failure. Webhook mode only.
   */
  onDeliveryStatus?: (status: DeliveryStatus) => void;
  /** The server ended the subscription for good; the iteration throws the same error after the last event (TERM-07). */
  onTerminated?: (error: Error) => void;
  /** Each change of the subscription's status. */
  onStatus?: (status: SubscriptionStatus) => void;
  /** Stops the subscription and keeps its position, as leaving the loop does. */
  signal?: AbortSignal;
}

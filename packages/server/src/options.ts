import type { Dialect } from '@mcp-events/protocol';
import type { Clock } from './clock.ts';
import type { CallerInfo } from './context.ts';
import type { WebhookOptions } from './delivery/webhook/webhookOptions.ts';
import type { Limits } from './limits.ts';
import type { Logger } from './observability/logger.ts';
import type { TelemetryOptions } from './observability/telemetryOptions.ts';
import type { Storage } from './storage/storage.ts';

/** Where something went wrong, for logs. */
export interface ProblemContext {
  /** The author function or step that failed, such as `check`, `match` or `onSubscribe`. */
  readonly stage: string;
  /** The event type concerned, where there is one. */
  readonly name?: string;
}

/** Everything about an {@link Events} object that has a default. */
export interface EventsOptions {
  /**
   * Stable name of the authenticated party behind a request, `undefined` for anonymous. Subscriptions, limits and shared
   * upstream polls are kept apart by it. Default: `authInfo.extra.sub`; without that a name derived from the access
   * token, which separates callers but changes with the token.
   */
  readonly principal?: (caller: CallerInfo) => string | undefined;
  /**
   * Which error numbers peers get (DIALECT-01). `auto` decides per request: `final` if the client declares the
   * extension, else `sketch`. Except under `final`, discovery also has the capability under its older key. Default
   * `auto`.
   */
  readonly dialect?: Dialect | 'auto';
  /**
   * Whether clients that open a session with `initialize`, as revisions of 2025 do, get events as well, in the older
   * dialect (DIALECT-15). Widely deployed clients do. Default: true, except under `dialect: 'final'`.
   */
  readonly legacySessions?: boolean;
  readonly limits?: Partial<Limits>;
  /** Heartbeat of streams (PUSH-10). At most 30,000 ms. Default 15,000 ms. */
  readonly heartbeatIntervalMs?: number;
  /** How often `authorize` is asked again for open streams (AUTH-02). Default 60,000 ms. */
  readonly reauthorizeIntervalMs?: number;
  /** Event types per page of `events/list`. Default 100. */
  readonly pageSize?: number;
  /**
   * Where emitted events, webhook subscriptions and dead letters are kept. Closed with the server. Default: in memory,
   * so that clients of webhooks subscribe again after a restart.
   */
  readonly storage?: Storage;
  /** Part of derived subscription ids, so that ids of two servers differ (SUB-08). Default `mcp-events`. */
  readonly namespace?: string;
  /** Offers delivery by webhook (EMIT-02). Default: not offered. `{}` takes the default of everything. */
  readonly webhooks?: WebhookOptions;
  /**
   * Gets structured records of what happens, each with a stable name in `event`: see the guide to operations. Never
   * secrets, payloads, or more of a callback URL than its origin. A `pino` logger fits. Default: none.
   */
  readonly logger?: Logger;
  /** Traces and metrics by OpenTelemetry. Default: none, at no cost. */
  readonly telemetry?: TelemetryOptions;
  /**
   * Failures of author code and of transports, with everything that is not told to clients. Default: the `logger`, or
   * `console.error` without one.
   */
  readonly onError?: (error: unknown, context: ProblemContext) => void;
  /**
   * What `define` and `update` do with a schema that breaks what was promised before, in this run or the last: a payload
   * field that is gone, an argument that became required. `apply` ends the subscriptions of the type with Unsupported
   * (TERM-03) and, if its payload schema breaks, removes its stored events; `onWarning` is told why and how many. `refuse`
   * throws a `TypeError` and changes nothing, so that a mistake is found before it costs anything. Default `apply`.
   */
  readonly breakingChanges?: 'apply' | 'refuse';
  /** Questionable but working: large payloads. Default: the `logger`, or `console.warn` without one. */
  readonly onWarning?: (message: string, context: ProblemContext) => void;
  readonly clock?: Clock;
  /** A unique id that cannot be guessed. Default: `crypto.randomUUID`. */
  readonly randomId?: () => string;
}

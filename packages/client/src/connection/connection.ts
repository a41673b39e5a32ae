import { EXTENSION_ID, type EventsCapability } from '@mcp-events/protocol';
import type { Client } from '@modelcontextprotocol/client';
import { MAX_DELAY_MS } from '../clock.ts';
import { asError, closed, EventsClientError, EventsNotSupportedError, serverError } from '../errors.ts';
import { anyResult } from './anyResult.ts';
import { discoverEvents } from './capability.ts';
import { onAborted, untilAborted } from '../untilAborted.ts';
import { type HttpFacts, httpFactsOf } from '../http/httpFacts.ts';
import { type Exchange, TransportTap } from './transportTap.ts';
import { isOutage, refusedOrMalformed, unreachable } from './unreachable.ts';

/**
 * The SDK client to work on, or a function that makes a connected one. The function is called again whenever the
 * connection was lost, which is how subscriptions survive the restart of a stdio server (PUSH-19), and a server that is
 * down when they begin.
 */
export type ClientSource = Client | (() => Promise<Client>);

/** What a client declares in order to be served by the extension: spread it into the SDK client's `capabilities`. */
export const eventsClientCapabilities: { extensions: Record<string, Record<string, never>> } = {
  extensions: { [EXTENSION_ID]: {} },
};

interface Attached {
  client: Client;
  tap: TransportTap;
  capability: EventsCapability | undefined;
}

/** Options of one request. */
export interface RequestOptions {
  signal?: AbortSignal;
  /** How long to wait for the answer, in milliseconds. Default: the SDK's own 60 s. */
  timeoutMs?: number;
  /** Receives the notifications that carry the request's id. */
  onNotification?: Exchange['onNotification'];
}

/** The way to the server: finds out what it offers, sends requests, and attaches anew when the connection was lost. */
export class Connection {
  readonly #source: ClientSource;
  readonly #acceptSketch: boolean;
  readonly #onWarning: (message: string) => void;
  #attached: Attached | undefined;
  #attaching: Promise<Attached> | undefined;
  /** A connection before this one offered Events. */
  #offered = false;
  #closed = false;

  constructor(source: ClientSource, acceptSketch: boolean, onWarning: (message: string) => void) {
    this.#source = source;
    this.#acceptSketch = acceptSketch;
    this.#onWarning = onWarning;
  }

  /** Whether a lost connection can be replaced from here. */
  get canReconnect(): boolean {
    return typeof this.#source === 'function';
  }

  /** What the server offers, asked once per connection; throws {@link EventsNotSupportedError} if it is not Events. */
  async capability(): Promise<EventsCapability> {
    return (await this.#ready()).capability;
  }

  /** How far the server's clock is ahead of this one, in milliseconds; undefined if that is not known. */
  get serverAheadMs(): number | undefined {
    const transport = this.#attached?.tap.transport;
    // Only transports over HTTP have a login; a server over anything else runs on this machine, by this clock.
    if (transport !== undefined && !('finishAuth' in transport)) return 0;
    return this.#facts?.serverAheadMs;
  }

  /** How long the server asked not to be asked again, in milliseconds from now; 0 if it did not. */
  get retryAfterMs(): number {
    return this.#facts?.retryAfterMs ?? 0;
  }

  /** Why the last answer was given up here. */
  #takeFailure(): Error | undefined {
    const facts = this.#facts;
    const failure = facts?.failure;
    if (facts !== undefined) facts.failure = undefined;
    return failure;
  }

  get #facts(): HttpFacts | undefined {
    return this.#attached && httpFactsOf(this.#attached.tap.transport);
  }

  /** Aborts when the connection that was used last is closed, by whomever. */
  get lost(): AbortSignal | undefined {
    return this.#attached?.tap.closed;
  }

  /**
   * Sends one request and resolves with its result as it came.
   *
   * @throws EventsError for an error answer, EventsClientError if the answer can no longer come, or the SDK's error
   */
  async request(
    method: string,
    params: Record<string, unknown>,
    options: RequestOptions = {},
  ): Promise<Record<string, unknown>> {
    const { signal, timeoutMs, onNotification } = options;
    const { client, tap } = await untilAborted(this.#ready(), signal);
    const stop = new AbortController();
    const forget = onAborted(signal, () => stop.abort(signal?.reason));
    let dropped = false;
    let open = false;
    const exchange: Exchange = {
      onDropped: () => {
        dropped = true;
        stop.abort('stream dropped');
      },
      ...(onNotification && {
        onNotification: (notification, notified) => {
          open = true;
          onNotification(notification, notified);
        },
      }),
    };
    try {
      return await client.request({ method, params: tap.mark(params, exchange) }, anyResult, {
        signal: stop.signal,
        ...(timeoutMs !== undefined && { timeout: Math.min(timeoutMs, MAX_DELAY_MS) }),
      });
    } catch (error) {
      // A transport with one channel for all closes, and says nothing of the single request.
      if (dropped || isConnectionClosed(error)) {
        const when = open ? `while ${method} was open` : `before ${method} was answered`;
        const cause = dropped ? this.#takeFailure() : error;
        const message = `The connection ended ${when}.`;
        throw new EventsClientError('STREAM_DROPPED', message, cause === undefined ? {} : { cause });
      }
      // What was given up here says nothing about the server.
      if (!stop.signal.aborted && isOutage(error)) throw unreachable(error);
      throw fromWire(error, method);
    } finally {
      forget();
      tap.release(exchange);
    }
  }

  /** Leaves the transport as it was found; a client made by the factory is closed. */
  async close(): Promise<void> {
    this.#closed = true;
    const attached = this.#attached;
    this.#attached = undefined;
    attached?.tap.detach();
    if (typeof this.#source === 'function') await attached?.client.close();
  }

  async #ready(): Promise<Attached & { capability: EventsCapability }> {
    if (this.#closed) throw closed();
    const current = this.#attached;
    let attached = current?.client.transport === current?.tap.transport ? current : undefined;
    if (attached === undefined) {
      this.#attaching ??= this.#attach().finally(() => {
        this.#attaching = undefined;
      });
      attached = await this.#attaching;
    }
    const { capability } = attached;
    if (capability === undefined) throw new EventsNotSupportedError(notSupported(attached.client));
    return { ...attached, capability };
  }

  async #connected(): Promise<Client> {
    if (typeof this.#source !== 'function') return this.#source;
    try {
      return await this.#source();
    } catch (error) {
      throw isOutage(error) ? unreachable(error) : error;
    }
  }

  async #attach(): Promise<Attached> {
    const client = await this.#connected();
    if (client.transport === undefined) {
      throw new EventsClientError('NOT_CONNECTED', 'The MCP client is not connected; call its connect() first.');
    }
    const tap = new TransportTap(client.transport, this.#onWarning);
    try {
      const capability = await discoverEvents(client, tap, this.#acceptSketch);
      // The SDK's client falls back to an older revision when a stdio server is slow to answer, or ends while it starts.
      if (capability === undefined && this.#offered && client.getProtocolEra() !== 'modern') {
        throw new EventsClientError('SERVER_UNREACHABLE', `${notSupported(client)} It offered Events before.`);
      }
      this.#offered ||= capability !== undefined;
      const attached = { client, tap, capability };
      if (this.#closed) {
        tap.detach();
        if (typeof this.#source === 'function') await client.close();
      } else this.#attached = attached;
      return attached;
    } catch (error) {
      tap.detach();
      // Nobody else holds a client of the factory, so it would stay open for ever.
      if (typeof this.#source === 'function') await client.close();
      throw isOutage(error) ? unreachable(error) : error;
    }
  }
}

function notSupported(client: Client): string {
  const version = client.getNegotiatedProtocolVersion();
  return client.getProtocolEra() === 'modern'
    ? `The server does not declare ${EXTENSION_ID}, so no events request was sent.`
    : `The connection speaks protocol version ${version ?? 'unknown'}, and Events needs 2026-07-28: create the MCP client with versionNegotiation: { mode: 'auto' }, and check that the server supports it.`;
}

function isConnectionClosed(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'CONNECTION_CLOSED';
}

/** Only answers to `events/*` pass here, so the sketch's code numbers mean what they mean there (DIALECT-09). */
function fromWire(error: unknown, method: string): Error {
  const { code, message, data } = error as { code?: unknown; message?: unknown; data?: unknown };
  // The SDK's own errors have string codes; a number came from the server.
  if (typeof code === 'number') return serverError({ code, message: String(message), data });
  return refusedOrMalformed(error, method) ?? asError(error);
}

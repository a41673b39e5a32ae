import { subscriptionIdOf } from '@mcp-events/protocol';
import type {
  JSONRPCMessage,
  MessageExtraInfo,
  RequestId,
  Transport,
  TransportSendOptions,
} from '@modelcontextprotocol/client';
import { shortened } from '../errors.ts';

/** One request of ours, as the tap sees it. */
export interface Exchange {
  /** The request's notifications; leave it out for requests that have none. Must not throw. */
  onNotification?: (method: string, params: Record<string, unknown>) => void;
  /** The request's own HTTP response ended without an answer; single-channel transports never say so. */
  onDropped: () => void;
  /** The request's JSON-RPC id, set when it goes out. */
  id?: RequestId;
  /** An answer arrived, so an end of the response is not a drop. */
  answered?: boolean;
}

const EVENTS_NOTIFICATIONS = 'notifications/events/';
const LISTEN_ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

/** On stdio a few messages of a cancelled stream are still under way; this many streams are remembered to expect them. */
const MAX_CLOSED_STREAMS = 1_000;

/**
 * A request carries its exchange under this key: object spreads of the SDK keep symbol keys and JSON leaves them out,
 * so the outgoing message tells which call it belongs to without any reliance on timing.
 */
const exchangeKey = Symbol('mcp-events.exchange');

/** What the taps on one transport share: each sees the requests of all, and none may keep those of another. */
interface Requests {
  // Keyed by the id's value and JSON type: a Map tells 7 from "7", as PUSH-03 does.
  live: Map<RequestId, Exchange>;
  closedStreams: Set<RequestId>;
}

const requestsOf = new WeakMap<Transport, Requests>();

function sharedRequests(transport: Transport): Requests {
  const known = requestsOf.get(transport) ?? { live: new Map(), closedStreams: new Set() };
  requestsOf.set(transport, known);
  return known;
}

/**
 * Listens in on the transport of an SDK client, by public members only: replacing `send` on the instance shows the
 * JSON-RPC id of our requests and reaches `onRequestStreamEnd` (without it a dropped HTTP stream leaves a request
 * pending for ever); replacing `onmessage` routes `notifications/events/*` by their subscription id before the SDK
 * spends time on them; replacing `onclose` tells those who have no request under way. Everything that is not ours
 * passes unchanged, the application's own handlers included.
 */
export class TransportTap {
  readonly transport: Transport;
  readonly #onWarning: (message: string) => void;
  readonly #live: Map<RequestId, Exchange>;
  readonly #closedStreams: Set<RequestId>;
  readonly #closed = new AbortController();
  readonly #detach: () => void;
  #warnedOfResumption = false;

  constructor(transport: Transport, onWarning: (message: string) => void) {
    this.transport = transport;
    this.#onWarning = onWarning;
    const { live, closedStreams } = sharedRequests(transport);
    this.#live = live;
    this.#closedStreams = closedStreams;
    // oxlint-disable-next-line typescript/unbound-method -- put back on detach, and called with its transport
    const send = transport.send;
    const { onmessage, onclose } = transport;
    const tappedSend: Transport['send'] = (message, options) =>
      send.call(transport, message, this.#outgoing(message, options));
    const tappedOnmessage = (message: JSONRPCMessage, extra?: MessageExtraInfo): void => {
      const passed = this.#incoming(message);
      if (passed !== undefined) onmessage?.call(transport, passed, extra);
    };
    const tappedOnclose = (): void => {
      this.#closed.abort('connection closed');
      onclose?.call(transport);
    };
    transport.send = tappedSend;
    transport.onmessage = tappedOnmessage;
    transport.onclose = tappedOnclose;
    this.#detach = () => {
      // Somebody who wrapped after us still calls us: then stay in place, empty and transparent.
      if (transport.send === tappedSend) transport.send = send;
      if (transport.onmessage === tappedOnmessage) transport.onmessage = onmessage;
      if (transport.onclose === tappedOnclose) transport.onclose = onclose;
    };
  }

  /** Aborts when the transport closes. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The params to send instead, so that the exchange is recognised on its way out. */
  mark(params: Record<string, unknown>, exchange: Exchange): Record<string, unknown> {
    return { ...params, [exchangeKey]: exchange };
  }

  /** The exchange is over: whatever still arrives for it is dropped silently. */
  release(exchange: Exchange): void {
    const { id } = exchange;
    if (id === undefined) return;
    this.#live.delete(id);
    if (exchange.onNotification === undefined) return;
    this.#closedStreams.add(id);
    if (this.#closedStreams.size <= MAX_CLOSED_STREAMS) return;
    const [oldest] = this.#closedStreams;
    if (oldest !== undefined) this.#closedStreams.delete(oldest);
  }

  /** Takes the tap off the transport again. */
  detach(): void {
    this.#detach();
  }

  #outgoing(message: JSONRPCMessage, options: TransportSendOptions | undefined): TransportSendOptions | undefined {
    if (!('method' in message) || !('id' in message)) return options;
    const exchange = (message.params as { [exchangeKey]?: Exchange } | undefined)?.[exchangeKey];
    if (exchange === undefined) return options;
    exchange.id = message.id;
    this.#live.set(message.id, exchange);
    return {
      ...options,
      onRequestStreamEnd: () => {
        options?.onRequestStreamEnd?.();
        // Also fired after an answer; then the answer itself is on its way to the caller.
        if (exchange.answered !== true) exchange.onDropped();
      },
      onresumptiontoken: (token) => {
        options?.onresumptiontoken?.(token);
        if (this.#warnedOfResumption) return;
        this.#warnedOfResumption = true;
        this.#onWarning(
          'The server numbers its SSE frames, so the transport would resume with Last-Event-ID after a drop. Events streams resume by cursor only: create the transport with reconnectionOptions.maxRetries 0.',
        );
      },
    };
  }

  /** The message to hand on to the SDK, or undefined if it was for us alone. */
  #incoming(message: JSONRPCMessage): JSONRPCMessage | undefined {
    if ('method' in message) return 'id' in message || this.#notification(message) ? message : undefined;
    return this.#answer(message);
  }

  #notification(message: { method: string; params?: Record<string, unknown> }): boolean {
    const { method, params } = message;
    const ours = method.startsWith(EVENTS_NOTIFICATIONS);
    if (!ours && method !== LISTEN_ACKNOWLEDGED) return true;
    const id = subscriptionIdOf(params);
    const exchange = id === undefined ? undefined : this.#live.get(id);
    if (exchange?.onNotification !== undefined) {
      exchange.onNotification(method, params as Record<string, unknown>);
      return false;
    }
    if (!ours) return true;
    if (id !== undefined && this.#closedStreams.has(id)) return false;
    const named = shortened(JSON.stringify(id) ?? 'missing');
    this.#onWarning(`Received ${shortened(method)} for an unknown stream (subscription id ${named}).`);
    return true;
  }

  #answer(message: JSONRPCMessage & { id?: RequestId | undefined }): JSONRPCMessage | undefined {
    const id = message.id;
    if (id === undefined) return message;
    const live = this.#live.get(id);
    // PUSH-15 allows a result after a cancelled stream; the SDK would report it as an unknown message.
    if (live === undefined) return this.#closedStreams.has(id) ? undefined : message;
    live.answered = true;
    if (!('result' in message)) return message;
    // The SDK refuses a result without resultType on a modern connection; sketch servers leave it out (DIALECT-14).
    const result: unknown = message.result;
    if (typeof result !== 'object' || result === null || 'resultType' in result) return message;
    return { ...message, result: { ...result, resultType: 'complete' } };
  }
}

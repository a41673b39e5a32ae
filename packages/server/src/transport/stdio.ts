import type { JSONRPCMessage, MessageExtraInfo, Transport, TransportSendOptions } from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import { withTimeLimit } from '../timeLimit.ts';
import { ACKNOWLEDGED_METHOD, acknowledgeListChanged, listChangedNotification, listenIdOf } from './listChanged.ts';
import type { ListChanged, ListenId } from './listChanged.ts';

/** Time for what is on its way when the connection is closed. */
const CLOSE_FLUSH_MS = 2_000;

/**
 * Wraps the transport of a stdio server without changing its shape. Adds `eventsListChanged` to `subscriptions/listen`
 * (LIST-10), and lets one message at a time wait for the pipe: all streams share it, and the SDK's transport warns when
 * many wait at once.
 */
export class StdioEventsTransport implements Transport {
  readonly #wire: Transport;
  /** Listen requests that asked for list changes; the value removes the listener, once it is confirmed. */
  readonly #listening = new Map<ListenId, (() => void) | undefined>();
  /** Those a notification is waiting for. */
  readonly #telling = new Set<ListenId>();
  readonly #listChanged: ListChanged;
  readonly #clock: Clock;
  #tail: Promise<void> = Promise.resolve();

  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T, extra?: MessageExtraInfo) => void;

  constructor(wire: Transport, listChanged: ListChanged, clock: Clock) {
    this.#wire = wire;
    this.#listChanged = listChanged;
    this.#clock = clock;
  }

  get sessionId(): string | undefined {
    return this.#wire.sessionId;
  }

  get hasPerRequestStream(): boolean | undefined {
    return this.#wire.hasPerRequestStream;
  }

  setProtocolVersion(version: string): void {
    this.#wire.setProtocolVersion?.(version);
  }

  setSupportedProtocolVersions(versions: string[]): void {
    this.#wire.setSupportedProtocolVersions?.(versions);
  }

  async start(): Promise<void> {
    this.#wire.onclose = () => {
      this.#stopListening();
      this.onclose?.();
    };
    this.#wire.onerror = (error) => this.onerror?.(error);
    this.#wire.onmessage = (message, extra) => {
      this.#inspect(message);
      this.onmessage?.(message, extra);
    };
    await this.#wire.start();
  }

  send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const sent = this.#tail.then(() => this.#wire.send(this.#patched(message), options));
    this.#tail = sent.catch(() => {});
    return sent;
  }

  async close(): Promise<void> {
    this.#stopListening();
    // A client that does not read must not keep the server from closing.
    await withTimeLimit(this.#clock, CLOSE_FLUSH_MS, 'writing', this.#tail).catch(() => {});
    await this.#wire.close();
  }

  #inspect(message: JSONRPCMessage): void {
    const listenId = listenIdOf(message);
    if (listenId !== undefined) {
      // A client that uses an id again has given up the earlier request.
      this.#forget(listenId);
      this.#listening.set(listenId, undefined);
    }
    const { method, params } = message as { method?: string; params?: { requestId?: ListenId } };
    if (method === 'notifications/cancelled' && params?.requestId !== undefined) this.#forget(params.requestId);
  }

  /** The SDK confirms with its own subset of the filter: what is honoured here is added, and begins. */
  #patched(message: JSONRPCMessage): JSONRPCMessage {
    const { id, method, params } = message as { id?: ListenId; method?: string; params?: { _meta?: object } };
    if (method === undefined) {
      if (id !== undefined) this.#forget(id);
      return message;
    }
    if (method !== ACKNOWLEDGED_METHOD) return message;
    const listenId = Object.values(params?._meta ?? {}).find((value: ListenId) => this.#listening.has(value)) as
      | ListenId
      | undefined;
    if (listenId === undefined) return message;
    this.#listening.get(listenId)?.();
    // The SDK answers open listen requests itself when it closes the connection.
    const listener = { changed: () => this.#tellChange(listenId), close: () => this.#forget(listenId) };
    this.#listening.set(listenId, this.#listChanged.add(listener));
    return acknowledgeListChanged(message);
  }

  /** One notification tells of all changes before it, so at most one waits for a client that does not read. */
  #tellChange(listenId: ListenId): void {
    if (this.#telling.has(listenId)) return;
    this.#telling.add(listenId);
    const sent = this.#tail.then(async () => {
      this.#telling.delete(listenId);
      if (this.#listening.has(listenId)) await this.#wire.send(listChangedNotification(listenId));
    });
    this.#tail = sent.catch(() => {});
  }

  #forget(listenId: ListenId): void {
    this.#listening.get(listenId)?.();
    this.#listening.delete(listenId);
  }

  #stopListening(): void {
    for (const listenId of this.#listening.keys()) this.#forget(listenId);
  }
}

import { Notifications, SUBSCRIPTION_ID_META_KEY } from '@mcp-events/protocol';

/** The method whose notification filter this extension extends (LIST-10). */
export const LISTEN_METHOD = 'subscriptions/listen';

/** The SDK's confirmation of it. */
export const ACKNOWLEDGED_METHOD = 'notifications/subscriptions/acknowledged';

/** The id of a listen request, as it came. */
export type ListenId = string | number;

/** An open `subscriptions/listen` that asked for list changes. */
export interface ListChangedListener {
  changed(): void;
  /** The server shuts down. */
  close(): void;
}

/** Tells open `subscriptions/listen` requests that the list of event types changed (LIST-09). */
export class ListChanged {
  readonly #listeners = new Set<ListChangedListener>();

  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** The returned function removes the listener. */
  add(listener: ListChangedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  notify(): void {
    for (const listener of this.#listeners) listener.changed();
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
  }
}

export function listChangedNotification(listenId: ListenId): {
  jsonrpc: '2.0';
  method: string;
  params: { _meta: Record<string, unknown> };
} {
  return {
    jsonrpc: '2.0',
    method: Notifications.listChanged,
    params: { _meta: { [SUBSCRIPTION_ID_META_KEY]: listenId } },
  };
}

/** The id of a message that asks for `eventsListChanged`, `undefined` for any other message. */
export function listenIdOf(message: unknown): ListenId | undefined {
  const { id, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown };
  if (method !== LISTEN_METHOD || (typeof id !== 'string' && typeof id !== 'number')) return undefined;
  const { notifications } = (params ?? {}) as { notifications?: unknown };
  const { eventsListChanged } = (notifications ?? {}) as { eventsListChanged?: unknown };
  return eventsListChanged === true ? id : undefined;
}

/** Adds what is honoured here to the SDK's confirmation (LIST-11). */
export function acknowledgeListChanged<T>(message: T): T {
  const { params } = message as { params?: { notifications?: object } };
  return { ...message, params: { ...params, notifications: { ...params?.notifications, eventsListChanged: true } } };
}

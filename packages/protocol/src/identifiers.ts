/** Key of the Events extension in `capabilities.extensions` (CAP-01). */
export const EXTENSION_ID = 'io.modelcontextprotocol/events';

/** Key in `params._meta` that ties a message to its stream or listen request (PUSH-03, LIST-10). */
export const SUBSCRIPTION_ID_META_KEY = 'io.modelcontextprotocol/subscriptionId';

/** Key in a request's `_meta` holding the client's capabilities (CAP-08). */
export const CLIENT_CAPABILITIES_META_KEY = 'io.modelcontextprotocol/clientCapabilities';

/** Key in a request's `_meta` holding the protocol revision (CAP-08). */
export const PROTOCOL_VERSION_META_KEY = 'io.modelcontextprotocol/protocolVersion';

/** Key in a request's `_meta` holding the client's name and version. Never used to choose a dialect (DIALECT-01). */
export const CLIENT_INFO_META_KEY = 'io.modelcontextprotocol/clientInfo';

/** First protocol revision that has the extension (CAP-07). */
export const PROTOCOL_VERSION = '2026-07-28';

/** Request methods of the extension. There is none that lists subscriptions (SUB-16). */
export const Methods = {
  list: 'events/list',
  poll: 'events/poll',
  stream: 'events/stream',
  subscribe: 'events/subscribe',
  unsubscribe: 'events/unsubscribe',
} as const;

/** Notification methods of the extension. */
export const Notifications = {
  active: 'notifications/events/active',
  event: 'notifications/events/event',
  heartbeat: 'notifications/events/heartbeat',
  error: 'notifications/events/error',
  terminated: 'notifications/events/terminated',
  listChanged: 'notifications/events/list_changed',
} as const;

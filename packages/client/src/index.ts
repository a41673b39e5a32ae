export type { BackoffOptions } from './backoff.ts';
export { type Clock, systemClock } from './clock.ts';
export { type ClientSource, eventsClientCapabilities } from './connection/connection.ts';
export { boundedFetch, type BoundedFetchOptions } from './http/boundedFetch.ts';
export { eventsTransport, type EventsTransportOptions } from './http/eventsTransport.ts';
export type { ClientDeliveryMode } from './delivery/chooseMode.ts';
export type { SubscriptionStatus } from './delivery/supervisor.ts';
export type { CallbackReceiver, WebhookOptions } from './delivery/webhook/webhookOptions.ts';
export {
  DeliveryModeNotAvailableError,
  EventsClientError,
  type EventsClientErrorCode,
  isEventsClientError,
  EventsNotSupportedError,
  NoCompatibleDeliveryModeError,
} from './errors.ts';
export { EventsClient } from './eventsClient.ts';
export type { Inbox, InboxCommit, ParkedEvent } from './inbox/inbox.ts';
export type {
  EventHandler,
  HandlerContext,
  HandlerResult,
  PreparedHandler,
  ProcessOptions,
} from './inbox/processOptions.ts';
export type { EventsClientOptions, SubscribeOptions } from './options.ts';
export type { CursorStore, SubscriptionRecord } from './store/cursorStore.ts';
export { memoryStore } from './store/memoryStore.ts';
export type { Gap } from './subscription/eventBuffer.ts';
export type { PayloadResult, PayloadSchema } from './subscription/payloadSchema.ts';
export type { ReceivedEvent } from './subscription/receivedEvent.ts';
export type { Subscription } from './subscription/subscription.ts';

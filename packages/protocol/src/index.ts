export { MAX_ARGUMENT_BYTES, MAX_ARGUMENT_DEPTH } from './argumentBounds.ts';
export { dialectOfRequest, findEventsCapability } from './dialect.ts';
export type { Dialect, EventsCapability } from './dialect.ts';
export {
  callbackEndpointError,
  errorCodes,
  EventsError,
  eventsErrorFromRpc,
  forbidden,
  internalError,
  invalidParams,
  isEventsError,
  notFound,
  resourceExhausted,
  unsupported,
} from './errors.ts';
export type { ErrorData, ErrorName } from './errors.ts';
export {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  EXTENSION_ID,
  Methods,
  Notifications,
  PROTOCOL_VERSION,
  PROTOCOL_VERSION_META_KEY,
  SUBSCRIPTION_ID_META_KEY,
} from './identifiers.ts';
export type { SchemaChange, SchemaChangeKind, SchemaRole } from './evolution/change.ts';
export { canonicalArguments, deriveSubscriptionId, subscriptionKey } from './identity.ts';
export type { SubscriptionIdentity, SubscriptionIdInput } from './identity.ts';
export { missingOf, ORDER_META_KEY, ORDERED_META_KEY, orderOf } from './order.ts';
export type { EventOrder } from './order.ts';
export { parseUrl } from './parseUrl.ts';
export {
  callbackUrlSchema,
  MAX_CALLBACK_URL_LENGTH,
  MAX_SECRET_BYTES,
  MIN_SECRET_BYTES,
  WEBHOOK_SECRET_PREFIX,
  webhookSecretSchema,
} from './schemas/callback.ts';
export { describeIssues } from './schemas/describeIssues.ts';
export { isJsonObject } from './schemas/json.ts';
export type { JsonSchema } from './schemas/json.ts';
export { deliveryModeSchema, eventTypeSchema, listParamsSchema, listResultSchema } from './schemas/list.ts';
export type { DeliveryMode, EventTypeDescriptor, ListParams, ListResult } from './schemas/list.ts';
export { deliveredOccurrenceSchema, occurrenceSchema } from './schemas/occurrence.ts';
export type { DeliveredOccurrence, EventOccurrence } from './schemas/occurrence.ts';
export type { ResumableParams, TargetParams } from './schemas/params.ts';
export { pollParamsSchema, pollResultSchema } from './schemas/poll.ts';
export type { PollParams, PollResult } from './schemas/poll.ts';
export { emptyResultSchema } from './schemas/result.ts';
export type { EventsResult } from './schemas/result.ts';
export { rpcErrorSchema } from './schemas/rpcError.ts';
export type { RpcError } from './schemas/rpcError.ts';
export {
  activeParamsSchema,
  errorParamsSchema,
  eventParamsSchema,
  heartbeatParamsSchema,
  listChangedParamsSchema,
  streamParamsSchema,
  streamResultSchema,
  subscriptionIdOf,
  terminatedParamsSchema,
} from './schemas/stream.ts';
export type {
  ActiveParams,
  ErrorParams,
  EventParams,
  HeartbeatParams,
  ListChangedParams,
  StreamEventsResult,
  StreamMessageParams,
  StreamParams,
  TerminatedParams,
} from './schemas/stream.ts';
export {
  deliveryStatusSchema,
  lastErrorSchema,
  subscribeParamsSchema,
  subscribeResultSchema,
  unsubscribeParamsSchema,
} from './schemas/subscribe.ts';
export type {
  DeliveryStatus,
  LastError,
  SubscribeDelivery,
  SubscribeParams,
  SubscribeResult,
  UnsubscribeParams,
} from './schemas/subscribe.ts';
export { envelopeTypeOf, webhookBodySchema } from './schemas/webhook.ts';
export type { GapEnvelope, TerminatedEnvelope, VerificationEnvelope, WebhookBody } from './schemas/webhook.ts';
export { jwksDocumentSchema, webhookReceiverDocumentSchema } from './schemas/wellKnown.ts';
export type { Ed25519Key, JwksDocument, WebhookReceiverDocument } from './schemas/wellKnown.ts';
export { compareSchemas, isBreaking } from './schemaEvolution.ts';
export {
  SUBSCRIPTION_ID_HEADER,
  WEBHOOK_ID_HEADER,
  WEBHOOK_SIGNATURE_HEADER,
  WEBHOOK_TIMESTAMP_HEADER,
} from './signing/headers.ts';
export { createWebhookSecret, decodeWebhookSecret } from './signing/secret.ts';
export { signWebhook, verifyWebhook } from './signing/signature.ts';
export type { WebhookMessageToSign, WebhookToVerify, WebhookVerification } from './signing/signature.ts';

export { EventsError, forbidden, internalError, isEventsError, unsupported } from '@mcp-events/protocol';
export type { DeliveryMode, Dialect, JwksDocument, LastError } from '@mcp-events/protocol';
export type { EventTypeDefinition } from './catalog/definition.ts';
export type { EmitOptions, EmittedEvent, EventHandle } from './catalog/eventHandle.ts';
export type { SchemaInput, SchemaObject } from './catalog/schema.ts';
export { systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export type { CallerInfo, EventContext } from './context.ts';
export type { DeadLetter } from './delivery/webhook/deadLetter.ts';
export type { Dial } from './delivery/webhook/egress/dial.ts';
export type { Resolve } from './delivery/webhook/egress/resolve.ts';
export { defaultSuspensionRules } from './delivery/webhook/failureRate.ts';
export type { SuspensionRules } from './delivery/webhook/failureRate.ts';
export type { TtlRules } from './delivery/webhook/grant.ts';
export { defaultRetryRules } from './delivery/webhook/retryPolicy.ts';
export type { RetryRules } from './delivery/webhook/retryPolicy.ts';
export type { SchedulingLimits } from './delivery/webhook/scheduling/fairScheduler.ts';
export type { ServerSigningKey } from './delivery/webhook/signing/serverIdentity.ts';
export { defaultWebhookLimits } from './delivery/webhook/webhookRules.ts';
export type { OrderedPeer, WebhookLimits, WebhookOptions, WebhookPeer } from './delivery/webhook/webhookOptions.ts';
export { Events } from './extension.ts';
export type { CloseOptions, SubscriptionInfo } from './extension.ts';
export type { Check, CheckContext, CheckedEvent, CheckResult } from './feed/check.ts';
export { FeedEvent } from './occurrence/feedEvent.ts';
export type { FeedRecord, Occurrence, OccurrenceInput } from './occurrence/feedEvent.ts';
export { Gap } from './occurrence/gap.ts';
export { timestampMs } from './occurrence/timestamp.ts';
export type { Explanation, Verdict } from './inspection/explanation.ts';
export type {
  InspectedDeadLetter,
  InspectedDelivery,
  InspectedLane,
  InspectedSubscription,
  InspectedType,
  Inspection,
  Page,
  PageRequest,
} from './inspection/inspection.ts';
export type { InspectedEvent } from './inspection/listEvents.ts';
export { defaultLimits } from './limits.ts';
export type { Limits } from './limits.ts';
export type { MaybePromise } from './maybePromise.ts';
export type { Logger } from './observability/logger.ts';
export type { TelemetryOptions } from './observability/telemetryOptions.ts';
export type { EventsOptions, ProblemContext } from './options.ts';
export type { AddedEvent, Outbox, RefusedEvent } from './outbox/outbox.ts';
export type { OutboxDatabase, OutboxStatement } from './outbox/outboxDatabase.ts';
export type { OutboxOptions } from './outbox/outboxes.ts';
export { deadLetterBounds } from './storage/deadLetterStore.ts';
export type { DeadLetterFilter, DeadLetterPage, DeadLetterStore, StoredDeadLetter } from './storage/deadLetterStore.ts';
export { defaultRetention } from './storage/eventLog.ts';
export type { AncestorEpoch, AppendOptions, EventLog, Note, Retention } from './storage/eventLog.ts';
export { memoryStorage } from './storage/memoryStorage.ts';
export type { MemoryStorageOptions } from './storage/memoryStorage.ts';
export type { Notes, Storage } from './storage/storage.ts';
export type { Consent, StoredSubscription, SubscriptionStore } from './storage/subscriptionStore.ts';
export type { SubscriptionFilter } from './subscription/registry.ts';
export type { Match, Transform } from './subscription/selection.ts';

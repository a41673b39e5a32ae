export { type Clock, systemClock } from '../clock.ts';
export { ArrivalOrder, type ArrivalOrderOptions } from './arrivalOrder.ts';
export {
  type InboxChange,
  type InboxContent,
  type InboxStore,
  memoryInboxStore,
  type ReceivedMark,
  type StoredMessage,
} from './inboxStore.ts';
export { RECEIVER_DOCUMENT_PATH, receiverDocument } from './receiverDocument.ts';
export type {
  AcceptResult,
  EventMessage,
  GapMessage,
  RegisteredCallback,
  TerminatedMessage,
  WebhookMessage,
  WebhookRegistration,
} from './registration.ts';
export { type InboxGap, type InboxItem, WebhookInbox, type WebhookInboxOptions } from './webhookInbox.ts';
export { WebhookReceiver, type WebhookReceiverOptions } from './webhookReceiver.ts';

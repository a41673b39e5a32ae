export { ArrivalOrder, type ArrivalOrderOptions } from './arrivalOrder.ts';
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
export { WebhookReceiver, type WebhookReceiverOptions } from './webhookReceiver.ts';

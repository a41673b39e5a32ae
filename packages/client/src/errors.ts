import { type EventsError, eventsErrorFromRpc, isEventsError, type RpcError } from '@mcp-events/protocol';

/** Every code, in the order of the table in the client guide. */
export const errorCodes = [
  'EVENTS_NOT_SUPPORTED',
  'NO_COMPATIBLE_DELIVERY_MODE',
  'DELIVERY_MODE_NOT_AVAILABLE',
  'ALREADY_SUBSCRIBED',
  'NOT_CONNECTED',
  'SERVER_UNREACHABLE',
  'CLOSED',
  'STREAM_DROPPED',
  'STREAM_SILENT',
  'MALFORMED_ANSWER',
  'MALFORMED_EVENT',
  'ANSWER_TOO_LARGE',
  'REQUEST_REFUSED',
  'STORE_CORRUPT',
  'STORE_UNAVAILABLE',
  'TAKEN_OVER',
  'ALREADY_CONSUMED',
  'HANDLER_FAILED',
  'HANDLER_MISUSED',
  'PARKED_FULL',
  'ORDER_NOT_GRANTED',
] as const;

/** The code of a failure found on this side, before or without an answer of the server. */
export type EventsClientErrorCode = (typeof errorCodes)[number];

/** A failure on the client's side. What the server answered is an `EventsError` of the protocol package instead. */
export class EventsClientError extends Error {
  /** Stable, for branching; the message is for people. */
  readonly code: EventsClientErrorCode;

  constructor(code: EventsClientErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EventsClientError';
    this.code = code;
  }
}

/** The server does not offer Events, so no `events/*` request was sent to it (CAP-05). */
export class EventsNotSupportedError extends EventsClientError {
  constructor(message: string) {
    super('EVENTS_NOT_SUPPORTED', message);
    this.name = 'EventsNotSupportedError';
  }
}

/** The event type offers no delivery mode this client can use (CLIENT-03). */
export class NoCompatibleDeliveryModeError extends EventsClientError {
  constructor(name: string, offered: readonly string[], usable: readonly string[]) {
    super(
      'NO_COMPATIBLE_DELIVERY_MODE',
      `Event type "${name}" offers ${offered.join(', ') || 'no mode'}; this client can use ${usable.join(', ')}.${missing('webhook', offered, usable)}`,
    );
    this.name = 'NoCompatibleDeliveryModeError';
  }
}

/** The delivery mode asked for is not one the event type offers, or not one this client can use (CLIENT-04). */
export class DeliveryModeNotAvailableError extends EventsClientError {
  constructor(name: string, wanted: string, offered: readonly string[], usable: readonly string[]) {
    super(
      'DELIVERY_MODE_NOT_AVAILABLE',
      `Event type "${name}" cannot be delivered by ${wanted}; it offers ${offered.join(', ') || 'no mode'}.${missing(wanted, offered, usable) || ' Leave "delivery" out to choose automatically.'}`,
    );
    this.name = 'DeliveryModeNotAvailableError';
  }
}

/** What would make an offered mode usable: only webhooks need something of the application. */
function missing(mode: string, offered: readonly string[], usable: readonly string[]): string {
  if (mode !== 'webhook' || !offered.includes(mode) || usable.includes(mode)) return '';
  return " To take webhooks, give the events client a receiver: new EventsClient(client, { webhook: { receiver: new WebhookReceiver(), url: 'https://agent.example/hooks' } }).";
}

const NAMES: readonly unknown[] = [
  'EventsClientError',
  'EventsNotSupportedError',
  'NoCompatibleDeliveryModeError',
  'DeliveryModeNotAvailableError',
];

/**
 * Whether something thrown is an {@link EventsClientError}, of this copy of the package or of another. Decide by this and
 * by `code`, not by `instanceof`: a program may have several copies, and a class of one is not the class of the other.
 */
export function isEventsClientError(error: unknown): error is EventsClientError {
  if (typeof error !== 'object' || error === null) return false;
  const { name, code } = error as { name?: unknown; code?: unknown };
  return NAMES.includes(name) && typeof code === 'string';
}

/** Whether the server does not offer Events. */
export function isNotSupported(error: unknown): boolean {
  return isEventsClientError(error) && error.code === 'EVENTS_NOT_SUPPORTED';
}

/** Whether another process goes on with the subscription. */
export function isTakenOver(error: unknown): boolean {
  return isEventsClientError(error) && error.code === 'TAKEN_OVER';
}

/** What every call of a closed client gets. */
export function closed(): EventsClientError {
  return new EventsClientError('CLOSED', 'The events client is closed.');
}

/** Whether an error says that no answer of the server was to be had. */
export function isUnreachable(error: unknown): error is EventsClientError {
  return isEventsClientError(error) && (error.code === 'SERVER_UNREACHABLE' || error.code === 'STREAM_DROPPED');
}

/** Whether the same request would be refused again. By the error's name alone, never by its message (ERR-07). */
export function isFinal(error: Error): boolean {
  if (isNotSupported(error)) return true;
  return isEventsError(error) && (error.errorName === 'Forbidden' || error.errorName === 'InvalidParams');
}

/** Longer texts of a server are cut where they become part of a message: it may be of any length, and is for people. */
const MAX_TEXT_LENGTH = 500;

/** A text of the server's as part of a message. */
export function shortened(text: string): string {
  return text.length <= MAX_TEXT_LENGTH ? text : `${text.slice(0, MAX_TEXT_LENGTH)}... (${text.length} characters)`;
}

/** An error of the server's, with a message that people can read. */
export function serverError(error: RpcError): EventsError {
  return eventsErrorFromRpc({ ...error, message: shortened(error.message) });
}

/** Anything thrown, as an `Error` that can be looked at: what an application throws may be whatever it likes. */
export function asError(thrown: unknown): Error {
  try {
    if (!(thrown instanceof Error)) return new Error(String(thrown));
    // Looked at here, where it may throw.
    const { name, message, code, errcode } = thrown as unknown as Record<string, unknown>;
    const isPlain = [name, message].every((text) => typeof text === 'string');
    const isCoded = [code, errcode].every((value) => ['undefined', 'string', 'number'].includes(typeof value));
    return isPlain && isCoded ? thrown : new Error(String(message), { cause: thrown });
  } catch {
    return new Error('Something was thrown that cannot be described.');
  }
}

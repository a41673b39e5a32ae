import type { Dialect } from './dialect.ts';
import type { LastError } from './schemas/subscribe.ts';
import type { RpcError } from './schemas/rpcError.ts';
import { isJsonObject } from './schemas/json.ts';

/** The errors this extension answers with. The dialect gives each its number. */
export type ErrorName =
  | 'InvalidParams'
  | 'NotFound'
  | 'Forbidden'
  | 'ResourceExhausted'
  | 'Unsupported'
  | 'CallbackEndpointError'
  | 'InternalError';

/** Typed details of an error. Which members are set depends on its name; others may be present. */
export interface ErrorData {
  /** NotFound: what was not found, `event` or `subscription` (ERR-02, UNSUB-02). */
  kind?: string;
  /** Forbidden, Unsupported: a word for the cause. CallbackEndpointError: a {@link LastError}. */
  reason?: string;
  /** ResourceExhausted: name of the limit (ERR-04). */
  limit?: string;
  /** ResourceExhausted: its value. */
  max?: number;
  /** Unsupported: the mode or option that is not offered (ERR-05). */
  feature?: string;
  /** Unsupported: the value that was asked for. */
  value?: string;
  [member: string]: unknown;
}

/**
 * Numbers per dialect. The five of `final` were provisional when they were published, so this one table is all that
 * has to change with them (ERR-06, DIALECT-08, OP-02).
 */
export const errorCodes: Readonly<Record<Dialect, Readonly<Record<ErrorName, number>>>> = {
  final: {
    InvalidParams: -32602,
    NotFound: -32023,
    Forbidden: -32024,
    ResourceExhausted: -32025,
    Unsupported: -32026,
    CallbackEndpointError: -32027,
    InternalError: -32603,
  },
  sketch: {
    InvalidParams: -32602,
    NotFound: -32011,
    Forbidden: -32012,
    ResourceExhausted: -32013,
    Unsupported: -32014,
    CallbackEndpointError: -32015,
    InternalError: -32603,
  },
};

/**
 * An error of the extension. Branch on `errorName` and `data`, never on `message` (ERR-07). Message and data go to the
 * peer: they hold no secret, no credential and nothing from a callback endpoint's answer (SIG-02, VERIFY-10).
 */
export class EventsError extends Error {
  /** `Unknown` if the code of a received error is in neither table; such an error ends no subscription (ERR-08). */
  readonly errorName: ErrorName | 'Unknown';
  readonly data?: ErrorData;
  /** The code as received; `undefined` for an error made here. */
  readonly code?: number;

  /** @param options `cause` stays local: {@link toRpcError} leaves it out */
  constructor(
    errorName: ErrorName | 'Unknown',
    message: string,
    options: { data?: ErrorData; code?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EventsError';
    this.errorName = errorName;
    this.data = options.data;
    this.code = options.code;
  }

  /** The error as a peer of this dialect expects it (DIALECT-08). An `Unknown` one keeps the code it came with. */
  toRpcError(dialect: Dialect): RpcError {
    const codes = errorCodes[dialect];
    const code = this.errorName === 'Unknown' ? (this.code ?? codes.InternalError) : codes[this.errorName];
    const error: RpcError = { code, message: this.message };
    if (this.data !== undefined) error.data = this.data;
    return error;
  }
}

/**
 * Whether something thrown is an {@link EventsError}, of this copy of the package or of another: a program may have
 * several, and a class of one is not the class of the other. Decide by this, not by `instanceof`.
 */
export function isEventsError(error: unknown): error is EventsError {
  if (typeof error !== 'object' || error === null) return false;
  try {
    const { name, errorName, message, toRpcError } = error as Partial<Record<keyof EventsError, unknown>>;
    return (
      name === 'EventsError' &&
      typeof errorName === 'string' &&
      typeof message === 'string' &&
      typeof toRpcError === 'function'
    );
  } catch {
    // Author code can throw anything, also what cannot be looked at.
    return false;
  }
}

const namesByCode: ReadonlyMap<number, ErrorName> = new Map(
  Object.values(errorCodes).flatMap((table) =>
    Object.entries(table).map(([name, code]): [number, ErrorName] => [code, name as ErrorName]),
  ),
);

/**
 * Reads an error received from a server of either dialect (DIALECT-09). The caller must know that it answers an
 * `events/*` request or stands in a message of this extension: elsewhere the same numbers mean other things.
 *
 * @returns an error whose `errorName` is `Unknown` if the code is in neither table (ERR-08)
 */
export function eventsErrorFromRpc(error: RpcError): EventsError {
  const data = isJsonObject(error.data) ? error.data : undefined;
  return new EventsError(namesByCode.get(error.code) ?? 'Unknown', error.message, { data, code: error.code });
}

/** Parameters or arguments are wrong (ERR-01). `message` says which member, and what was expected. */
export function invalidParams(message: string, data?: ErrorData): EventsError {
  return new EventsError('InvalidParams', message, { data });
}

/** The event type or the subscription does not exist (ERR-02, UNSUB-02). */
export function notFound(kind: 'event' | 'subscription', message: string): EventsError {
  return new EventsError('NotFound', message, { data: { kind } });
}

/** The principal may not do this (ERR-03). `reason` is a word for programs, not a sentence. */
export function forbidden(reason?: string): EventsError {
  return new EventsError('Forbidden', 'The caller is not allowed to use this event subscription', {
    data: reason === undefined ? undefined : { reason },
  });
}

/** A limit is reached (ERR-04). */
export function resourceExhausted(limit: string, max?: number): EventsError {
  const message = `The limit "${limit}"${max === undefined ? '' : ` of ${max}`} is reached`;
  return new EventsError('ResourceExhausted', message, { data: max === undefined ? { limit } : { limit, max } });
}

/** A mode or option is not offered (ERR-05), or no longer in its old form (TERM-03). */
export function unsupported(feature: string, details: { value?: string; reason?: string } = {}): EventsError {
  const { value, reason } = details;
  const data: ErrorData = { feature };
  if (value !== undefined) data.value = value;
  if (reason !== undefined) data.reason = reason;
  const what = value === undefined ? feature : `${feature} "${value}"`;
  return new EventsError('Unsupported', `Not supported: ${what}${reason === undefined ? '' : ` (${reason})`}`, {
    data,
  });
}

/** The callback endpoint did not pass verification (VERIFY-04, VERIFY-05). */
export function callbackEndpointError(reason: LastError): EventsError {
  return new EventsError('CallbackEndpointError', `The callback endpoint could not be verified: ${reason}`, {
    data: { reason },
  });
}

/** Anything else. The default message says nothing, as details of a fault are not for the peer. */
export function internalError(message = 'Internal error'): EventsError {
  return new EventsError('InternalError', message);
}

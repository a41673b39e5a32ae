import { EventsError, errorCodes, isEventsError, isJsonObject } from '@mcp-events/protocol';
import type { ErrorName } from '@mcp-events/protocol';

/**
 * Takes an error of this extension, also one that another copy of this package made, as two of them come together easily.
 * Throws a `TypeError` for anything else: it could not be told to anybody.
 */
export function readEventsError(error: unknown): EventsError {
  if (isEventsError(error)) return error;
  const { name, errorName, message, data } = (error ?? {}) as Partial<Record<keyof EventsError, unknown>>;
  const isForeign =
    name === 'EventsError' && typeof message === 'string' && Object.hasOwn(errorCodes.final, String(errorName));
  if (!isForeign) {
    throw new TypeError(
      "the error must be an EventsError, such as forbidden('revoked') or new EventsError('NotFound', message) makes: it is told to subscribers",
    );
  }
  return new EventsError(errorName as ErrorName, message, isJsonObject(data) ? { data } : {});
}

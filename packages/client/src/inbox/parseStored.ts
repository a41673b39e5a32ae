import { EventsClientError } from '../errors.ts';

/**
 * What a row of an inbox holds.
 *
 * @param what it is, for the error
 * @throws EventsClientError `STORE_CORRUPT`
 */
export function parseStored<T>(json: string, what: string): T {
  try {
    return JSON.parse(json) as T;
  } catch (cause) {
    const message = `${what} in the inbox is damaged: restore the database, or delete the row to do without it.`;
    throw new EventsClientError('STORE_CORRUPT', message, { cause });
  }
}

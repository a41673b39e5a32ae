import { isJsonObject } from '@mcp-events/protocol';
import { refuseUnknown } from '@mcp-events/protocol/options';
import type { DeadLetterFilter } from './deadLetterStore.ts';

const types: Readonly<Record<keyof DeadLetterFilter, 'number' | 'string'>> = {
  number: 'number',
  subscriptionId: 'string',
  principal: 'string',
  name: 'string',
  eventId: 'string',
};

/**
 * Throws a `TypeError` for a member that does not exist or is of another type: an engine may pass it over, and the operation
 * would then concern letters it was not meant for.
 */
export function readDeadLetterFilter(filter: DeadLetterFilter): DeadLetterFilter {
  const given: unknown = filter;
  if (!isJsonObject(given)) {
    throw new TypeError(
      `the filter of dead letters must be an object, such as { subscriptionId }, not ${String(given)}`,
    );
  }
  refuseUnknown(given, Object.keys(types), 'the filter of dead letters');
  for (const [member, value] of Object.entries(given)) {
    const type = types[member as keyof DeadLetterFilter];
    if (value !== undefined && typeof value !== type) {
      throw new TypeError(`${member} of the filter of dead letters must be a ${type}; leave it out for all`);
    }
  }
  return filter;
}

/**
 * What is to be forgotten. Throws a `TypeError` also for a member that is `undefined`, as somebody's unknown name would be, and
 * for `all` beside a restriction.
 */
export function readDiscardFilter(filter: DeadLetterFilter | { readonly all: true }): DeadLetterFilter {
  const given: unknown = filter;
  if (!isJsonObject(given) || Object.keys(given).length === 0) {
    throw new TypeError('discardDeadLetters needs a filter; { all: true } names all of them');
  }
  if (given['all'] === true && Object.keys(given).length === 1) return {};
  for (const [member, value] of Object.entries(given)) {
    if (value === undefined) {
      throw new TypeError(
        `${member} of the filter of discardDeadLetters is undefined; leave it out, or name all by { all: true }`,
      );
    }
  }
  return readDeadLetterFilter(given);
}

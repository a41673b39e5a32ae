import { refuseUnknown } from '@mcp-events/protocol/options';
import type { AnyDefinition } from './definition.ts';

/** What each member may be; `any` where it is read elsewhere. */
const members: Readonly<Record<keyof AnyDefinition, 'any' | 'boolean' | 'function'>> = {
  description: 'any',
  input: 'any',
  payload: 'any',
  _meta: 'any',
  delivery: 'any',
  orderedWebhooks: 'boolean',
  check: 'function',
  replay: 'boolean',
  retention: 'any',
  filter: 'any',
  match: 'function',
  transform: 'function',
  authorize: 'function',
  discoverable: 'function',
  onSubscribe: 'function',
  onUnsubscribe: 'function',
  nextPollMs: 'any',
  leaseMs: 'any',
};

/**
 * Throws a `TypeError` for a member that does not exist, as a misspelt `authorize` would let everybody in, and for one of another
 * type, which would fail with the first event.
 */
export function checkDefinition(definition: AnyDefinition, what: string): void {
  if (typeof definition !== 'object' || definition === null) throw new TypeError(`${what} needs a definition`);
  refuseUnknown(definition, Object.keys(members), what);
  for (const [member, value] of Object.entries(definition)) {
    const type = members[member as keyof AnyDefinition];
    if (value === undefined || type === 'any' || typeof value === type) continue;
    throw new TypeError(`${member} of ${what} must be a ${type}, not ${value === null ? 'null' : typeof value}`);
  }
}

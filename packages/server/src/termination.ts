import { refuseUnknown } from '@mcp-events/protocol/options';
import { internalError, isJsonObject } from '@mcp-events/protocol';
import type { EventsError } from '@mcp-events/protocol';
import type { Parts } from './composition.ts';
import { WebhookSubscription } from './delivery/webhook/webhookSubscription.ts';
import type { SubscriptionFilter } from './subscription/registry.ts';

const FILTER_MEMBERS: readonly string[] = ['id', 'name', 'principal'];

/**
 * Ends what the filter finds, live or stored. Resolves with how many, when that is stored, and so is every end before it that
 * the filter finds. Everything that is known is ended before this returns.
 */
export async function terminate(
  { core, restoration }: Pick<Parts, 'core' | 'restoration'>,
  filter: SubscriptionFilter,
  error: EventsError,
): Promise<number> {
  // Nobody finds these any more, and a crash would bring them back (TERM-11).
  const before = core.webhooks?.persistence?.storeEnds(filter) ?? [];
  core.admissions.ended(filter);
  const live = core.registry.find(filter);
  for (const subscription of live) subscription.terminate(error);
  const ended = live.map(async (one) => !(one instanceof WebhookSubscription) || one.endStored);
  // Waited for together: one that rejects must not do so while another is waited for.
  const [ofLive, ofStored, earlier] = await Promise.all([
    Promise.all(ended),
    restoration?.terminate(filter, error) ?? [],
    before,
  ]);
  const ends = [...ofLive, ...ofStored];
  const all = [...ends, ...earlier];
  const failed = all.filter((isStored) => !isStored).length;
  if (failed > 0) {
    throw internalError(`${failed} of ${all.length} ends could not be stored so far; they are tried again`);
  }
  return ends.length;
}

/** Throws a `TypeError` for what would concern others than it was meant for. */
export function readSubscriptionFilter(filter: SubscriptionFilter): SubscriptionFilter {
  const given: unknown = filter;
  if (!isJsonObject(given))
    throw new TypeError(`the filter must be an object, such as { principal }, not ${String(given)}`);
  refuseUnknown(given, FILTER_MEMBERS, 'the filter');
  for (const [member, value] of Object.entries(given)) {
    // Taken as "any" it would concern everybody, when somebody's unknown name was meant.
    const isText = typeof value === 'string' || (member === 'principal' && value === null);
    if (!isText) {
      throw new TypeError(
        `${member} of the filter must be a string${member === 'principal' ? ', or null for anonymous callers' : ''}; leave it out for all`,
      );
    }
  }
  return { ...filter };
}

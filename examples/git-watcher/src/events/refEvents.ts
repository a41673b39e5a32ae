import type { EventHandle, Events } from '@mcp-events/server';
import { z } from 'zod';

const kinds = ['branch', 'tag', 'remote', 'other'] as const;

const input = z.object({
  ref: z.string().describe('Only this ref, by its full name such as refs/heads/main').optional(),
  kind: z.enum(kinds).describe('Only refs of this kind').optional(),
});

const payload = z.object({
  ref: z.string().describe('Full name, such as refs/heads/main'),
  kind: z.enum(kinds),
  change: z.enum(['created', 'updated', 'deleted']),
  before: z.string().nullable().describe('Object id before, null if it was created'),
  after: z.string().nullable().describe('Object id after, null if it was deleted'),
});

export type RefArguments = z.infer<typeof input>;
export type RefPayload = z.infer<typeof payload>;

/** For a subscriber that comes back after its holidays, or a server that was not running for as long. */
const RETENTION_MS = 14 * 24 * 3_600_000;

/**
 * `git.ref.updated`: branches and tags that moved, from `emit`. Git keeps no common history of its refs, so the server's
 * storage does.
 */
export function defineRefEvents(events: Events): EventHandle<RefArguments, RefArguments, RefPayload> {
  return events.define('git.ref.updated', {
    description: 'A branch or tag was created, moved or deleted',
    input,
    payload,
    nextPollMs: 1_000,
    retention: { maxAgeMs: RETENTION_MS },
    // Declared as filters, so an event is only looked at for the subscriptions it is for.
    filter: { ref: 'ref', kind: 'kind' },
  });
}

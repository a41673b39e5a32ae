import type { CheckContext, EventContext, EventHandle, Events } from '@mcp-events/server';
import { mayRead, redacted, isWanted } from '../simulation/authoredEvent.ts';
import type { Treatment } from '../simulation/authoredEvent.ts';
import type { Settings } from './settings.ts';
import { UpstreamReader } from './upstreamFile.ts';

const INPUT = { type: 'object', properties: { severity: {} } };

const PAYLOAD = {
  type: 'object',
  properties: { severity: { type: 'string' }, text: { type: 'string' }, tenant: { type: 'string' } },
  required: ['severity', 'text'],
};

const FILTER = { severity: 'severity' };

/** Events of one day and more are kept, whatever clocks say in between. */
const LONG = { maxAgeMs: 1e12, maxCount: 1_000_000 };

export const CHECKED = 'checked';

/** Everybody gets the events of a type as they were emitted. */
export const PLAIN: Treatment = { isGuarded: false, isRedacted: false };

/** Events of a type that is matched: those of a tenant for its principals, and to each in a copy of its own. */
export const MATCHED: Treatment = { isGuarded: true, isRedacted: true };

/** Events of the checked type: those of a tenant for its principals. */
export const GUARDED: Treatment = { isGuarded: true, isRedacted: false };

/** Whose access is revoked in the end: then nothing of it may come to them any more. */
export const REVOKED_PRINCIPAL = 'bob';

/** Where types of one server are told from those of the other: each has a log of its own. */
export type Prefix = 'http' | 'stdio';

export const filteredName = (prefix: Prefix): string => `${prefix}.filtered`;
export const matchedName = (prefix: Prefix): string => `${prefix}.matched`;
export const outboxedName = (prefix: Prefix): string => `${prefix}.outboxed`;

type Data = Record<string, unknown>;

/** Defines everything a server offers. */
export function defineTypes(
  events: Events,
  prefix: Prefix,
  settings: Settings,
  upstreamPath: string,
  isRevoked: () => boolean,
): ReadonlyMap<string, EventHandle> {
  const upstream = new UpstreamReader(upstreamPath, settings.upstreamRetention);
  const common = { input: INPUT, payload: PAYLOAD, nextPollMs: 300 };
  const emitted = [
    events.define(filteredName(prefix), { ...common, filter: FILTER, retention: LONG }),
    events.define(matchedName(prefix), {
      ...common,
      // Its past is often gone when a client comes back, also because a clock jumped.
      retention: { maxCount: settings.shortRetention, maxAgeMs: 600_000 },
      authorize: ({ principal }: EventContext) => principal !== REVOKED_PRINCIPAL || !isRevoked(),
      match: ({ principal }: EventContext, { data }: { data: Data }, { severity }: Data) =>
        mayRead(principal, data['tenant']) && isWanted(severity, data['severity']),
      transform: ({ principal }: EventContext, { data }: { data: Data }) => redacted(data, principal),
    }),
    events.define(outboxedName(prefix), { ...common, filter: FILTER, retention: LONG }),
  ];
  events.define(CHECKED, {
    ...common,
    filter: FILTER,
    check: ({ limit, principal }: CheckContext, _args: unknown, cursor: string | null) =>
      upstream.after(cursor, limit, principal),
  });
  return new Map(emitted.map((handle) => [handle.name, handle]));
}

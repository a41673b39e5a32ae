import type { EventHandle, Events } from '@mcp-events/server';
import type { Settings } from './settings.ts';
import { UpstreamReader } from './upstreamFile.ts';

const INPUT = { type: 'object', properties: { severity: {} } };

const PAYLOAD = {
  type: 'object',
  properties: { severity: { type: 'string' }, text: { type: 'string' } },
  required: ['severity'],
};

const FILTER = { severity: 'severity' };

/** Events of one day and more are kept, whatever clocks say in between. */
const LONG = { maxAgeMs: 1e12, maxCount: 1_000_000 };

export const CHECKED = 'checked';

/** Where types of one server are told from those of the other: each has a log of its own. */
export type Prefix = 'http' | 'stdio';

export const filteredName = (prefix: Prefix): string => `${prefix}.filtered`;
export const matchedName = (prefix: Prefix): string => `${prefix}.matched`;
export const outboxedName = (prefix: Prefix): string => `${prefix}.outboxed`;

/** Defines everything a server offers. */
export function defineTypes(
  events: Events,
  prefix: Prefix,
  settings: Settings,
  upstreamPath: string,
): ReadonlyMap<string, EventHandle> {
  const upstream = new UpstreamReader(upstreamPath, settings.upstreamRetention);
  const common = { input: INPUT, payload: PAYLOAD, nextPollMs: 300 };
  const emitted = [
    events.define(filteredName(prefix), { ...common, filter: FILTER, retention: LONG }),
    events.define(matchedName(prefix), {
      ...common,
      // Its past is often gone when a client comes back, also because a clock jumped.
      retention: { maxCount: settings.shortRetention, maxAgeMs: 600_000 },
      match: (_context: unknown, { data }: { data: Record<string, unknown> }, args: Record<string, unknown>) =>
        args['severity'] === undefined || [args['severity']].flat().includes(data['severity'] as string),
    }),
    events.define(outboxedName(prefix), { ...common, filter: FILTER, retention: LONG }),
  ];
  events.define(CHECKED, {
    ...common,
    filter: FILTER,
    check: ({ limit }: { limit: number }, _args: unknown, cursor: string | null) => upstream.after(cursor, limit),
  });
  return new Map(emitted.map((handle) => [handle.name, handle]));
}

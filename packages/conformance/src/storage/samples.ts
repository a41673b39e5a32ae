import { FeedEvent } from '@mcp-events/server';
import type { EventLog, OccurrenceInput, Retention, StoredDeadLetter, StoredSubscription } from '@mcp-events/server';

/** A log that keeps everything. */
export const unbounded: Retention = { maxAgeMs: Infinity, maxCount: 1_000_000, maxBytes: Infinity };

export function event(eventId: string, members: Partial<OccurrenceInput> = {}): FeedEvent {
  const input = { eventId, name: 'sample', timestamp: '2026-01-01T00:00:00.000Z', data: { eventId }, ...members };
  return new FeedEvent(input, null);
}

export async function appendAll(log: EventLog, ids: readonly string[], byteLength = 10): Promise<FeedEvent[]> {
  return Promise.all(ids.map(async (id) => log.append(event(id), { byteLength })));
}

/** `prefix1`, `prefix2`, ... */
export function ids(count: number, prefix = 'e'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
}

/** Ids of events, and `gap` where one is. */
export async function readIds(log: EventLog, position = 0, limit = 1_000): Promise<string[]> {
  return (await log.read(position, limit)).map((record) => (record.kind === 'event' ? record.eventId : 'gap'));
}

export function subscription(id: string, members: Partial<StoredSubscription> = {}): StoredSubscription {
  return {
    id,
    name: 'sample',
    principal: 'alice',
    arguments: {},
    url: 'https://agent.example/hook',
    dialect: 'final',
    secret: 'sealed',
    refreshBeforeMs: null,
    cursor: null,
    settled: [],
    suspended: false,
    failing: null,
    gapAfter: null,
    ...members,
  };
}

export function deadLetter(eventId: string, members: Partial<StoredDeadLetter> = {}): StoredDeadLetter {
  return {
    subscriptionId: 'sub_1',
    principal: 'alice',
    name: 'sample',
    eventId,
    timestamp: '2026-01-01T00:00:00.000Z',
    dataJson: '{}',
    cursor: null,
    attempts: 5,
    reason: 'timeout',
    abandonedAt: '2026-01-01T00:15:00.000Z',
    ...members,
  };
}

import { FeedEvent } from '@mcp-events/server';
import type { EventLog, FeedRecord, OccurrenceInput, Retention } from '@mcp-events/server';

export const unbounded: Retention = { maxAgeMs: Infinity, maxCount: 10_000_000, maxBytes: Infinity };

export function event(eventId: string, members: Partial<OccurrenceInput> = {}): FeedEvent {
  const timestamp = '2026-01-01T00:00:00.000Z';
  return new FeedEvent({ eventId, name: 'sample', timestamp, data: { eventId }, ...members }, null);
}

export async function appendAll(log: EventLog, count: number, prefix = 'e'): Promise<void> {
  const ids = Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
  await Promise.all(ids.map(async (id) => log.append(event(id), { byteLength: 10 })));
}

/** `gap` where one is. */
export function idOf(record: FeedRecord): string {
  return record.kind === 'event' ? record.eventId : 'gap';
}

export async function readAll(log: EventLog): Promise<string[]> {
  const ids: string[] = [];
  let position = 0;
  while (position < log.head) {
    const page = await log.read(position, 10_000);
    if (page.length === 0) break;
    ids.push(...page.map((record) => idOf(record)));
    position = page.at(-1)?.position ?? Infinity;
  }
  return ids;
}

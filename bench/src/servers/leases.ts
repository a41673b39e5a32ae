import { serve } from '../harness/child.ts';
import { mcpRequest } from '../readers/request.ts';
import { createEvents } from './eventsServer.ts';
import { EVENT_NAME } from './frames.ts';
import { settledMemory } from './memory.ts';
import type { Memory } from './memory.ts';

export interface LeaseServer {
  /** Polls for this many further subscriptions. `keyBytes` is what tells one lease from another. */
  take(count: number): Promise<{ keyBytes: number }>;
  memory(): Promise<Memory>;
}

const { handler } = createEvents({ filter: { key: 'key' }, leaseMs: 3_600_000 });
let taken = 0;

async function poll(key: string): Promise<void> {
  const params = { name: EVENT_NAME, arguments: { key }, cursor: null };
  const request = new Request('http://127.0.0.1/mcp', { method: 'POST', ...mcpRequest(1, 'events/poll', params) });
  const answer = await handler.fetch(request);
  if (!(await answer.text()).includes('"cursor"')) throw new Error('the poll was refused');
}

serve<LeaseServer>({
  take: async (count) => {
    const end = taken + count;
    const key = (index: number): string => `key-${String(index).padStart(9, '0')}`;
    while (taken < end) await poll(key(taken++));
    return { keyBytes: JSON.stringify([EVENT_NAME, { key: key(0) }]).length };
  },
  memory: settledMemory,
});

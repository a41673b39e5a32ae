// A hand-written stdio server: each stream gets `active` and the one event after its cursor, then stays open.
import { createInterface } from 'node:readline';

const capabilities = { extensions: { 'io.modelcontextprotocol/events': {} } };
const descriptor = { name: 'tick', delivery: ['push'], inputSchema: {}, payloadSchema: {} };
const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const answer = (result) => send({ id, result: { resultType: 'complete', ...result } });
  if (method === 'server/discover') {
    answer({ supportedVersions: ['2026-07-28'], capabilities, ttlMs: 0, cacheScope: 'private' });
  } else if (method === 'events/list') answer({ events: [descriptor] });
  else if (method === 'events/stream') {
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id };
    const position = Number((params.cursor ?? 'c0').slice(1)) + 1;
    const event = {
      eventId: `e${position}`,
      name: 'tick',
      timestamp: '2026-07-28T12:00:00Z',
      data: { pid: process.pid },
    };
    send({ method: 'notifications/events/active', params: { cursor: `c${position - 1}`, truncated: false, _meta } });
    send({ method: 'notifications/events/event', params: { ...event, cursor: `c${position}`, _meta } });
  } else send({ id, error: { code: -32601, message: 'Method not found' } });
});

import { randomBytes } from 'node:crypto';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { benchData, textFor } from './author.ts';
import { EVENT_NAME } from './frames.ts';
import { servePoll } from './pollServer.ts';

const METHOD = 'bench/poll';
const anyParams = {
  '~standard': { version: 1 as const, vendor: 'bench', validate: (value: unknown) => ({ value }) },
};

/**
 * The ceiling of poll: the SDK's own cost for a method that finds its finished answer by cursor. Nothing is checked,
 * filtered or leased.
 */
servePoll(async (events, dataBytes) => {
  const epoch = randomBytes(8).toString('hex');
  const text = textFor(dataBytes);
  const past = Array.from({ length: events }, (_, index) => ({
    eventId: `evt_${randomBytes(16).toString('hex')}`,
    name: EVENT_NAME,
    timestamp: new Date().toISOString(),
    data: benchData(index, text),
  }));
  const answers = new Map<string, Record<string, unknown>>();
  const answerTo = (position: number, maxEvents: number): Record<string, unknown> => {
    const key = `${position}.${maxEvents}`;
    let answer = answers.get(key);
    if (answer === undefined) {
      const page = past.slice(position, position + maxEvents);
      const end = position + page.length;
      const result = { resultType: 'complete', events: page, cursor: `${epoch}.${end}` };
      answer = { ...result, truncated: false, hasMore: end < events, nextPollMs: 5_000 };
      answers.set(key, answer);
    }
    return answer;
  };
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: 'bench', version: '1.0.0' });
    mcp.server.setRequestHandler(METHOD, { params: anyParams }, (params) => {
      const { cursor, maxEvents } = params as { cursor: string; maxEvents: number };
      return answerTo(Number(cursor.slice(epoch.length + 1)), maxEvents);
    });
    return mcp;
  });
  return { handler, method: METHOD, firstCursor: `${epoch}.0`, lastCursor: `${epoch}.${events}` };
});

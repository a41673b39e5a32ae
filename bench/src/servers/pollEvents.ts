import { Methods } from '@mcp-events/protocol';
import { benchData, textFor } from './author.ts';
import { createEvents } from './eventsServer.ts';
import { servePoll } from './pollServer.ts';

servePoll(async (events, dataBytes) => {
  const { handler, handle } = createEvents();
  const text = textFor(dataBytes);
  let lastCursor = '';
  for (let index = 0; index < events; index++) {
    const { cursor } = await handle.emit(benchData(index, text));
    lastCursor = cursor ?? '';
  }
  return { handler, method: Methods.poll, firstCursor: lastCursor.replace(/\.\d+$/, '.0'), lastCursor };
});

import type { Clock } from '@mcp-events/server';
import * as z from 'zod';
import type { EventTypes } from './eventTypes.ts';

const INTERVAL_MS = 1_000;

const CHANNELS = ['general', 'random', 'support'];

/** Emitted by a generator, so that there is always something to see. The returned function stops it. */
export function offerChatMessage(types: EventTypes, clock: Clock, report: (error: unknown) => void): () => void {
  const name = 'chat.message';
  const chatMessage = types.offer(name, {
    description: 'A message in a chat channel. One arrives every second.',
    input: z.object({
      channel: z.string().describe('Only messages of this channel, for example general').optional(),
      redact: z.boolean().describe('Hide what was written').optional(),
    }),
    payload: z.object({ channel: z.string(), author: z.string(), text: z.string() }),
    filter: { channel: 'channel' },
    transform: (_context, { data }, { redact }) => (redact === true ? { ...data, text: '(redacted)' } : data),
  });
  let count = 0;
  let timer: unknown;
  const schedule = (): void => {
    timer = clock.setTimeout(() => {
      // Somebody may have removed the type.
      if (!types.has(name)) return;
      count++;
      const channel = CHANNELS[(count - 1) % CHANNELS.length] as string;
      chatMessage.emit({ channel, author: 'generator', text: `Message ${count}` }).catch(report);
      schedule();
    }, INTERVAL_MS);
  };
  schedule();
  return () => clock.clearTimeout(timer);
}

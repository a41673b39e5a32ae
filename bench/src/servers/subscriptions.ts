import { serve } from '../harness/child.ts';
import { mcpRequest } from '../readers/request.ts';
import { benchData, textFor } from './author.ts';
import { createEvents } from './eventsServer.ts';
import { EVENT_NAME } from './frames.ts';

export interface SubscriptionServer {
  /** Opens this many streams, each for another value of the declared filter. */
  open(count: number): Promise<void>;
  /** Microseconds per emit that matches exactly one of them. */
  emit(count: number): Promise<number>;
}

/**
 * Subscriptions that get events. As many whatever the number of subscriptions, so that the processor's caches are no
 * part of the comparison, and enough of them that no unread stream reaches its bound.
 */
const RECEIVERS = 500;

/** Emits between two turns of the event loop. */
const BURST = 100;

const { handler, handle } = createEvents({ filter: { key: 'key' } });
const text = textFor(200);
/** Open answers; nobody reads them. */
const answers: Response[] = [];
let emitted = 0;

serve<SubscriptionServer>({
  open: async (count) => {
    const end = answers.length + count;
    while (answers.length < end) {
      const index = answers.length;
      const params = { name: EVENT_NAME, arguments: { key: benchData(index, '').key } };
      const request = new Request('http://127.0.0.1/mcp', {
        method: 'POST',
        ...mcpRequest(index, 'events/stream', params),
      });
      const answer = await handler.fetch(request);
      if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) throw new Error('refused');
      answers.push(answer);
    }
  },
  emit: async (count) => {
    let elapsedNs = 0n;
    for (let done = 0; done < count; done += BURST) {
      const startNs = process.hrtime.bigint();
      for (let index = 0; index < BURST; index++) await handle.emit(benchData(emitted++ % RECEIVERS, text));
      elapsedNs += process.hrtime.bigint() - startNs;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return Number(elapsedNs) / 1_000 / count;
  },
});

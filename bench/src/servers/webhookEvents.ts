import { mcpRequest } from '../readers/request.ts';
import { createEvents } from './eventsServer.ts';
import { EVENT_NAME } from './frames.ts';
import { serveWebhooks } from './webhookServer.ts';

const PRINCIPAL = 'bench';

serveWebhooks((origins) => {
  const { handler, handle } = createEvents(
    {},
    {
      principal: () => PRINCIPAL,
      limits: { subscriptions: 200_000, subscriptionsPerPrincipal: 200_000 },
      // Short enough for hosts that hang to hang several times in a round.
      webhooks: { allowedOrigins: origins, retry: { attemptTimeoutMs: 1_000 } },
    },
  );
  let requests = 0;
  return {
    subscribe: async (url) => {
      const secret = `whsec_${Buffer.alloc(32, ++requests % 251).toString('base64')}`;
      const params = { name: EVENT_NAME, delivery: { url, secret } };
      const request = new Request('http://127.0.0.1/mcp', {
        method: 'POST',
        ...mcpRequest(requests, 'events/subscribe', params),
      });
      const answer = await (await handler.fetch(request)).text();
      if (!answer.includes('"refreshBefore"')) throw new Error(`refused: ${answer}`);
    },
    emit: (data) => handle.emit(data),
  };
});

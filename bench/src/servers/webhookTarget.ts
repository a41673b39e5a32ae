import type { Storage } from '@mcp-events/server';
import { mcpRequest } from '../readers/request.ts';
import { createEvents } from './eventsServer.ts';
import { EVENT_NAME } from './frames.ts';
import type { WebhookTarget } from './webhookServer.ts';

const PRINCIPAL = 'bench';

/** Encrypts the secrets of storage that has any. */
export const SECRET_KEY: string = Buffer.alloc(32, 7).toString('base64');

export interface TargetOptions {
  readonly storage?: Storage | undefined;
  /** Sends each subscription one delivery at a time. */
  readonly ordered?: boolean | undefined;
  /** Wait before what failed comes again. Default: the package's. */
  readonly firstDelayMs?: number | undefined;
}

/** The server package as `serveWebhooks` drives it. */
export function createWebhookTarget(
  origins: readonly string[],
  { storage, ordered, firstDelayMs }: TargetOptions = {},
): WebhookTarget {
  let subscriber = PRINCIPAL;
  const { handler, handle } = createEvents(
    {},
    {
      storage,
      principal: () => subscriber,
      limits: { subscriptions: 200_000, subscriptionsPerPrincipal: 200_000 },
      webhooks: {
        allowedOrigins: origins,
        secretKeys: [SECRET_KEY],
        ordered: () => ordered,
        // Short enough for hosts that hang to hang several times in a round.
        retry: { attemptTimeoutMs: 1_000, ...(firstDelayMs === undefined ? {} : { firstDelayMs }) },
      },
    },
  );
  let requests = 0;
  return {
    subscribe: async (url, principal = PRINCIPAL) => {
      subscriber = principal;
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
}

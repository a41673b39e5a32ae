import { serveWebhooks } from './webhookServer.ts';
import { createWebhookTarget } from './webhookTarget.ts';

/** Short enough for what failed to come again within a round. */
const FIRST_DELAY_MS = 50;

serveWebhooks((origins, { ordered, failEvery = 0 }) =>
  createWebhookTarget(origins, { ordered, firstDelayMs: failEvery === 0 ? undefined : FIRST_DELAY_MS }),
);

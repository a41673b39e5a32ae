import { serveWebhooks } from './webhookServer.ts';
import { createWebhookTarget } from './webhookTarget.ts';

serveWebhooks((origins) => createWebhookTarget(origins));

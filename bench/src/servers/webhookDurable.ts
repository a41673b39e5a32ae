import { openSqliteStorage } from '@mcp-events/sqlite';
import { temporaryFile } from './temporaryFile.ts';
import { serveWebhooks } from './webhookServer.ts';
import { createWebhookTarget } from './webhookTarget.ts';

serveWebhooks(async (origins) =>
  createWebhookTarget(origins, { storage: await openSqliteStorage({ file: temporaryFile() }) }),
);

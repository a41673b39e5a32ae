import { openSqliteStorage } from '@mcp-events/sqlite';
import { serveEmitters } from './emitters.ts';
import { createEvents } from './eventsServer.ts';
import { temporaryFile } from './temporaryFile.ts';

// The table only grows, as that of the reference does.
const retention = { maxAgeMs: 3_600_000, maxCount: 10_000_000, maxBytes: 1e12 };
const { handle } = createEvents({ retention }, { storage: await openSqliteStorage({ file: temporaryFile() }) });
serveEmitters((data) => handle.emit(data));

import { openSqliteStorage } from '@mcp-events/sqlite';
import { serveEmitters } from './emitters.ts';
import { createEvents } from './eventsServer.ts';
import { temporaryFile } from './temporaryFile.ts';

const { handle } = createEvents({}, { storage: await openSqliteStorage({ file: temporaryFile() }) });
serveEmitters((data) => handle.emit(data));

import { openSqliteStorage } from '@mcp-events/sqlite';
import { createEventsTarget } from './eventsServer.ts';
import { servePush } from './pushServer.ts';
import { temporaryFile } from './temporaryFile.ts';

servePush(async () => createEventsTarget({ storage: await openSqliteStorage({ file: temporaryFile() }) }));

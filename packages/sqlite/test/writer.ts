// Appends events for ever, and tells each one that is stored.
import { writeSync } from 'node:fs';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { event, unbounded } from './support.ts';

const [, , file = ''] = process.argv;
const storage = await openSqliteStorage({ file });
const log = storage.openLog('sample', unbounded);
writeSync(1, `epoch ${log.epoch}\n`);

async function write(emitter: number): Promise<never> {
  for (let n = 0; ; n++) {
    const { position, eventId } = await log.append(event(`${emitter}.${n}`), {
      byteLength: 10,
      note: { key: `last of ${emitter}`, value: `${emitter}.${n}` },
    });
    writeSync(1, `stored ${position} ${eventId}\n`);
  }
}

await Promise.all([write(1), write(2), write(3)]);

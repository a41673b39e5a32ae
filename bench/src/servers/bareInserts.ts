import { DatabaseSync } from '@photostructure/sqlite';
import { serveEmitters } from './emitters.ts';
import { temporaryFile } from './temporaryFile.ts';

/** The ceiling: what is inserted in one turn of the event loop is one transaction, and nothing else is done. */
const db = new DatabaseSync(temporaryFile());
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
db.exec('CREATE TABLE events (position INTEGER PRIMARY KEY, event_id TEXT, timestamp TEXT, data TEXT)');
const [begin, commit] = ['BEGIN IMMEDIATE', 'COMMIT'].map((sql) => db.prepare(sql));
const insert = db.prepare('INSERT INTO events (event_id, timestamp, data) VALUES (?, ?, ?)');

interface Waiting {
  readonly data: string;
  readonly stored: () => void;
}

let waiting: Waiting[] = [];
let ids = 0;

function flush(): void {
  const batch = waiting;
  waiting = [];
  const timestamp = new Date().toISOString();
  begin?.run();
  for (const { data } of batch) insert.run(`evt_${String(ids++).padStart(24, '0')}`, timestamp, data);
  commit?.run();
  for (const { stored } of batch) stored();
}

serveEmitters(
  (data) =>
    new Promise<void>((stored) => {
      if (waiting.length === 0) setImmediate(flush);
      waiting.push({ data: JSON.stringify(data), stored });
    }),
);

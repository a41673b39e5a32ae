// Processes thirty events of a server in this process, and kills itself before the given call of the database.
import { DatabaseSync } from '@photostructure/sqlite';
import { EventsClient } from '../../src/index.ts';
import { type SqliteDatabase, sqliteInbox, type SqliteStatement } from '../../src/sqlite.ts';
import { ModelServer } from './modelServer.ts';

const [file = '', calls = '', delivery = ''] = process.argv.slice(2);
const db = new DatabaseSync(file);
db.exec('PRAGMA journal_mode = WAL');
db.exec('CREATE TABLE IF NOT EXISTS effects (n INTEGER PRIMARY KEY, what TEXT NOT NULL)');

let callsLeft = Number(calls);
function called<R>(call: () => R): R {
  if (callsLeft === 0) process.kill(process.pid, 'SIGKILL');
  callsLeft -= 1;
  return call();
}
const database: SqliteDatabase = {
  exec: (sql) => called(() => db.exec(sql)),
  prepare: (sql): SqliteStatement => {
    const statement = db.prepare(sql);
    return {
      run: (...parameters) => called(() => statement.run(...parameters)),
      get: (...parameters) => called(() => statement.get(...parameters)),
      all: (...parameters) => called(() => statement.all(...parameters)),
    };
  },
};

const server = new ModelServer();
server.emitted = 30;
const inbox = sqliteInbox(database);
const events = new EventsClient(() => server.client(), { store: inbox });
const subscription = await events.subscribe(
  'incident.opened',
  {},
  { from: 'c0', delivery: delivery as 'push' | 'poll', maxEvents: 10 },
);
const timer = setInterval(() => server.pump(10), 1);
await subscription.process(
  ({ eventId }, { db: tables }) => {
    tables.prepare('INSERT INTO effects (what) VALUES (?)').run(eventId);
    if (eventId === 'e30') setImmediate(() => subscription.stop());
  },
  { inbox },
);
clearInterval(timer);
await events.close();
db.close();

import { DatabaseSync, type DatabaseSyncInstance } from '@photostructure/sqlite';
import type {
  EventHandler,
  EventsClientOptions,
  ProcessOptions,
  SubscribeOptions,
  Subscription,
} from '../../src/index.ts';
import { sqliteInbox, type SqliteInbox, type SqliteInboxOptions } from '../../src/sqlite.ts';
import type { FakeClock } from './fakeClock.ts';
import { settle, world, type World } from './world.ts';

/** The application's database, with a table of what its handlers did. */
export function openDatabase(file = ':memory:'): DatabaseSyncInstance {
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE IF NOT EXISTS effects (n INTEGER PRIMARY KEY, what TEXT NOT NULL)');
  return db;
}

export function effects(db: DatabaseSyncInstance): string[] {
  return db
    .prepare('SELECT what FROM effects ORDER BY n')
    .all()
    .map((row) => (row as { what: string }).what);
}

export function addEffect(db: DatabaseSyncInstance, what: string): void {
  db.prepare('INSERT INTO effects (what) VALUES (?)').run(what);
}

/** Writes the event's id. */
export const note: EventHandler<unknown, DatabaseSyncInstance> = ({ eventId }, { db }) => addEffect(db, eventId);

export interface ProcessWorld extends World {
  db: DatabaseSyncInstance;
  inbox: SqliteInbox<DatabaseSyncInstance>;
  errors: Error[];
  effects: () => string[];
  /** Subscribes and processes. */
  start: (options?: StartOptions) => Promise<Started>;
}

interface StartOptions extends Partial<ProcessOptions<DatabaseSyncInstance>> {
  handler?: Parameters<Subscription['process']>[0];
  subscribe?: SubscribeOptions;
}

interface Started {
  subscription: Subscription;
  /** How processing ended: undefined if it was stopped. */
  ended: Promise<Error | undefined>;
}

interface Options extends Omit<EventsClientOptions, 'clock'>, SqliteInboxOptions {
  db?: DatabaseSyncInstance;
  on?: World['server'];
  clock?: FakeClock;
}

/** A raw server with push, and a client whose store is an inbox. */
export async function processWorld(options: Options = {}): Promise<ProcessWorld> {
  const { db = openDatabase(), on, namespace, maxParked, ...rest } = options;
  const inbox = sqliteInbox(db, { namespace, maxParked });
  const errors: Error[] = [];
  const w = await world({ store: inbox, ...rest, ...(on && { server: on }) });
  const start: ProcessWorld['start'] = async ({ handler = note as never, subscribe, ...process } = {}) => {
    const onError = (error: Error): void => void errors.push(error);
    const subscription = await w.events.subscribe('incident.opened', {}, { onError, ...subscribe });
    const ended = subscription.process(handler as never, { inbox, ...process }).then(
      () => undefined,
      (error: Error) => error,
    );
    await settle();
    return { subscription, ended };
  };
  return { ...w, db, inbox, errors, effects: () => effects(db), start };
}

/** Lets the stream begin at `c<from>`, and sends the next `count` events. */
export async function push({ server }: World, from: number, count: number): Promise<void> {
  server.stream().active(`c${from}`);
  await pushMore({ server }, from, count);
}

export async function pushMore({ server }: Pick<World, 'server'>, from: number, count: number): Promise<void> {
  for (let n = from + 1; n <= from + count; n += 1) server.stream().event(`e${n}`, `c${n}`);
  await settle();
  await settle();
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { memoryStorage } from '@mcp-events/server';
import type { EventLog, EventsOptions, FeedEvent, Outbox, OutboxDatabase, Storage } from '@mcp-events/server';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { FakeClock, settle } from './kit/fakeClock.ts';
import type { TestServer } from './kit/httpServer.ts';
import { counted, httpServer, numbersOf } from './kit/servers.ts';
import { durableStorage, keptStorage, TestSubscriptionStore } from './kit/storage.ts';

/** Calls that only end with the test; before servers are closed, which would wait for them. */
const hanging: (() => void)[] = [];
afterEach(() => {
  for (const end of hanging.splice(0)) end();
});

type Database = InstanceType<typeof DatabaseSync>;

/** A database with a table of the author's. */
function authorsDatabase(file = ':memory:'): Database {
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE IF NOT EXISTS orders (n INTEGER)');
  return db;
}

/** The database as an outbox has it, which somebody else writes to while it is locked. */
function lockable(db: Database): { handle: OutboxDatabase; lock: (isLocked: boolean) => void } {
  let locked = false;
  const handle: OutboxDatabase = {
    exec: (sql) => {
      if (locked && sql === 'BEGIN IMMEDIATE') throw new Error('database is locked');
      return db.exec(sql);
    },
    prepare: (sql) => db.prepare(sql),
    get isTransaction() {
      return db.isTransaction;
    },
  };
  return { handle, lock: (isLocked) => (locked = isLocked) };
}

function transaction(db: Database, change: () => void): void {
  db.exec('BEGIN');
  change();
  db.exec('COMMIT');
}

/** Storage that says it is durable, and outlives the servers of a test. */
function lastingStorage(clock: FakeClock): Storage {
  return durableStorage(new TestSubscriptionStore(), keptStorage(clock));
}

/** Storage whose logs do what the test says with an append. */
function storageWith(storage: Storage, append: (log: EventLog, ...args: Parameters<EventLog['append']>) => unknown) {
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = storage.openLog(name, retention);
    const original = Object.assign(Object.create(log) as EventLog, { append: log.append.bind(log) });
    const changed = { append: (...args: Parameters<EventLog['append']>) => append(original, ...args) };
    return new Proxy(log, {
      get: (target, member) => {
        if (member === 'append') return changed.append;
        const value: unknown = Reflect.get(target, member, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  };
  return Object.assign(Object.create(storage) as Storage, { openLog });
}

/** A server with the type `counted`, and what it kept of it from the start. */
async function server(options: EventsOptions = {}): Promise<{ server: TestServer; logged: () => Promise<unknown[]> }> {
  const made = httpServer(options);
  made.events.define('counted', counted);
  const { cursor } = await made.poll('counted', null);
  return { server: made, logged: async () => numbersOf((await made.poll('counted', cursor)).events) };
}

describe('moving', () => {
  it('what a transaction adds reaches the log after its commit, without another call', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const outbox = made.events.outbox(db);
    transaction(db, () => {
      db.exec('INSERT INTO orders VALUES (1)');
      outbox.add('counted', { n: 1 });
      outbox.add('counted', { n: 2 });
    });
    expect(await logged()).toEqual([]);
    await settle();
    expect(await logged()).toEqual([1, 2]);
    expect(outbox.waiting).toBe(0);
  });

  it('what a transaction takes back never happened', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const outbox = made.events.outbox(db);
    db.exec('BEGIN');
    outbox.add('counted', { n: 1 });
    db.exec('ROLLBACK');
    outbox.add('counted', { n: 2 });
    await outbox.flush();
    expect(await logged()).toEqual([2]);
  });

  it('a transaction that stays open over many turns is waited for, also when it is taken back', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const outbox = made.events.outbox(db);
    db.exec('BEGIN');
    outbox.add('counted', { n: 1 });
    await made.clock.advance(10_000);
    expect(await logged()).toEqual([]);
    db.exec('ROLLBACK');
    db.exec('BEGIN');
    outbox.add('counted', { n: 2 });
    await settle();
    expect(await logged()).toEqual([]);
    db.exec('COMMIT');
    await made.clock.advance(1_000);
    expect(await logged()).toEqual([2]);
  });

  it('waits between looks at an open transaction, and longer each time', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    let looks = 0;
    const watched: OutboxDatabase = {
      exec: (sql) => db.exec(sql),
      prepare: (sql) => db.prepare(sql),
      get isTransaction() {
        looks++;
        return db.isTransaction;
      },
    };
    const outbox = made.events.outbox(watched);
    db.exec('BEGIN');
    outbox.add('counted', { n: 1 });
    looks = 0;
    await made.clock.advance(60_000);
    expect(looks).toBeLessThan(80);
    db.exec('COMMIT');
  });

  it('rows that another process adds are found without being told', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    made.events.outbox(db);
    await settle();
    db.exec(
      `INSERT INTO mcp_events_outbox (name, event_id, timestamp, data)
       VALUES ('counted', 'order-1', '2026-01-01T00:00:00Z', '{"n":1}')`,
    );
    await settle();
    expect(await logged()).toEqual([]);
    await made.clock.advance(1_000);
    expect(await logged()).toEqual([1]);
  });

  it('EMIT-07 OCC-03 OCC-09 keeps what an emit can say of an event', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    const outbox = made.events.outbox(db);
    const { cursor } = await made.poll('counted', null);
    const options = { eventId: 'order-1', timestamp: '2025-12-24T18:00:00Z', _meta: { 'example.com/a': 1 } };
    expect(outbox.add('counted', { n: 1 }, options)).toEqual({ eventId: 'order-1' });
    outbox.add('counted', { n: 2 }, { target: 'nobody' });
    await outbox.flush();
    const { events } = await made.poll('counted', cursor);
    expect(events).toEqual([{ ...options, name: 'counted', data: { n: 1 } }]);
  });

  it('ORDER-01 keeps the order of commits over many batches', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    const { cursor } = await made.poll('counted', null);
    const outbox = made.events.outbox(db);
    const numbers = Array.from({ length: 250 }, (_, n) => n);
    transaction(db, () => numbers.forEach((n) => outbox.add('counted', { n })));
    await outbox.flush();
    const { events } = await made.poll('counted', cursor, { maxEvents: 1_000 });
    expect(numbersOf(events)).toEqual(numbers);
  });
});

describe('crashes', () => {
  it('a crash after the append and before the row is deleted repeats nothing', async () => {
    const clock = new FakeClock();
    const lasting = lastingStorage(clock);
    const appended: unknown[] = [];
    const storage = storageWith(lasting, async (log, ...args) => {
      const stored = await log.append(...args);
      if (stored === args[0]) appended.push(stored.data['n']);
      return stored;
    });
    const db = authorsDatabase();
    const first = await server({ clock, storage });
    let broken = false;
    const handle: OutboxDatabase = {
      exec: (sql) => {
        if (broken) throw new Error('the process is gone');
        return db.exec(sql);
      },
      prepare: (sql) => db.prepare(sql),
      get isTransaction() {
        return db.isTransaction;
      },
    };
    const outbox = first.server.events.outbox(handle);
    broken = true;
    outbox.add('counted', { n: 1 });
    outbox.add('counted', { n: 2 });
    await settle();
    expect(appended).toEqual([1, 2]);
    expect(db.prepare('SELECT count(*) AS count FROM mcp_events_outbox').get()).toEqual({ count: 2 });
    await first.server.close();

    // What was appended is not retained any more: that it was is known from the note alone.
    await clock.advance(3_600_000);
    const second = httpServer({ clock, storage });
    second.events.define('counted', counted);
    const again = second.events.outbox(db);
    again.add('counted', { n: 3 });
    await again.flush();
    expect(appended).toEqual([1, 2, 3]);
    expect(again.waiting).toBe(0);
  });

  /** A process that dies while it stores the event of this number: everything of it is gone but database and storage. */
  async function diesWhileStoring(
    n: number,
    db: Database,
    add: (outbox: Outbox) => void,
  ): Promise<{ refused: unknown[]; logged: unknown[] }> {
    const clock = new FakeClock();
    const lasting = lastingStorage(clock);
    let dies = false;
    const storage = storageWith(lasting, async (log, ...args) => {
      const stored = await log.append(...args);
      if (args[0].data['n'] !== n) return stored;
      dies = true;
      return new Promise<FeedEvent>((resolve) => hanging.push(() => resolve(stored)));
    });
    const first = await server({ clock, storage });
    const { cursor } = await first.server.poll('counted', null);
    const alive: OutboxDatabase = {
      exec: (sql) => {
        if (dies) throw new Error('the process is gone');
        return db.exec(sql);
      },
      prepare: (sql) => db.prepare(sql),
      get isTransaction() {
        return db.isTransaction;
      },
    };
    add(first.server.events.outbox(alive));
    await settle();
    expect(dies).toBe(true);
    const second = httpServer({ clock, storage: lasting });
    second.events.define('counted', counted);
    const outbox = second.events.outbox(db);
    await outbox.flush();
    const { events } = await second.poll('counted', cursor);
    return { refused: outbox.refused().map(({ dataJson }) => dataJson), logged: numbersOf(events) };
  }

  /** As another process would, which checks nothing. */
  const insert = (db: Database, data: string, eventId: string): unknown =>
    db
      .prepare(
        "INSERT INTO mcp_events_outbox (name, event_id, timestamp, data) VALUES ('counted', ?, '2026-01-01T00:00:00Z', ?)",
      )
      .run(eventId, data);

  it('EMIT-13 what is refused is kept aside before anything after it is in the log', async () => {
    const db = authorsDatabase();
    const found = await diesWhileStoring(3, db, (outbox) => {
      outbox.add('counted', { n: 0 });
      insert(db, '{"n":"bad"}', 'bad1');
      insert(db, '{"n":"bad too"}', 'bad2');
      outbox.add('counted', { n: 2 });
      insert(db, 'no JSON', 'bad3');
      outbox.add('counted', { n: 3 });
    });
    expect(found.refused).toEqual(['{"n":"bad"}', '{"n":"bad too"}', 'no JSON']);
    expect(found.logged).toEqual([0, 2, 3]);
  });

  it('EMIT-13 an event whose id another one has is kept aside, also after a crash in that moment', async () => {
    const db = authorsDatabase();
    const found = await diesWhileStoring(2, db, (outbox) => {
      outbox.add('counted', { n: 1 }, { eventId: 'one' });
      outbox.add('counted', { n: 2 }, { eventId: 'one' });
    });
    expect(found).toEqual({ refused: ['{"n":2}'], logged: [1] });
  });

  it.each(['private, and no JSON', 'null', '[1]', '["1","private"]'])(
    'a damaged note of what was moved, %j, is told before anything is moved again',
    async (damaged) => {
      const clock = new FakeClock();
      const storage = lastingStorage(clock);
      const db = authorsDatabase();
      const first = await server({ clock, storage });
      const outbox = first.server.events.outbox(db);
      outbox.add('counted', { n: 1 });
      await outbox.flush();
      await first.server.close();
      const { outbox_id: id } = db.prepare('SELECT outbox_id FROM mcp_events_outbox_state').get() as {
        outbox_id: string;
      };
      await storage.notes.set({ key: `outbox:${id}`, value: damaged });
      const second = await server({ clock, storage });
      const open = (): unknown => second.server.events.outbox(db);
      expect(open).toThrow(`notes.delete("outbox:${id}")`);
      expect(open).not.toThrow(/private/);
      expect(await second.logged()).toEqual([]);
    },
  );

  it('what the log could not store is tried again, in order, and told once', async () => {
    const clock = new FakeClock();
    let full = true;
    const storage = storageWith(memoryStorage({ clock }), (log, ...args) =>
      full ? Promise.reject(new Error('the disk is full')) : log.append(...args),
    );
    const db = authorsDatabase();
    const { server: made, logged } = await server({ clock, storage });
    const outbox = made.events.outbox(db);
    outbox.add('counted', { n: 1 });
    outbox.add('counted', { n: 2 });
    await expect(outbox.flush()).rejects.toThrow('the disk is full');
    await clock.advance(10_000);
    expect(made.errors.map(({ error, stage }) => [stage, String(error)])).toEqual([
      ['outbox', 'Error: the disk is full'],
    ]);
    full = false;
    await clock.advance(1_000);
    expect(await logged()).toEqual([1, 2]);
  });

  it('rows that were added after the database was set back to an older copy are not taken for moved ones', async () => {
    const clock = new FakeClock();
    const storage = lastingStorage(clock);
    const db = authorsDatabase();
    const first = await server({ clock, storage });
    const outbox = first.server.events.outbox(db);
    outbox.add('counted', { n: 1 });
    await outbox.flush();
    const directory = mkdtempSync(join(tmpdir(), 'outbox-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const copy = join(directory, 'copy.db');
    db.exec(`VACUUM INTO '${copy}'`);
    for (const n of [2, 3, 4]) outbox.add('counted', { n });
    await outbox.flush();
    await first.server.close();

    const old = authorsDatabase(copy);
    onTestFinished(() => old.close());
    const second = httpServer({ clock, storage });
    second.events.define('counted', counted);
    const { cursor } = await second.poll('counted', null);
    const restored = second.events.outbox(old);
    restored.add('counted', { n: 5 });
    await restored.flush();
    expect(numbersOf((await second.poll('counted', cursor)).events)).toEqual([5]);
  });

  it('close lets the row on its way be stored, and leaves the rest for the next run', async () => {
    const clock = new FakeClock();
    const kept = lastingStorage(clock);
    let release = (): void => {};
    const storage = storageWith(kept, async (log, ...args) => {
      await new Promise<void>((resolve) => (release = resolve));
      return log.append(...args);
    });
    const db = authorsDatabase();
    const first = await server({ clock, storage });
    const outbox = first.server.events.outbox(db);
    outbox.add('counted', { n: 1 });
    outbox.add('counted', { n: 2 });
    await settle();
    const closed = first.server.events.close();
    release();
    await closed;
    expect(outbox.waiting).toBe(1);
    const second = httpServer({ clock, storage: kept });
    second.events.define('counted', counted);
    const { cursor } = await second.poll('counted', null);
    await second.events.outbox(db).flush();
    expect(numbersOf((await second.poll('counted', cursor)).events)).toEqual([2]);
    await expect(outbox.flush()).rejects.toThrow('closed');
  });
});

describe('events that cannot be emitted', () => {
  it('OCC-04 are refused within the transaction', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    made.events.define('live', { ...counted, replay: false });
    made.events.define('checked', { ...counted, check: () => ({ events: [], cursor: '0' }) });
    const outbox = made.events.outbox(db);
    expect(() => outbox.add('counted', { n: 'one' })).toThrow('violates its payload schema');
    expect(() => outbox.add('other', { n: 1 })).toThrow('no event type "other"');
    expect(() => outbox.add('live', { n: 1 })).toThrow('keeps no log');
    expect(() => outbox.add('checked', { n: 1 })).toThrow('has a check');
    expect(outbox.waiting).toBe(0);
  });

  it('are kept aside when the schema has changed meanwhile, hold up nothing, and can be tried again', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const type = made.events.define('changing', { payload: { type: 'object' } });
    const outbox = made.events.outbox(db);
    outbox.add('changing', { n: 'one' }, { eventId: 'order-1' });
    outbox.add('counted', { n: 2 });
    type.update(counted);
    await outbox.flush();
    expect(await logged()).toEqual([2]);
    expect(outbox.refused()).toEqual([
      expect.objectContaining({ name: 'changing', eventId: 'order-1', dataJson: '{"n":"one"}' }),
    ]);
    expect(made.errors.map(({ stage }) => stage)).toEqual(['outbox']);
    type.update({ payload: { type: 'object' } });
    const { cursor } = await made.poll('changing', null);
    expect(outbox.retryRefused()).toBe(1);
    await outbox.flush();
    expect(outbox.refused()).toEqual([]);
    expect(numbersOf((await made.poll('changing', cursor)).events)).toEqual(['one']);
  });

  it('wait a while for their type, in order, and go as soon as it is defined', async () => {
    const clock = new FakeClock();
    const storage = lastingStorage(clock);
    const db = authorsDatabase();
    const first = await server({ clock, storage: storageWith(storage, () => Promise.reject(new Error('busy'))) });
    first.server.events.outbox(db).add('counted', { n: 1 });
    await settle();
    await first.server.close();
    const second = httpServer({ clock, storage });
    const outbox = second.events.outbox(db);
    await clock.advance(30_000);
    expect(outbox.waiting).toBe(1);
    second.events.define('counted', counted);
    const { cursor } = await second.poll('counted', null);
    await outbox.flush();
    expect(numbersOf((await second.poll('counted', cursor)).events)).toEqual([1]);
  });

  it('are kept aside when nobody defines their type', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const gone = made.events.define('gone', counted);
    const outbox = made.events.outbox(db);
    outbox.add('gone', { n: 1 });
    outbox.add('counted', { n: 2 });
    gone.remove();
    await made.clock.advance(59_000);
    expect(await logged()).toEqual([]);
    await made.clock.advance(2_000);
    expect(await logged()).toEqual([2]);
    expect(outbox.refused().map(({ reason }) => reason)).toEqual(['there is no event type "gone"']);
  });

  it('are kept aside after one minute, however many of them wait for their types', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const outbox = made.events.outbox(db);
    const insert = db.prepare(
      `INSERT INTO mcp_events_outbox (name, event_id, timestamp, data) VALUES (?, ?, '2026-01-01T00:00:00Z', '{"n":1}')`,
    );
    for (let n = 0; n < 10; n++) insert.run(n % 2 === 0 ? 'gone' : 'away', `order-${n}`);
    outbox.add('counted', { n: 2 });
    await made.clock.advance(62_000);
    expect(outbox.refused()).toHaveLength(10);
    expect(await logged()).toEqual([2]);
    // Their types are known to be gone.
    insert.run('gone', 'order-10');
    outbox.add('counted', { n: 3 });
    await made.clock.advance(2_000);
    expect(outbox.refused()).toHaveLength(11);
    expect(await logged()).toEqual([2, 3]);
  });

  it('EMIT-13 wait their minute for their type where the clock is set forward', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const late = made.events.define('late', counted);
    const outbox = made.events.outbox(db);
    outbox.add('late', { n: 1 });
    outbox.add('counted', { n: 2 });
    late.remove();
    await made.clock.advance(2_000);
    made.clock.jump(3_600_000);
    await made.clock.advance(2_000);
    expect(outbox.refused()).toEqual([]);
    made.events.define('late', counted);
    await made.clock.advance(2_000);
    expect(outbox.refused()).toEqual([]);
    expect(await logged()).toEqual([2]);
  });

  it('are kept aside after one minute, whatever the clock is set back to meanwhile', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const gone = made.events.define('gone', counted);
    const outbox = made.events.outbox(db);
    outbox.add('gone', { n: 1 });
    gone.remove();
    await made.clock.advance(30_000);
    made.clock.jump(-3_600_000);
    outbox.add('counted', { n: 2 });
    await made.clock.advance(62_000);
    expect(await logged()).toEqual([2]);
    expect(outbox.refused()).toHaveLength(1);
  });

  it('are kept aside when another process wrote them by hand and wrong, and what is told has nothing of them', async () => {
    const db = authorsDatabase();
    const told: unknown[] = [];
    const { server: made, logged } = await server({ onError: (error) => told.push(String(error)) });
    const outbox = made.events.outbox(db);
    const insert = db.prepare(
      'INSERT INTO mcp_events_outbox (name, event_id, timestamp, data, meta, target) VALUES (?, ?, ?, ?, ?, ?)',
    );
    const time = '2026-01-01T00:00:00Z';
    const bytes = new Uint8Array([1]);
    insert.run('counted', 'order-1', time, 'private, and no JSON', null, null);
    insert.run('counted', 'order-2', time, '{"n":1}', 'private', null);
    insert.run('counted', bytes, time, '{"n":1}', null, null);
    insert.run('counted', 'order-3', bytes, '{"n":1}', null, null);
    insert.run('counted', 'order-4', time, '{"n":1}', null, bytes);
    insert.run('counted', 'order-5', time, bytes, null, null);
    outbox.add('counted', { n: 2 });
    await outbox.flush();
    expect(await logged()).toEqual([2]);
    expect(outbox.refused()).toHaveLength(6);
    expect(told).toHaveLength(6);
    expect(JSON.stringify([told, outbox.refused().map(({ reason }) => reason)])).not.toContain('private');
  });

  it('EMIT-13 are kept aside although the database was busy when they were to be', async () => {
    const db = authorsDatabase();
    const { handle, lock } = lockable(db);
    const { server: made, logged } = await server({ onError: () => {} });
    const outbox = made.events.outbox(handle);
    lock(true);
    db.exec(`INSERT INTO mcp_events_outbox (name, event_id, timestamp, data)
             VALUES ('counted', 'order-1', '2026-01-01T00:00:00Z', 'no JSON')`);
    outbox.add('counted', { n: 2 });
    await expect(outbox.flush()).rejects.toThrow('locked');
    lock(false);
    await outbox.flush();
    expect(await logged()).toEqual([2]);
    expect(outbox.refused().map(({ eventId }) => eventId)).toEqual(['order-1']);
    expect(outbox.waiting).toBe(0);
  });

  it('EMIT-13 are removed although the database was busy after they were moved, and that is told each time it begins', async () => {
    const db = authorsDatabase();
    const { handle, lock } = lockable(db);
    const told: string[] = [];
    const { server: made, logged } = await server({ onError: (error) => told.push(String(error)) });
    const outbox = made.events.outbox(handle);
    for (const n of [1, 2]) {
      lock(true);
      outbox.add('counted', { n });
      await made.clock.advance(5_000);
      expect(outbox.waiting).toBe(1);
      lock(false);
      await made.clock.advance(2_000);
      expect(outbox.waiting).toBe(0);
    }
    expect(await logged()).toEqual([1, 2]);
    expect(told).toEqual(['Error: database is locked', 'Error: database is locked']);
  });

  it('EMIT-13 wait a minute for their type each time that it is not offered', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    const outbox = made.events.outbox(db);
    const insert = db.prepare(
      `INSERT INTO mcp_events_outbox (name, event_id, timestamp, data) VALUES ('late', ?, '2026-01-01T00:00:00Z', '{"n":1}')`,
    );
    insert.run('order-1');
    await made.clock.advance(40_000);
    const late = made.events.define('late', counted);
    await outbox.flush();
    expect(outbox.waiting).toBe(0);
    late.remove();
    insert.run('order-2');
    await made.clock.advance(50_000);
    expect([outbox.waiting, outbox.refused().length]).toEqual([1, 0]);
    await made.clock.advance(12_000);
    expect([outbox.waiting, outbox.refused().length]).toEqual([0, 1]);
  });

  it('are kept in bounded number', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    const outbox = made.events.outbox(db);
    const insert = db.prepare(
      `INSERT INTO mcp_events_outbox (name, event_id, timestamp, data) VALUES ('counted', ?, '2026-01-01T00:00:00Z', ?)`,
    );
    transaction(db, () => {
      for (let n = 0; n < 1_100; n++) insert.run(`order-${n}`, n === 7 ? 'no JSON' : '{}');
    });
    await outbox.flush();
    expect(outbox.refused()).toHaveLength(1_000);
    expect(outbox.refused()[0]?.eventId).toBe('order-100');
    expect(outbox.waiting).toBe(0);
  });

  it('whose id another event has are kept aside', async () => {
    const db = authorsDatabase();
    const { server: made, logged } = await server();
    const outbox = made.events.outbox(db);
    outbox.add('counted', { n: 1 }, { eventId: 'order-1' });
    outbox.add('counted', { n: 2 }, { eventId: 'order-1' });
    outbox.add('counted', { n: 1 }, { eventId: 'order-1' });
    await outbox.flush();
    expect(await logged()).toEqual([1]);
    expect(outbox.refused().map(({ reason }) => reason)).toEqual([
      expect.stringContaining('was used for another event'),
    ]);
  });
});

describe('opening', () => {
  it('needs a handle that says whether a transaction is open, and that none is', async () => {
    const db = authorsDatabase();
    const { server: made } = await server();
    const { events } = made;
    const mute: OutboxDatabase = { exec: (sql) => db.exec(sql), prepare: (sql) => db.prepare(sql) };
    expect(() => events.outbox(mute)).toThrow('neither isTransaction nor inTransaction');
    db.exec('BEGIN');
    expect(() => events.outbox(db)).toThrow('outside of a transaction');
    db.exec('COMMIT');
    const likeBetterSqlite: OutboxDatabase = Object.assign(mute, { inTransaction: false });
    const outbox = events.outbox(likeBetterSqlite);
    expect(events.outbox(likeBetterSqlite)).toBe(outbox);
    expect(() => events.outbox(db)).toThrow('by another handle');
  });

  it('says that storage in memory does not keep what was moved', async () => {
    const clock = new FakeClock();
    const forgetful = await server({ clock });
    forgetful.server.events.outbox(authorsDatabase());
    expect(forgetful.server.warnings).toEqual([expect.stringContaining('does not survive the process')]);
    const lasting = await server({ clock, storage: lastingStorage(clock) });
    lasting.server.events.outbox(authorsDatabase());
    expect(lasting.server.warnings).toEqual([]);
  });
});

describe('whose outbox it is', () => {
  it('EMIT-14 a server with another storage is refused, and says what to do', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcp-events-outbox-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'app.db');
    const clock = new FakeClock();
    const storage = lastingStorage(clock);
    const first = await server({ clock, storage });
    const outbox = first.server.events.outbox(authorsDatabase(file));
    await outbox.flush();
    for (const other of [lastingStorage(clock), memoryStorage({ clock })]) {
      const second = await server({ clock, storage: other });
      expect(() => second.server.events.outbox(authorsDatabase(file))).toThrow(
        /belongs to the storage of another server.*database of its own.*takeOver: true/,
      );
    }
    for (let n = 1; n <= 3; n++) outbox.add('counted', { n });
    await outbox.flush();
    expect(await first.logged()).toEqual([1, 2, 3]);
    // A restart on the same storage is no other server.
    await first.server.close();
    const again = await server({ clock, storage });
    const reopened = again.server.events.outbox(authorsDatabase(file));
    reopened.add('counted', { n: 4 });
    await reopened.flush();
    expect(await again.logged()).toEqual([4]);
  });

  it('EMIT-14 of two that begin at the same moment one gets it, and the other moves nothing and says so', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcp-events-outbox-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'app.db');
    const clock = new FakeClock();
    const servers = await Promise.all(
      [1, 2].map(async () => {
        const errors: unknown[] = [];
        const made = await server({ clock, storage: lastingStorage(clock), onError: (error) => errors.push(error) });
        return { ...made, errors, outbox: made.server.events.outbox(authorsDatabase(file)) };
      }),
    );
    for (let n = 1; n <= 50; n++) servers[n % 2]?.outbox.add('counted', { n });
    await clock.advance(5_000);
    const logged = await Promise.all(servers.map(async ({ logged }) => logged()));
    expect(logged.map((numbers) => numbers.length).toSorted((a, b) => a - b)).toEqual([0, 50]);
    const loser = servers[logged.findIndex(({ length }) => length === 0)];
    expect(loser?.errors).toEqual([
      expect.objectContaining({ name: 'OutboxShared', message: expect.stringContaining('another server') }),
    ]);
  });

  it('EMIT-14 two with storage in memory find out, and stop moving', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mcp-events-outbox-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'app.db');
    const clock = new FakeClock();
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const [one, other] = await Promise.all([1, 2].map(async () => server({ clock, onError, onWarning: () => {} })));
    const first = one?.server.events.outbox(authorsDatabase(file));
    const second = other?.server.events.outbox(authorsDatabase(file));
    for (let n = 1; n <= 5; n++) {
      first?.add('counted', { n });
      second?.add('counted', { n: n + 100 });
      await clock.advance(2_000);
    }
    expect(errors).toContainEqual(expect.objectContaining({ name: 'OutboxShared' }));
  });

  it('EMIT-14 a storage that is gone is given up by hand', async () => {
    const clock = new FakeClock();
    const db = authorsDatabase();
    const first = await server({ clock, storage: lastingStorage(clock) });
    const before = first.server.events.outbox(db);
    before.add('counted', { n: 1 });
    await before.flush();
    await first.server.close();
    const storage = lastingStorage(clock);
    const second = await server({ clock, storage });
    const outbox = second.server.events.outbox(db, { takeOver: true });
    outbox.add('counted', { n: 2 });
    await outbox.flush();
    expect(await second.logged()).toEqual([2]);
    await second.server.close();
    const third = await server({ clock, storage });
    expect(third.server.events.outbox(db).waiting).toBe(0);
  });
});

it('EMIT-15 takes the handle of an event type, and holds the payload to its type', async () => {
  const db = authorsDatabase();
  const made = httpServer();
  const opened = made.events.define('opened', {
    payload: z.object({ id: z.string() }),
    input: z.object({ area: z.string().optional() }),
  });
  const { cursor } = await made.poll('opened', null);
  const outbox = made.events.outbox(db);
  outbox.add(opened, { id: 'a' });
  // @ts-expect-error It is no payload of this type.
  expect(() => outbox.add(opened, { id: 1 })).toThrow('violates its payload schema');
  await outbox.flush();
  expect(await made.poll('opened', cursor)).toMatchObject({ events: [{ data: { id: 'a' } }] });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReceivedEvent, SubscriptionRecord } from '../src/index.ts';
import { isDatabaseFailure } from '../src/inbox/sqliteDatabase.ts';
import { type SqliteDatabase, sqliteInbox, type SqliteStatement } from '../src/sqlite.ts';
import { addEffect, effects, openDatabase } from './support/processWorld.ts';

const record = (cursor: string | null): SubscriptionRecord => ({ name: 'n', arguments: {}, cursor, seen: [] });

describe('sqliteInbox', () => {
  it('CLIENT-01 is a store: keeps, lists and forgets records', async () => {
    const db = openDatabase();
    const inbox = sqliteInbox(db);
    expect(await inbox.load('a')).toBeUndefined();
    await inbox.save('b', { ...record('c1'), seen: ['e1'], webhook: { path: 'p', seen: ['e0'] } });
    await inbox.save('a', record(null));
    await inbox.save('a', record('c2'));
    const next = sqliteInbox(db);
    expect(await next.list()).toEqual([
      record('c2'),
      { ...record('c1'), seen: ['e1'], webhook: { path: 'p', seen: ['e0'] } },
    ]);
    expect(await next.load('a')).toEqual(record('c2'));
    await next.delete('a');
    await next.delete('unknown');
    expect(await next.load('a')).toBeUndefined();
  });

  it('gives up what another one loaded', async () => {
    const db = openDatabase();
    const first = sqliteInbox(db);
    const second = sqliteInbox(db);
    await first.save('a', record('c1'));
    const taken = { code: 'TAKEN_OVER' };
    await expect(second.save('a', record('c2'))).rejects.toMatchObject(taken);
    await second.load('a');
    await expect(first.save('a', record('c2'))).rejects.toMatchObject(taken);
    await expect(first.countAttempt('a', 'e1', 1)).rejects.toMatchObject(taken);
    const write = (): void => addEffect(db, 'late');
    await expect(first.commit({ key: 'a', record: record('c2') }, write)).rejects.toMatchObject(taken);
    await expect(first.commit({ key: 'a' }, write)).rejects.toMatchObject(taken);
    await expect(first.delete('a')).rejects.toMatchObject(taken);
    expect(await second.load('a')).toEqual(record('c1'));
    expect(effects(db)).toEqual([]);
  });

  it('CLIENT-21 AUTH-07 does not bring back what another one loaded and cancelled', async () => {
    const db = openDatabase();
    const first = sqliteInbox(db);
    await first.load('a');
    await first.save('a', record('c1'));
    const second = sqliteInbox(db);
    await second.load('a');
    await second.delete('a');
    await expect(first.save('a', record('c2'))).rejects.toMatchObject({ code: 'TAKEN_OVER' });
    expect(await second.list()).toEqual([]);
    // Whoever begins anew may.
    await first.load('a');
    await first.save('a', record('c3'));
    await first.delete('a');
    await first.save('a', record('c4'));
    expect(await second.list()).toEqual([record('c4')]);
  });

  it('undoes everything when the application throws, and passes on what it threw', async () => {
    const db = openDatabase();
    const inbox = sqliteInbox(db);
    await inbox.save('a', record('c1'));
    await inbox.countAttempt('a', 'e1', 1);
    const thrown = new Error('mine');
    const step = inbox.commit({ key: 'a', record: record('c2'), eventId: 'e1' }, () => {
      addEffect(db, 'e1');
      throw thrown;
    });
    await expect(step).rejects.toBe(thrown);
    expect(effects(db)).toEqual([]);
    expect(await inbox.load('a')).toEqual(record('c1'));
    expect(await inbox.countAttempt('a', 'e1', 1)).toBe(2);
  });

  it('counts attempts until the event is done with, and keeps a thousand of events that never came again', async () => {
    const db = openDatabase();
    const inbox = sqliteInbox(db);
    await inbox.save('a', record('c1'));
    expect(await inbox.countAttempt('a', 'e1', 1)).toBe(1);
    expect(await inbox.countAttempt('a', 'e1', 1)).toBe(2);
    expect(await inbox.countAttempt('a', 'e1', -1)).toBe(1);
    await inbox.commit({ key: 'a', eventId: 'e1' });
    expect(await inbox.countAttempt('a', 'e1', 1)).toBe(1);
    for (let n = 2; n <= 1_003; n += 1) await inbox.countAttempt('a', `e${n}`, 1);
    await inbox.load('a');
    expect(db.prepare('SELECT count(*) AS n FROM mcp_inbox_attempts').get()).toEqual({ n: 1_000 });
    expect(await inbox.countAttempt('a', 'e3', 1)).toBe(1);
    expect(await inbox.countAttempt('a', 'e1003', 1)).toBe(2);
  });

  it('ORDER-04 keeps ids of a record that another one had and changed meanwhile', async () => {
    const db = openDatabase();
    const first = sqliteInbox(db);
    await first.save('a', { ...record('c1'), seen: ['e1', 'e2'] });
    const second = sqliteInbox(db);
    await second.load('a');
    await second.save('a', { ...record('c1'), seen: ['e2'] });
    expect((await first.load('a'))?.seen).toEqual(['e2']);
    await first.save('a', { ...record('c1'), seen: ['e2', 'e3'] });
    expect((await sqliteInbox(db).load('a'))?.seen).toEqual(['e2', 'e3']);
  });

  it('ORDER-04 keeps ids apart that a column of text would not give back', async () => {
    const db = openDatabase();
    const inbox = sqliteInbox(db);
    const ids = ['a\ud800', 'a\udfff', 'a\ufffd', 'a', 'a\0b', 'a\0c', '"a"', '""'];
    await inbox.save('a', { ...record('c1'), seen: ids });
    expect((await sqliteInbox(db).load('a'))?.seen).toEqual(ids);
    const reloaded = sqliteInbox(db);
    await reloaded.load('a');
    for (const [n, eventId] of ids.entries()) {
      expect(await reloaded.countAttempt('a', eventId, 1)).toBe(1);
      const event = { eventId, name: 'n' } as ReceivedEvent;
      const park = { event, reason: 'r', attempts: 1, parkedAtMs: 0 };
      await reloaded.commit({ key: 'a', eventId, park });
      expect(await reloaded.parked()).toHaveLength(n + 1);
    }
    expect(db.prepare('SELECT * FROM mcp_inbox_attempts').all()).toEqual([]);
    expect((await reloaded.parked()).map(({ event }) => event.eventId)).toEqual(ids);
  });

  it('takes connections that give whole numbers as bigint', async () => {
    const db = new DatabaseSync(':memory:', { readBigInts: true });
    const inbox = sqliteInbox(db, { maxParked: 1 });
    sqliteInbox(db);
    expect(db.prepare('SELECT * FROM mcp_inbox_schema').all()).toEqual([{ version: 1n }]);
    await inbox.save('a', record('c1'));
    expect(await inbox.countAttempt('a', 'e1', 1)).toBe(1);
    const park = { event: { eventId: 'e1', name: 'n' } as ReceivedEvent, reason: 'r', attempts: 1, parkedAtMs: 5 };
    expect(await inbox.commit({ key: 'a', eventId: 'e1', park, begin: 'e2' }, () => {})).toBe(1);
    expect(await inbox.parked()).toMatchObject([{ id: 1, attempts: 1, parkedAtMs: 5 }]);
    expect(await inbox.retry(1)).toBe(true);
    expect(await inbox.takeRetry('a')).toMatchObject({ id: 1, attempts: 2 });
    db.exec('UPDATE mcp_inbox_schema SET version = 2');
    expect(() => sqliteInbox(db)).toThrow(/has version 2/);
  });

  it('ORDER-04 keeps a list in which an id stands more than once', async () => {
    const inbox = sqliteInbox(openDatabase());
    const lists = [
      ['e0', 'e0', 'e2', 'e0'],
      ['e0', 'e2', 'e0', 'e0'],
      ['e2', 'e0', 'e0', 'e3', 'e0'],
      ['e0', 'e0'],
      ['e0'],
      [],
    ];
    for (const seen of lists) {
      await inbox.save('a', { ...record('c0'), seen });
      expect((await inbox.list())[0]!.seen).toEqual(seen);
    }
  });

  it('ORDER-04 keeps the ids of a record whatever becomes of them, and those of before when it is undone', async () => {
    const step = fc.record({
      list: fc.constantFrom('seen', 'posted'),
      does: fc.constantFrom('append', 'append', 'append', 'clear', 'replace', 'duplicate'),
      fails: fc.nat(4).map((n) => n === 0),
      reloads: fc.nat(9).map((n) => n === 0),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const db = openDatabase();
        let inbox = sqliteInbox(db);
        let stored: SubscriptionRecord = { ...record('c0'), webhook: { path: 'p', seen: [] } };
        await inbox.save('other', { ...record('c0'), seen: ['o1', 'o2'] });
        await inbox.save('a', stored);
        for (const [n, { list, does, fails, reloads }] of steps.entries()) {
          if (reloads) {
            inbox = sqliteInbox(db);
            stored = (await inbox.load('a'))!;
          }
          const before = list === 'seen' ? stored.seen : stored.webhook!.seen;
          const after = {
            append: [...before, `e${n}`].slice(-4),
            clear: [],
            replace: [`e${n}`, `f${n}`],
            duplicate: [...before, ...before.slice(0, 1)].slice(-4),
          }[does];
          const next =
            list === 'seen' ? { ...stored, seen: after } : { ...stored, webhook: { path: 'p', seen: after } };
          const apply = (): void => {
            if (fails) throw new Error('undone');
          };
          await inbox.commit({ key: 'a', record: next }, apply).catch(() => {});
          if (!fails) stored = next;
          expect((await inbox.list())[0]).toEqual(stored);
        }
        expect((await inbox.list())[1]).toMatchObject({ seen: ['o1', 'o2'] });
        await inbox.load('a');
        await inbox.delete('a');
        expect(db.prepare('SELECT count(*) AS n FROM mcp_inbox_seen').get()).toEqual({ n: 2 });
        db.close();
      }),
    );
  });

  it('an event costs a row for its id, however many are kept', async () => {
    const db = openDatabase();
    const inbox = sqliteInbox(db);
    const changes = (): number => db.prepare('SELECT total_changes() AS n').get()!['n'];
    const ids = Array.from({ length: 1_000 }, (_, n) => `e${n}`);
    await inbox.save('a', { ...record('c1'), seen: ids });
    const before = changes();
    await inbox.save('a', { ...record('c1'), seen: [...ids.slice(1), 'next'] });
    expect(changes() - before).toBe(3);
    expect(await inbox.load('a')).toMatchObject({ seen: [...ids.slice(1), 'next'] });
  });

  it('writes the ids of a record again that were undone', async () => {
    const inbox = sqliteInbox(openDatabase());
    await inbox.save('a', { ...record('c1'), seen: ['e1'] });
    const fail = (): void => {
      throw new Error('undone');
    };
    await expect(inbox.commit({ key: 'a', record: record('c2') }, fail)).rejects.toThrow('undone');
    await inbox.commit({ key: 'a', record: record('c2') });
    expect(await inbox.load('a')).toEqual(record('c2'));
  });

  it('says that the database is in use elsewhere, and that nothing was written', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-events-'));
    const db = openDatabase(join(folder, 'a.db'));
    const other = new DatabaseSync(join(folder, 'a.db'));
    const inbox = sqliteInbox(db);
    await inbox.save('a', record('c1'));
    other.exec('BEGIN IMMEDIATE');
    await expect(inbox.save('a', record('c2'))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      cause: { errcode: 5 },
    });
    other.exec('ROLLBACK');
    expect(await inbox.load('a')).toEqual(record('c1'));
    db.close();
    other.close();
    await rm(folder, { recursive: true });
  });

  it('leaves tables of a later version alone', () => {
    const db = openDatabase();
    sqliteInbox(db);
    sqliteInbox(db);
    expect(db.prepare('SELECT * FROM mcp_inbox_schema').all()).toEqual([{ version: 1 }]);
    db.exec('UPDATE mcp_inbox_schema SET version = 2');
    expect(() => sqliteInbox(db)).toThrow('has version 2');
  });

  it('uses statements as drivers demand that tell apart which of them return rows', async () => {
    const db = openDatabase();
    const strict: SqliteDatabase = {
      exec: (sql) => db.exec(sql),
      prepare: (sql): SqliteStatement => {
        const statement = db.prepare(sql);
        const returnsRows = statement.columns().length > 0;
        return {
          run: (...parameters) => {
            if (returnsRows) throw new TypeError('This statement returns data. Use get(), all(), or iterate() instead');
            return statement.run(...parameters);
          },
          get: (...parameters) => {
            if (!returnsRows) throw new TypeError('This statement does not return data. Use run() instead');
            return statement.get(...parameters);
          },
          all: (...parameters) => {
            if (!returnsRows) throw new TypeError('This statement does not return data. Use run() instead');
            return statement.all(...parameters);
          },
        };
      },
    };
    const inbox = sqliteInbox(strict);
    const event = { eventId: 'e1', name: 'n', timestamp: 't', data: {}, cursor: null, delivery: 'push' } as const;
    await inbox.load('a');
    await inbox.save('a', record('c1'));
    await inbox.countAttempt('a', 'e1', 1);
    const park = { event, reason: 'no', attempts: 1, parkedAtMs: 7 };
    await inbox.commit({ key: 'a', record: record('c2'), eventId: 'e1', park });
    const [parked] = await inbox.parked();
    expect(parked).toEqual({ id: 1, name: 'n', event, reason: 'no', attempts: 1, parkedAtMs: 7 });
    expect(await inbox.takeRetry('a')).toBeUndefined();
    await inbox.retry(1);
    expect(await inbox.takeRetry('a')).toEqual({ ...parked, attempts: 2 });
    expect(await inbox.takeRetry('a')).toBeUndefined();
    await inbox.commit({ key: 'a', unpark: 1 });
    expect(await inbox.drop(1)).toBe(false);
    expect(await inbox.list()).toEqual([record('c2')]);
    await inbox.delete('a');
  });
});

it.each([
  [{ errcode: 5 }, true],
  [{ errcode: 517 }, true],
  [{ errcode: 19 }, false],
  [{ code: 'SQLITE_BUSY' }, true],
  [{ code: 'SQLITE_IOERR_WRITE' }, true],
  [{ code: 'SQLITE_FULL' }, true],
  [{ code: 'SQLITE_CONSTRAINT_UNIQUE' }, false],
  [{ code: 'ERR_SQLITE_ERROR' }, false],
  [{}, false],
])('an error with %j is the failure of the database: %s', (properties, expected) => {
  expect(isDatabaseFailure(Object.assign(new Error('thrown'), properties))).toBe(expected);
  expect(isDatabaseFailure(properties)).toBe(false);
});

import { DatabaseSync } from '@photostructure/sqlite';
import * as fc from 'fast-check';
import { Events } from '@mcp-events/server';
import type { EventLog, OutboxDatabase, Storage } from '@mcp-events/server';
import { expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { counted } from './kit/servers.ts';
import { durableStorage, keptStorage, TestSubscriptionStore } from './kit/storage.ts';

type Database = InstanceType<typeof DatabaseSync>;

/** What happens, in order. */
type Step =
  | { readonly kind: 'commit' | 'rollback'; readonly count: number }
  /** Turns of the event loop pass. */
  | { readonly kind: 'run'; readonly turns: number }
  /** The log refuses so many appends from now on. */
  | { readonly kind: 'full'; readonly appends: number }
  /** The process dies when the outbox does its next so many things, and is started again. */
  | { readonly kind: 'crash'; readonly after: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('commit' as const, 'rollback' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('run' as const), turns: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant('full' as const), appends: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('crash' as const), after: fc.integer({ min: 0, max: 9 }) }),
);

const forever = new Promise<never>(() => {});

/** One run of a server over storage and a database that outlive it. Once it is dead nothing of it has any effect. */
class Run {
  readonly clock = new FakeClock();
  readonly events: Events;
  refusing = 0;
  /** Things it may still do. */
  left = Infinity;

  /** @param appended gets what enters the log */
  constructor(storage: Storage, db: Database, appended: unknown[]) {
    const openLog: Storage['openLog'] = (name, retention) => {
      const log = storage.openLog(name, retention);
      const append: EventLog['append'] = async (...args) => {
        if (!this.#does()) return forever;
        if (this.refusing-- > 0) throw new Error('the disk is full');
        const stored = await log.append(...args);
        if (stored === args[0]) appended.push(stored.data['n']);
        // It was stored, and nobody hears of it.
        return this.#does() ? stored : forever;
      };
      return Object.defineProperty(Object.create(log) as EventLog, 'append', { value: append });
    };
    const lasting = { ...storage, notes: storage.notes, openLog };
    this.events = new Events({ clock: this.clock, storage: bound(lasting), onError: () => {} });
    // Next to nothing is retained, so that ids do not collapse what is repeated.
    this.events.define('counted', { ...counted, retention: { maxCount: 1 } });
    const handle: OutboxDatabase = {
      exec: (sql) => {
        if (!this.#does()) throw new Error('dead');
        return db.exec(sql);
      },
      prepare: (sql) => db.prepare(sql),
      get isTransaction() {
        return db.isTransaction;
      },
    };
    this.outbox = this.events.outbox(handle);
  }

  readonly outbox: ReturnType<Events['outbox']>;

  #does(): boolean {
    return this.left-- > 0;
  }
}

/** Logs of another prototype still use their own private members. */
function bound(storage: Storage): Storage {
  const openLog: Storage['openLog'] = (name, retention) => {
    const log = storage.openLog(name, retention);
    const inner = Object.getPrototypeOf(log) as EventLog;
    return new Proxy(inner, {
      get: (target, member) => {
        if (member === 'append') return log.append;
        const value: unknown = Reflect.get(target, member, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  };
  return { ...storage, openLog };
}

it('ORDER-01 every committed event is in the log once, in the order of commits, whenever the process dies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const storage = durableStorage(new TestSubscriptionStore(), keptStorage(new FakeClock()));
      const db = new DatabaseSync(':memory:');
      const committed: number[] = [];
      const appended: unknown[] = [];
      let next = 1;
      let run = new Run(storage, db, appended);
      for (const action of steps) {
        switch (action.kind) {
          case 'commit':
          case 'rollback': {
            const numbers = Array.from({ length: action.count }, () => next++);
            db.exec('BEGIN');
            for (const n of numbers) run.outbox.add('counted', { n });
            db.exec(action.kind === 'commit' ? 'COMMIT' : 'ROLLBACK');
            if (action.kind === 'commit') committed.push(...numbers);
            break;
          }
          case 'run':
            await settle(action.turns);
            break;
          case 'full':
            run.refusing = action.appends;
            break;
          case 'crash':
            run.left = action.after;
            await run.clock.advance(3);
            run.left = 0;
            // A transaction dies with its process.
            if (db.isTransaction) db.exec('ROLLBACK');
            run = new Run(storage, db, appended);
        }
      }
      run.refusing = 0;
      await run.outbox.flush();
      expect(appended).toEqual(committed);
      run.left = 0;
    }),
    { numRuns: 60 },
  );
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventsClient, eventsClientCapabilities } from '@mcp-events/client';
import { WebhookReceiver } from '@mcp-events/client/receiver';
import { sqliteInbox } from '@mcp-events/client/sqlite';
import { Events } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import type { SqliteStorage } from '@mcp-events/sqlite';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { DatabaseSync } from '@photostructure/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { virtualSocket } from '../src/simulation/virtualSocket.ts';
import { ProcessClock, TimeOfDay, VirtualTime } from '../src/simulation/virtualTime.ts';

const counted = {
  payload: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
} as const;

type Mode = 'poll' | 'push' | 'webhook';

async function unavailable(): Promise<Response> {
  return new Response(null, { status: 503 });
}

/** One machine with a server whose storage is backed up and restored, and an agent whose own database never is. */
class World {
  readonly time = new VirtualTime(Date.parse('2026-01-01T00:00:00Z'));
  readonly folder: string = mkdtempSync(join(tmpdir(), 'mcp-events-restored-'));
  readonly #database: DatabaseSyncInstance;
  /** Bodies with this text are answered 503. */
  refused: string | undefined;
  #receiver: WebhookReceiver | undefined;
  #fetch: ((request: Request) => Promise<Response>) | undefined;

  constructor() {
    this.#database = new DatabaseSync(join(this.folder, 'agent.db'));
    this.#database.exec('CREATE TABLE handled (text TEXT)');
    onTestFinished(() => {
      this.#database.close();
      rmSync(this.folder, { recursive: true });
    });
  }

  /** What the agent stored, in the order in which it did. */
  get handled(): unknown[] {
    const rows = this.#database.prepare('SELECT text FROM handled ORDER BY rowid').all() as { text: string }[];
    return rows.map(({ text }) => text);
  }

  async startServer(file: string): Promise<{
    storage: SqliteStorage;
    emit: (...numbers: number[]) => Promise<void>;
    close: () => Promise<void>;
  }> {
    const clock = new ProcessClock(this.time, new TimeOfDay(this.time));
    const storage = await openSqliteStorage({ file: join(this.folder, file), clock });
    const connect = () => {
      // Until then nobody is there.
      const receiver = this.#receiver;
      return virtualSocket(
        ({ path, headers, body }, answer) => {
          const posted = new Request(`http://agent.test${path}`, { method: 'POST', headers, body });
          const isRefused = this.refused !== undefined && body.includes(this.refused);
          const taken = (isRefused ? undefined : receiver?.handle(posted)) ?? unavailable();
          void taken.then(async (response) => answer.respond(response.status, {}, await response.text()));
        },
        (callback) => clock.setImmediate(callback),
      );
    };
    const events = new Events({
      clock,
      storage,
      principal: () => 'agent',
      webhooks: {
        secretKeys: [Buffer.alloc(32, 7).toString('base64')],
        allowedOrigins: () => true,
        egress: { resolve: () => ['192.0.2.1'], connect },
      },
    });
    const handle = events.define('counted', counted);
    const handler = events.http(
      createMcpHandler(({ era }) => {
        const mcp = new McpServer({ name: 'restored', version: '1.0.0' });
        events.attach(mcp, { era });
        return mcp;
      }),
    );
    this.#fetch = (request) => handler.fetch(request);
    return {
      storage,
      emit: async (...numbers) => {
        for (const n of numbers) await handle.emit({ n }, { eventId: `e${n}` });
      },
      close: async () => {
        this.#fetch = undefined;
        await events.close();
        await handler.close();
        await storage.close();
      },
    };
  }

  async startAgent(mode: Mode): Promise<() => Promise<void>> {
    const clock = new ProcessClock(this.time, new TimeOfDay(this.time));
    const receiver = new WebhookReceiver({ clock });
    this.#receiver = receiver;
    const connectClient = async (): Promise<Client> => {
      const client = new Client(
        { name: 'agent', version: '1.0.0' },
        { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: eventsClientCapabilities },
      );
      const fetch = async (url: string | URL, init?: RequestInit): Promise<Response> => {
        if (this.#fetch === undefined) throw new TypeError('fetch failed');
        return this.#fetch(new Request(url, init));
      };
      await client.connect(new StreamableHTTPClientTransport(new URL('http://server.test/mcp'), { fetch }));
      return client;
    };
    const inbox = sqliteInbox(this.#database);
    const events = new EventsClient(connectClient, {
      clock,
      store: inbox,
      ...(mode === 'webhook' ? { webhook: { receiver, url: 'http://agent.test/hooks' } } : {}),
    });
    const store = (text: string): void => void this.#database.prepare('INSERT INTO handled VALUES (?)').run(text);
    const subscription = await events.subscribe<{ n: number }>('counted', {}, { delivery: mode });
    const processing = subscription.process(({ eventId }) => store(eventId), { inbox, onGap: () => store('gap') });
    processing.catch(() => {});
    return async () => {
      await events.close();
      this.#receiver = undefined;
    };
  }

  /** Lets time pass until it is so, and then some more, in which nothing else may happen. */
  async until(isSo: () => boolean): Promise<void> {
    for (let round = 0; round < 200 && !isSo(); round++) await this.time.advance(250);
    expect(isSo(), `handled: ${this.handled.join()}`).toBe(true);
    await this.time.advance(10_000);
  }
}

const MODES = ['poll', 'push', 'webhook'] as const;

it.each(MODES)('EMIT-20 G3 G4 %s goes on where the agent was when the backup was made', async (mode) => {
  const world = new World();
  const original = await world.startServer('a.db');
  await original.emit(1, 2, 3);
  const stop = await world.startAgent(mode);
  await original.emit(4, 5);
  await world.until(() => world.handled.length >= 2);
  await original.storage.backup(join(world.folder, 'b.db'));
  await stop();
  // Nobody got this one: it is lost with the original.
  await original.emit(6);
  await original.close();
  const restored = await world.startServer('b.db');
  await restored.emit(7);
  await world.startAgent(mode);
  await restored.emit(8);
  await world.until(() => world.handled.length >= 4);
  expect(world.handled).toEqual(['e4', 'e5', 'e7', 'e8']);
});

it.each(MODES)('EMIT-20 G3 G4 %s that was beyond the backup is told so, and goes on at its end', async (mode) => {
  const world = new World();
  const original = await world.startServer('a.db');
  await original.emit(1, 2, 3);
  const stop = await world.startAgent(mode);
  await original.emit(4, 5);
  await world.until(() => world.handled.length >= 2);
  await original.storage.backup(join(world.folder, 'b.db'));
  await original.emit(6, 7);
  await world.until(() => world.handled.length >= 4);
  await stop();
  await original.close();
  const restored = await world.startServer('b.db');
  await restored.emit(8);
  await world.startAgent(mode);
  await restored.emit(9);
  await world.until(() => world.handled.includes('e9'));
  expect(world.handled).toEqual(['e4', 'e5', 'e6', 'e7', 'gap', 'e8', 'e9']);
});

it.each(MODES)('EMIT-20 EMIT-21 G3 G4 %s goes on with an agent that runs on meanwhile', async (mode) => {
  const world = new World();
  const original = await world.startServer('a.db');
  await original.emit(1, 2, 3);
  await world.startAgent(mode);
  await original.emit(4, 5);
  await world.until(() => world.handled.length >= 2);
  await original.storage.backup(join(world.folder, 'b.db'));
  await original.emit(6, 7);
  await world.until(() => world.handled.length >= 4);
  await original.close();
  const restored = await world.startServer('b.db');
  await restored.emit(8, 9);
  await world.until(() => world.handled.includes('e9'));
  expect(world.handled).toEqual(['e4', 'e5', 'e6', 'e7', 'gap', 'e8', 'e9']);
});

it.each(MODES)('EMIT-20 G3 %s that began after the backup is given nothing from before its start', async (mode) => {
  const world = new World();
  const original = await world.startServer('a.db');
  await original.emit(1, 2, 3);
  await original.storage.backup(join(world.folder, 'b.db'));
  await original.emit(4);
  const stop = await world.startAgent(mode);
  await original.emit(5);
  await world.until(() => world.handled.length > 0);
  await stop();
  await original.close();
  const restored = await world.startServer('b.db');
  await restored.emit(8);
  await world.startAgent(mode);
  await restored.emit(9);
  await world.until(() => world.handled.includes('e9'));
  expect(world.handled).toEqual(['e5', 'gap', 'e8', 'e9']);
});

it('EMIT-20 G2 G4 a post that was under way at the backup is sent again, in order with what followed it', async () => {
  const world = new World();
  const original = await world.startServer('a.db');
  const stop = await world.startAgent('webhook');
  world.refused = '"e1"';
  await original.emit(1, 2, 3);
  await world.time.advance(5_000);
  await original.storage.backup(join(world.folder, 'b.db'));
  await original.close();
  await stop();
  world.refused = undefined;
  const restored = await world.startServer('b.db');
  await restored.emit(4);
  await world.startAgent('webhook');
  await world.until(() => world.handled.includes('e4'));
  expect(world.handled).toEqual(['e1', 'e2', 'e3', 'e4']);
});

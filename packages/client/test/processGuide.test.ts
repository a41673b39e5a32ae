import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Notifications } from '@mcp-events/protocol';
import { DatabaseSync } from '@photostructure/sqlite';
import { expect, it } from 'vitest';
import { HttpServer, until } from './support/httpServer.ts';
import { occurrence } from './support/rawServer.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

it('CLIENT-01 ORDER-04 the example of the guide does what it says, killed and started again', async () => {
  const guide = await readFile(join(root, 'docs/processing-events.md'), 'utf8');
  const example = /```ts\n(\/\/ agent\.ts\n.*?)```/s.exec(guide)![1]!;
  // Where its imports are found.
  const folder = await mkdtemp(join(root, 'node_modules', '.guide-'));
  const server = await HttpServer.start();
  const agents: ChildProcess[] = [];
  const start = async (): Promise<ChildProcess> => {
    const options = ['--conditions=@mcp-events/source', '--import', 'tsx', 'agent.mts'];
    const env = { ...process.env, MCP_URL: server.url };
    const agent = spawn(process.execPath, options, { cwd: folder, env, stdio: 'inherit' });
    agents.push(agent);
    const before = server.streams.length;
    await until(() => server.streams.length > before || agent.exitCode !== null);
    expect(agent.exitCode).toBeNull();
    return agent;
  };
  const send = (n: number): void => server.notify(Notifications.event, { ...occurrence(`e${n}`), cursor: `c${n}` });
  try {
    await writeFile(join(folder, 'agent.mts'), example);
    const first = await start();
    server.notify(Notifications.active, { cursor: 'c0', truncated: false });
    send(1);
    send(2);
    const db = new DatabaseSync(join(folder, 'agent.db'));
    const counts = (): unknown => db.prepare('SELECT id, reports FROM incidents ORDER BY id').all();
    await until(() => (counts() as unknown[]).length === 2);
    first.kill('SIGKILL');
    await once(first, 'exit');

    const second = await start();
    const { cursor } = server.requests('events/stream').at(-1)!.body.params;
    for (let n = Number(cursor.slice(1)) + 1; n <= 3; n += 1) send(n);
    await until(() => (counts() as unknown[]).length === 3);
    expect(counts()).toEqual([1, 2, 3].map((n) => ({ id: `e${n}`, reports: 1 })));
    second.kill('SIGTERM');
    expect(await once(second, 'exit')).toEqual([0, null]);
    db.close();
  } finally {
    for (const agent of agents) agent.kill('SIGKILL');
    await server.close();
    await rm(folder, { recursive: true });
  }
}, 60_000);

import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { EventsClient, eventsClientCapabilities } from '@mcp-events/client';
import type { Gap, SubscribeOptions, Subscription } from '@mcp-events/client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { CommitPayload } from '../src/events/commitEvents.ts';
import type { RefPayload } from '../src/events/refEvents.ts';
import { serveRepository } from '../src/server.ts';
import { deferred } from './kit/deferred.ts';
import type { Deferred } from './kit/deferred.ts';
import { TestRepository } from './kit/scratch.ts';

// Git commands take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let scratch: TestRepository;
const open: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  scratch = await TestRepository.create();
  await scratch.commits('first');
});
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close();
  await scratch.remove();
});

async function eventsOf(url: string): Promise<EventsClient> {
  const events = new EventsClient(async () => {
    const info = { name: 'test', version: '1.0.0' };
    const client = new Client(info, { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return client;
  });
  open.push(events);
  return events;
}

it('EMIT-01 EMIT-02 offers both event types by poll and push', async () => {
  const server = await serveRepository(scratch.path);
  open.push(server);
  const types = await (await eventsOf(server.url)).list();
  expect(types.map(({ name, delivery }) => [name, delivery.toSorted()])).toEqual([
    ['git.commit', ['poll', 'push']],
    ['git.ref.updated', ['poll', 'push']],
  ]);
});

/** Follows both event types by push; resolves when nothing that happens can escape. */
async function follow(url: string): Promise<{ commits: Subscription<CommitPayload>; refs: Subscription<RefPayload> }> {
  const events = await eventsOf(url);
  const active = [deferred<void>(), deferred<void>()] as const;
  const options = ({ resolve }: Deferred<void>): SubscribeOptions => ({
    delivery: 'push',
    onStatus: ({ state }) => state === 'active' && resolve(),
  });
  const commits = await events.subscribe<CommitPayload>('git.commit', {}, options(active[0]));
  const refs = await events.subscribe<RefPayload>('git.ref.updated', { ref: 'refs/heads/main' }, options(active[1]));
  await Promise.all(active.map(({ promise }) => promise));
  return { commits, refs };
}

it('CLIENT-05 tells a commit as an event of both types', async () => {
  const server = await serveRepository(scratch.path);
  open.push(server);
  const { commits, refs } = await follow(server.url);
  await scratch.git('branch', 'other');
  const [hash] = await scratch.commits('second');
  expect((await commits.next()).value?.data).toMatchObject({ hash, subject: 'second' });
  expect((await refs.next()).value?.data).toMatchObject({ ref: 'refs/heads/main', change: 'updated', after: hash });
});

it('ORDER-03 goes on after a restart of the server: nothing is missing, also of what happened meanwhile', async () => {
  const first = await serveRepository(scratch.path);
  open.push(first);
  const before = await follow(first.url);
  await scratch.commits('second');
  const commitsFrom = (await before.commits.next()).value?.cursor;
  const refsFrom = (await before.refs.next()).value?.cursor;
  const [third] = await scratch.commits('third');
  expect((await before.refs.next()).value?.data).toMatchObject({ after: third });
  for (const one of open.splice(0).toReversed()) await one.close();
  const [fourth] = await scratch.commits('fourth');

  const second = await serveRepository(scratch.path);
  open.push(second);
  const events = await eventsOf(second.url);
  const gaps: Gap[] = [];
  const onGap = (gap: Gap): void => void gaps.push(gap);
  const refs = await events.subscribe<RefPayload>('git.ref.updated', {}, { from: refsFrom, onGap });
  const commits = await events.subscribe<CommitPayload>('git.commit', {}, { from: commitsFrom, onGap });
  expect([(await commits.next()).value?.data.hash, (await commits.next()).value?.data.hash]).toEqual([third, fourth]);
  expect([(await refs.next()).value?.data.after, (await refs.next()).value?.data.after]).toEqual([third, fourth]);
  expect(gaps).toEqual([]);
});

it('refuses a storage that another server uses', async () => {
  open.push(await serveRepository(scratch.path));
  await expect(serveRepository(scratch.path)).rejects.toMatchObject({ code: 'locked' });
});

it('answers only this machine', async () => {
  const server = await serveRepository(scratch.path);
  open.push(server);
  const response = await fetch(server.url, { method: 'POST', headers: { origin: 'https://example.com' }, body: '{}' });
  expect(response.status).toBe(403);
});

it('says when the port is taken', async () => {
  const server = await serveRepository(scratch.path);
  open.push(server);
  const port = Number(new URL(server.url).port);
  const storageFile = join(scratch.folder, 'other.db');
  await expect(serveRepository(scratch.path, { port, storageFile })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

it('says when there is no repository', async () => {
  await expect(serveRepository(scratch.folder)).rejects.toThrow('not a git repository');
});

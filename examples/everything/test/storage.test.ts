import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createEverythingServer } from '../src/everythingServer.ts';
import { RawClient, SECRET } from './support/rawClient.ts';
import { isSignedWith, Receiver } from './support/receiver.ts';
import { scratchFolder } from './support/scratchFolder.ts';
import { ServerProcess } from './support/serverProcess.ts';
import { startWorld } from './support/world.ts';

/** Starting compiles the sources of the server anew. */
const timeout = 60_000;

const alert = (message: string): Record<string, unknown> => ({
  name: 'alert.fired',
  data: { severity: 'high', message },
});

describe('SQLite storage', { timeout }, () => {
  it('OP-13 TTL-10 events and subscriptions survive kill -9, and delivery resumes by itself', async () => {
    const receiver = await Receiver.open();
    const file = join(await scratchFolder(), 'events.db');
    const start = async (): Promise<{ server: ServerProcess; alice: RawClient }> => {
      const server = new ServerProcess(
        ...['--storage', `sqlite:${file}`, '--controls', '--token', 'alice=s3cret'],
        ...['--allow-callback-origin', receiver.origin],
      );
      return { server, alice: new RawClient(fetch, (await server.next()).url, 's3cret') };
    };
    const first = await start();
    const { cursor } = await first.alice.poll('alert.fired');
    const counted = await first.alice.poll('counter.tick');
    await first.alice.text('append', { n: 2 });
    const { id, refreshBefore } = await first.alice.subscribe('alert.fired', receiver.origin, { ttlMs: null });
    expect(refreshBefore).toBeNull();
    receiver.status = 500;
    await first.alice.text('emit', alert('disk full'));
    await receiver.next(id);
    const key = await readFile(`${file}.key`, 'utf8');
    first.server.signal('SIGKILL');
    await first.server.ended;

    receiver.status = 204;
    const { alice } = await start();
    const again = await receiver.next(id);
    expect(again.body.data.message).toBe('disk full');
    expect(isSignedWith(again, SECRET)).toBe(true);
    expect(await alice.poll('alert.fired', cursor)).toMatchObject({
      events: [{ eventId: again.body.eventId, data: { message: 'disk full' } }],
      truncated: false,
    });
    expect(await alice.poll('counter.tick', counted.cursor)).toMatchObject({
      events: [{ data: { value: 1 } }, { data: { value: 2 } }],
      truncated: false,
    });
    const subscription = { principal: 'alice', name: 'alert.fired', url: receiver.origin };
    expect(await alice.text('events_conformance_subscription_exists', subscription)).toBe('true');
    expect(await readFile(`${file}.key`, 'utf8')).toBe(key);
    expect((await stat(`${file}.key`)).mode & 0o777).toBe(0o600);
  });

  it('refuses a file that another process uses, in one line', async () => {
    const file = join(await scratchFolder(), 'events.db');
    const first = new ServerProcess('--storage', `sqlite:${file}`);
    await first.next();
    const second = new ServerProcess('--storage', `sqlite:${file}`);
    const { code, stderr } = await second.ended;
    expect(stderr).toMatch(/^error: .*events\.db: this process or another is using this file already.*\n$/);
    expect(code).toBe(1);
  });

  it('refuses a file that is something else, in one line', async () => {
    const file = join(await scratchFolder(), 'notes.txt');
    await writeFile(file, 'Buy milk, and do not lose this.\n'.repeat(100));
    const { code, stderr } = await new ServerProcess('--storage', `sqlite:${file}`).ended;
    expect(stderr).toMatch(/^error: .*notes\.txt: .*not a storage of events.*\n$/);
    expect(code).toBe(1);
    expect(await readFile(file, 'utf8')).toContain('Buy milk');
  });

  it('is refused with a key that cannot be read, by the name of the key', async () => {
    const file = join(await scratchFolder(), 'events.db');
    await mkdir(`${file}.key`);
    const options = { storageFile: file, tokens: new Map(), quota: 1, controls: false };
    const told = `${file}.key: this key cannot be read (EISDIR`;
    await expect(createEverythingServer(options)).rejects.toThrow(told);
  });

  it('is opened anew by each generation', async () => {
    const { alice, client, clock, problems } = await startWorld({
      storageFile: join(await scratchFolder(), 'events.db'),
    });
    const { cursor } = await alice.poll('alert.fired');
    await alice.text('emit', alert('before'));
    expect(await client.text('events_conformance_restart')).toBe('2');
    await clock.advance(100);
    expect(await client.text('events_conformance_generation')).toBe('2');
    await alice.text('emit', alert('after'));
    const { events, truncated } = await alice.poll('alert.fired', cursor);
    expect(events.map(({ data }: any) => data.message)).toEqual(['before', 'after']);
    expect(truncated).toBe(false);
    expect(problems).toEqual([]);
  });
});

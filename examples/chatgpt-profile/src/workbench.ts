import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventsOptions } from '@mcp-events/server';
import { openSqliteStorage } from '@mcp-events/sqlite';
import { startCallbackHost } from './callbackHost.ts';
import { startServer } from './server.ts';
import type { MessageServer } from './server.ts';
import { Subscriber } from './subscriber.ts';
import type { Profile } from './subscriber.ts';
import { createCertificate } from './support/certificate.ts';
import { loopbackEgress } from './support/loopbackEgress.ts';

const CALLBACK_HOST = 'connectors.chatgpt.example';

/** Bearer token -> the principal it stands for. */
const TOKENS = new Map([
  ['token-of-alice', 'alice'],
  ['token-of-bob', 'bob'],
]);

export const DAY_MS = 86_400_000;

/** A server, and an https host for the receivers of its subscribers. */
export interface Workbench {
  readonly server: MessageServer;
  subscriber(profile: Profile, token: string): Subscriber;
  /** Posts a message to the channel that all subscribers are interested in. */
  readonly post: (text: string, eventId?: string) => Promise<void>;
  /** Ends the server and starts it again, with nothing but what is in its storage. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function createWorkbench(): Promise<Workbench> {
  const directory = await mkdtemp(join(tmpdir(), 'chatgpt-profile-'));
  const certificate = await createCertificate(CALLBACK_HOST);
  const host = await startCallbackHost(CALLBACK_HOST, certificate);
  const webhooks: EventsOptions['webhooks'] = {
    egress: loopbackEgress(certificate),
    // Signing secrets are stored under this key. A real server keeps it apart from the storage.
    secretKeys: [randomBytes(32).toString('base64')],
    // A day is granted on the strength of durable storage: without it, an hour would be the most.
    ttl: { defaultMs: DAY_MS },
    // Short, so that the story is. Still more than a second apart, so that the timestamps of attempts differ.
    retry: { attempts: 3, firstDelayMs: 1_500, maxDelayMs: 1_500 },
  };
  const start = async (): Promise<MessageServer> =>
    startServer(TOKENS, { webhooks, storage: await openSqliteStorage({ file: join(directory, 'events.db') }) });
  let server = await start();
  const subscribers: Subscriber[] = [];
  return {
    get server() {
      return server;
    },
    subscriber: (profile, token) => {
      const subscriber = new Subscriber(profile, { serverUrl: server.url, token, host, channel: 'general' });
      subscribers.push(subscriber);
      return subscriber;
    },
    post: async (text, eventId) => {
      await server.messages.emit({ channel_id: 'general', text }, eventId === undefined ? {} : { eventId });
    },
    restart: async () => {
      await server.close();
      server = await start();
      for (const { client } of subscribers) client.url = server.url;
    },
    close: async () => {
      await server.close();
      await host.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

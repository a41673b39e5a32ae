import { createHash } from 'node:crypto';
import type { DiskName, LinkName, ProcessName } from './cast.ts';
import type { ClientConfig, Followed } from './clientConfig.ts';
import { entryArgs } from './entry.ts';
import { CHECKED, filteredName, matchedName, outboxedName, REVOKED_PRINCIPAL } from './eventTypes.ts';
import type { ReceiverConfig } from './receiverConfig.ts';
import type { ServerConfig } from './serverConfig.ts';
import type { Settings } from './settings.ts';

/** Where everything is in one run. */
export interface Surroundings {
  readonly folder: string;
  readonly control: string;
  readonly upstream: string;
  readonly settings: Settings;
  /** Decides on the load. */
  readonly seed: number;
  portOf(link: LinkName): number;
  diskOf(disk: DiskName): string;
}

/** Who each of them is to its server. */
const PRINCIPAL = {
  poller: 'alice',
  pusher: REVOKED_PRINCIPAL,
  hooked: 'carol',
  receiver: REVOKED_PRINCIPAL,
  piped: 'alice',
} as const;

const HIGH = { severity: 'high' };
const EITHER = { severity: ['high', 'low'] };

/** What Node.js is started with for a process; `pipedServer` is started by `piped` and not by the runner. */
export function argsOf(name: Exclude<ProcessName, 'pipedServer'>, around: Surroundings): string[] {
  switch (name) {
    case 'server':
      return entryArgs('httpServerProcess', serverConfig('server', around));
    case 'receiver':
      return entryArgs('receiverProcess', receiverConfig(around));
    default:
      return entryArgs('clientProcess', clientConfig(name, around));
  }
}

function serverConfig(name: 'server' | 'pipedServer', around: Surroundings): ServerConfig {
  const { folder, control, seed, upstream, settings } = around;
  const prefix = name === 'server' ? 'http' : 'stdio';
  const principal = PRINCIPAL.piped;
  return { name, folder, control, seed, prefix, principal, disk: around.diskOf(name), upstream, settings };
}

function clientConfig(name: 'poller' | 'pusher' | 'hooked' | 'piped', around: Surroundings): ClientConfig {
  const { folder, control, seed, settings } = around;
  const [disk, principal, followed] = [around.diskOf('clients'), PRINCIPAL[name], FOLLOWED[name]];
  const common = { name, folder, control, seed, disk, principal, followed };
  const server = { url: serverUrl(around) };
  const webhookAt = (link: 'hooked' | 'piped') => ({
    url: `http://127.0.0.1:${around.portOf(link)}/hooks`,
    ttlMs: settings.ttlMs,
  });
  switch (name) {
    case 'poller':
      return { ...common, store: 'inbox', server };
    case 'pusher':
      return { ...common, store: 'file', server };
    case 'hooked':
      return { ...common, store: 'file', server, webhook: webhookAt('hooked') };
    case 'piped': {
      const args = entryArgs('stdioServerProcess', serverConfig('pipedServer', around));
      return { ...common, store: 'inbox', server: { command: process.execPath, args }, webhook: webhookAt('piped') };
    }
  }
}

function receiverConfig(around: Surroundings): ReceiverConfig {
  const { folder, control, seed, settings } = around;
  const callback = `http://127.0.0.1:${around.portOf('receiver')}/hooks`;
  const keep = (subscription: string, type: string, args: Followed['arguments'], ttlMs: number | null) => {
    const secret = `whsec_${createHash('sha256').update(subscription).digest('base64')}`;
    return { subscription, type, arguments: args, secret, ttlMs, leaves: false };
  };
  return {
    name: 'receiver',
    folder,
    control,
    seed,
    disk: around.diskOf('clients'),
    server: serverUrl(around),
    callback,
    principal: PRINCIPAL.receiver,
    kept: [
      keep('kept-filtered', filteredName('http'), {}, null),
      keep('kept-matched', matchedName('http'), HIGH, settings.ttlMs),
      keep('kept-checked', CHECKED, HIGH, null),
      { ...keep('kept-left', filteredName('http'), HIGH, null), leaves: true },
    ],
  };
}

function serverUrl(around: Surroundings): string {
  return `http://127.0.0.1:${around.portOf('server')}/mcp`;
}

const FOLLOWED: Record<'poller' | 'pusher' | 'hooked' | 'piped', readonly Followed[]> = {
  poller: [
    { subscription: 'poll-filtered', type: filteredName('http'), arguments: {}, delivery: 'poll', by: 'handler' },
    { subscription: 'poll-high', type: filteredName('http'), arguments: HIGH, delivery: 'poll', by: 'loop' },
    { subscription: 'poll-matched', type: matchedName('http'), arguments: HIGH, delivery: 'poll', by: 'handler' },
    { subscription: 'poll-checked', type: CHECKED, arguments: {}, delivery: 'poll', by: 'loop' },
  ],
  pusher: [
    { subscription: 'push-filtered', type: filteredName('http'), arguments: {}, delivery: 'push', by: 'handler' },
    { subscription: 'push-high', type: filteredName('http'), arguments: HIGH, delivery: 'push', by: 'loop' },
    { subscription: 'push-matched', type: matchedName('http'), arguments: EITHER, delivery: 'push', by: 'loop' },
    { subscription: 'push-checked', type: CHECKED, arguments: HIGH, delivery: 'push', by: 'handler' },
    { subscription: 'push-outboxed', type: outboxedName('http'), arguments: {}, delivery: 'push', by: 'handler' },
  ],
  hooked: [
    { subscription: 'hook-filtered', type: filteredName('http'), arguments: {}, delivery: 'webhook', by: 'handler' },
    { subscription: 'hook-high', type: filteredName('http'), arguments: HIGH, delivery: 'webhook', by: 'loop' },
    { subscription: 'hook-matched', type: matchedName('http'), arguments: {}, delivery: 'webhook', by: 'handler' },
    { subscription: 'hook-checked', type: CHECKED, arguments: {}, delivery: 'webhook', by: 'loop' },
    { subscription: 'any-outboxed', type: outboxedName('http'), arguments: HIGH, by: 'handler' },
  ],
  piped: [
    { subscription: 'piped-poll', type: filteredName('stdio'), arguments: {}, delivery: 'poll', by: 'handler' },
    { subscription: 'piped-push', type: filteredName('stdio'), arguments: HIGH, delivery: 'push', by: 'loop' },
    { subscription: 'piped-matched', type: matchedName('stdio'), arguments: {}, delivery: 'push', by: 'handler' },
    { subscription: 'piped-checked', type: CHECKED, arguments: {}, delivery: 'push', by: 'loop' },
    { subscription: 'piped-hook', type: outboxedName('stdio'), arguments: {}, delivery: 'webhook', by: 'handler' },
  ],
};

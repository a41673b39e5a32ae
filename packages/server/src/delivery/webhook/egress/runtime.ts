import { Resolver } from 'node:dns/promises';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Client } from 'undici';

/** What guarded requests are made with. Runtimes other than Node.js have stubs of some, which throw or do nothing when called. */
const PARTS: Readonly<Record<string, unknown>> = {
  'Client.dispatch of undici': (Client as Partial<typeof Client> | undefined)?.prototype?.['dispatch'],
  'connect of node:net': connectTcp,
  'connect of node:tls': connectTls,
  'Resolver of node:dns/promises': Resolver,
};

/**
 * Throws an `Error` where this runtime lacks a part, when the server is set up: nothing could be sent, and it would look as
 * if endpoints were at fault (DELIV-18).
 */
export function assertCanSend(parts: Readonly<Record<string, unknown>> = PARTS): void {
  const missing = Object.keys(parts).filter((name) => typeof parts[name] !== 'function');
  if (missing.length === 0) return;
  throw new Error(
    `webhooks cannot be sent in this runtime, which lacks ${missing.join(', ')}: run the server with Node.js, or leave out the webhooks option`,
  );
}

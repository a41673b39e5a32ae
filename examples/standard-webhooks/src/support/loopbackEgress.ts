import { connect } from 'node:net';
import type { EventsOptions } from '@mcp-events/server';
import type { Certificate } from './certificate.ts';

type EgressSeams = NonNullable<NonNullable<EventsOptions['webhooks']>['egress']>;

/** Callbacks may only be at public addresses, so the names of this story get one. Nothing is ever sent there. */
const PUBLIC_ADDRESS = '93.184.215.14';

/**
 * Lets every connection of the server end on this machine, and trusts the throwaway certificate. Everything else stays
 * as it is in production: https, the check of addresses, of the certificate and its name, and the challenge.
 */
export function loopbackEgress({ certificate }: Certificate): EgressSeams {
  return {
    resolve: () => [PUBLIC_ADDRESS],
    connect: (_address, port) => connect({ host: '127.0.0.1', port }),
    tls: { ca: certificate },
  };
}

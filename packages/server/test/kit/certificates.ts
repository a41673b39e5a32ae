import { isIP } from 'node:net';
import { generate } from 'selfsigned';

/** A key and its certificate, both PEM. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/** A certificate authority of a test, which signs on demand. */
export interface Authority {
  readonly cert: string;
  /**
   * A server certificate for these host names and addresses; one that ran out yesterday with `expired`. Its common name
   * is none of them unless it is given.
   */
  issue(
    hosts: readonly string[],
    options?: { readonly expired?: boolean; readonly commonName?: string },
  ): Promise<KeyPair>;
}

const DAY_MS = 86_400_000;

// Certificates are checked against the real clock, the one thing here that is: it cannot be passed in.
const daysFromNow = (days: number): Date => new Date(Date.now() + days * DAY_MS);

function namesExtension(hosts: readonly string[]) {
  return {
    name: 'subjectAltName' as const,
    altNames: hosts.map((host) =>
      isIP(host) === 0 ? { type: 2 as const, value: host } : { type: 7 as const, ip: host },
    ),
  };
}

export async function createAuthority(): Promise<Authority> {
  const root = await generate([{ name: 'commonName', value: 'Test authority' }], {
    algorithm: 'sha256',
    keyType: 'ec',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  return {
    cert: root.cert,
    async issue(hosts, { expired = false, commonName = 'Test server' } = {}) {
      const pair = await generate([{ name: 'commonName', value: commonName }], {
        algorithm: 'sha256',
        keyType: 'ec',
        notBeforeDate: daysFromNow(-3),
        notAfterDate: daysFromNow(expired ? -1 : 3),
        extensions: [{ name: 'basicConstraints', cA: false }, ...(hosts.length === 0 ? [] : [namesExtension(hosts)])],
        ca: { key: root.private, cert: root.cert },
      });
      return { key: pair.private, cert: pair.cert };
    },
  };
}

/** A certificate that only its own holder vouches for. */
export async function selfSigned(host: string): Promise<KeyPair> {
  const pair = await generate([{ name: 'commonName', value: host }], {
    algorithm: 'sha256',
    keyType: 'ec',
    extensions: [namesExtension([host])],
  });
  return { key: pair.private, cert: pair.cert };
}

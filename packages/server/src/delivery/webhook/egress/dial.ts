import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { PeerCertificate, SecureContext, TLSSocket } from 'node:tls';
import type { CallbackTarget } from './callbackTarget.ts';
import type { EgressFailure } from './egressRequest.ts';
import { hasLocalCode, isLocalFault } from './localFault.ts';

/** Opens a TCP connection to an address. The only place where the egress touches the network. */
export type Dial = (address: string, port: number) => Socket;

export const dialTcp: Dial = (address, port) => connectTcp({ host: address, port });

/** A connection that did not come about. */
class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly reason: EgressFailure;

  constructor(reason: EgressFailure, cause?: unknown) {
    super(`No connection: ${reason}`, { cause });
    this.reason = reason;
  }
}

/** Codes that stay what they are although the TLS layer reports them. */
const NETWORK_CODES: ReadonlySet<unknown> = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT']);

/** What was thrown where a connection did not come about; the error itself anywhere else. */
export function causeOf(error: unknown): unknown {
  return error instanceof ConnectError ? error.cause : error;
}

/** The category of an error of a connection (OP-10, DELIV-18). */
export function failureOf(error: unknown): EgressFailure {
  if (error instanceof ConnectError) return error.reason;
  if (isLocalFault(error)) return 'local_fault';
  const code = String((error as { code?: unknown }).code);
  if (code === 'ETIMEDOUT') return 'timeout';
  // With TLS 1.3 the other side may refuse the handshake when it is over on this side.
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') ? 'tls_error' : 'connection_refused';
}

/**
 * Opens a connection to exactly `address`, with the host name of `target` as server name, for which the certificate has
 * to be valid (SSRF-04, SSRF-10). Calls back once; destroying the socket it returns stops it, without a call.
 */
export function openSocket(
  { dial, secureContext }: { readonly dial: Dial; readonly secureContext: SecureContext },
  { hostname, secure, port, address: literal }: CallbackTarget,
  address: string,
  callback: (error: ConnectError | null, socket: Socket | null) => void,
): Socket | undefined {
  let settled = false;
  const settle = (error: ConnectError | null, opened: Socket | null): void => {
    if (settled) return;
    settled = true;
    callback(error, opened);
  };
  const refused = (): void => settle(new ConnectError('connection_refused'), null);
  const broken = (error: unknown): void => settle(new ConnectError('local_fault', error), null);
  let socket: Socket;
  try {
    socket = dial(address, port);
  } catch (error) {
    broken(error);
    return undefined;
  }
  // Stays for the connection's life: an error without a listener would end the process.
  socket.on('error', (error) => settle(new ConnectError(failureOf(error), error), null));
  socket.once('close', refused);
  socket.once('connect', () => {
    socket.setNoDelay(true);
    if (!secure) {
      settle(null, socket);
      return;
    }
    // From here on the TLS layer says why the connection closed, and it says so later than the socket below it.
    socket.off('close', refused);
    let secured: TLSSocket;
    try {
      secured = connectTls({
        socket,
        secureContext,
        // Never left to the environment, which can switch verification off for a whole process.
        rejectUnauthorized: true,
        checkServerIdentity: checkNames,
        ALPNProtocols: ['http/1.1'],
        host: hostname,
        // Server names have no trailing dot, and an address is none (RFC 6066): then the certificate is checked for `host`.
        servername: literal === undefined ? hostname.replace(/\.$/, '') : '',
      });
    } catch (error) {
      broken(error);
      return;
    }
    secured.on('error', (error: NodeJS.ErrnoException) => {
      const isNetwork = NETWORK_CODES.has(error.code) || hasLocalCode(error);
      settle(new ConnectError(isNetwork ? failureOf(error) : 'tls_error', error), null);
    });
    secured.once('close', refused);
    secured.once('secureConnect', () => settle(null, secured));
  });
  return socket;
}

/**
 * Whether a certificate is for `host`, by its alternative names alone (RFC 9525, SSRF-10): a common name was never meant
 * to be checked as a host, and is not restricted by authorities that may issue for some domains only.
 */
function checkNames(host: string, certificate: PeerCertificate): Error | undefined {
  try {
    return checkServerIdentity(host, { ...certificate, subject: {} });
  } catch (error) {
    return error as Error;
  }
}

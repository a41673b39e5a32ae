import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { Client } from 'undici';
import type { CallbackTarget } from './callbackTarget.ts';
import { openSocket } from './dial.ts';
import type { Dial } from './dial.ts';

/** Where the seam to the network and the trusted certificates are. */
export interface ConnectionSettings {
  readonly dial: Dial;
  readonly secureContext: SecureContext;
}

/** An attempt that needs a connection. */
export interface ConnectionUser {
  readonly target: CallbackTarget;
  /** The addresses checked for this attempt. It is never given a connection to any other (SSRF-04). */
  readonly addresses: readonly string[];
  /** Called once per `acquire`, at once or when a connection is free. */
  use(connection: Connection): void;
  /** There will be no connection: the egress is closed. */
  refuse(): void;
  /** There will be no connection: making one failed in this process. */
  break(error: unknown): void;
}

/** The connections to one origin, and who waits for one. Exists only as long as there are some. */
export interface OriginPool {
  readonly origin: string;
  readonly all: Set<Connection>;
  /** The last one used is used again first, so that what is not needed grows old. */
  readonly idle: Connection[];
  /** In the order they came. */
  readonly waiting: Set<ConnectionUser>;
}

/**
 * The idle time after which undici closes a connection itself. Idle connections are closed sooner (see `Connections`);
 * only a shorter time that the receiver announces (`Keep-Alive: timeout`) is left to undici.
 */
const CLIENT_KEEP_ALIVE_MS = 60_000;

/** One connection at most at a time, to one checked address of one origin. Reconnects to that address when it is used again. */
export class Connection {
  readonly pool: OriginPool;
  readonly address: string;
  readonly client: Client;
  /** Whether the address accepted the last connection. */
  established = false;
  /** Serves no attempt: idle, or still reading an answer whose status is all that was wanted. */
  spare = false;
  /** Ready for the next request. */
  idle = false;
  /** How many sweeps have seen it spare. */
  sweeps = 0;
  #socket: Socket | undefined;
  /** What it had received when the present request was given to it. */
  #receivedBefore = 0;

  constructor(settings: ConnectionSettings, pool: OriginPool, target: CallbackTarget, address: string) {
    this.pool = pool;
    this.address = address;
    this.client = new Client(target.origin, {
      pipelining: 1,
      // The attempt has its own time limit, on the injected clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: CLIENT_KEEP_ALIVE_MS,
      connect: (_options, callback) => {
        this.#socket = openSocket(settings, target, address, (error, socket) => {
          this.established = error === null;
          // The type wants one of the two, which is what this is.
          (callback as (error: Error | null, socket: Socket | null) => void)(error, socket);
        });
      },
    });
  }

  /** A request is given to it. */
  begin(): void {
    this.#receivedBefore = this.#socket?.bytesRead ?? 0;
  }

  /** Bytes received for the present request, whatever they are. */
  get receivedBytes(): number {
    return (this.#socket?.bytesRead ?? 0) - this.#receivedBefore;
  }

  /** Closes it at once, whatever state it is in; a request on it fails. */
  destroy(): void {
    this.client.destroy(null, () => {});
    // Only this reaches a socket that is still connecting.
    this.#socket?.destroy();
  }
}

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions, TLSSocket } from 'node:tls';

/** Values in the order they come; whoever asks early waits. */
class Arrivals<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  add(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#values.push(value);
    else waiting(value);
  }

  next(): Promise<T> {
    const [value] = this.#values.splice(0, 1);
    return value === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(value);
  }
}

/** An HTTP request as its bytes came. */
export interface RawRequest {
  /** The request line and the header lines. */
  readonly head: readonly string[];
  readonly body: string;
}

/** One connection that somebody opened to a {@link RawEndpoint}. */
export class RawConnection {
  readonly socket: Socket;
  /** Settles when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>;
  readonly #requests = new Arrivals<RawRequest>();
  #received = '';

  constructor(socket: Socket, endpoint: RawEndpoint) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      for (let request = this.#take(); request !== undefined; request = this.#take()) {
        if (endpoint.onRequest === undefined) this.#requests.add(request);
        else endpoint.onRequest(this);
      }
    });
  }

  /** The name the client asked for in the TLS handshake; false when it named none. */
  get servername(): string | false | null {
    return (this.socket as TLSSocket).servername;
  }

  request(): Promise<RawRequest> {
    return this.#requests.next();
  }

  /** Sends a whole answer. */
  answer(status: number, body = '', ...headers: string[]): void {
    const lines = [`HTTP/1.1 ${status} Whatever`, `content-length: ${Buffer.byteLength(body)}`, ...headers];
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  #take(): RawRequest | undefined {
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return undefined;
    const head = this.#received.slice(0, headEnd);
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return undefined;
    const body = this.#received.slice(headEnd + 4, end);
    this.#received = this.#received.slice(end);
    return { head: head.split('\r\n'), body };
  }
}

/** A server on the loopback interface that shows every connection and answers, byte by byte, what the test says. */
export class RawEndpoint {
  readonly connections: RawConnection[] = [];
  readonly #server: Server;
  readonly #arrivals = new Arrivals<RawConnection>();
  /** Called with the connection for every request, instead of letting the test ask for it. */
  onRequest: ((connection: RawConnection) => void) | undefined;

  constructor(tls?: TlsOptions) {
    const accept = (socket: Socket): void => {
      const connection = new RawConnection(socket, this);
      this.connections.push(connection);
      this.#arrivals.add(connection);
    };
    this.#server = tls === undefined ? createServer(accept) : createTlsServer(tls, accept);
    this.#server.on('tlsClientError', () => {});
  }

  static async listen(tls?: TlsOptions): Promise<RawEndpoint> {
    const endpoint = new RawEndpoint(tls);
    endpoint.#server.listen(0, '127.0.0.1');
    await once(endpoint.#server, 'listening');
    return endpoint;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection, in the order they were opened. */
  connection(): Promise<RawConnection> {
    return this.#arrivals.next();
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const { socket } of this.connections) socket.destroy();
    await once(this.#server, 'close');
  }
}

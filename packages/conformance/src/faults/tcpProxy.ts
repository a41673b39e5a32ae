import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** What happens to the connections through a proxy. */
export type LinkFault =
  | { readonly kind: 'refuse' }
  /** All that are open, once. */
  | { readonly kind: 'reset' }
  /** Nothing passes in either direction. What is open goes on afterwards, or is cut. */
  | { readonly kind: 'hang'; readonly thenCut: boolean }
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Each connection ends after so many more bytes towards the one who opened it. */
  | { readonly kind: 'truncate'; readonly afterBytes: number };

/** Between two attempts to listen on a port that somebody got for a connection of theirs in the meantime. */
const RELISTEN_MS = 50;

/** A port of its own, in front of a process that gets another one with each start. */
export class TcpProxy {
  readonly port: number;
  /** Where the process listens; `undefined` while it does not. */
  targetPort: number | undefined;
  fault: LinkFault | undefined;
  readonly #connections = new Set<Connection>();
  #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.#accept();
  }

  static async listen(): Promise<TcpProxy> {
    return new TcpProxy(await listening(0));
  }

  begin(fault: LinkFault): void {
    if (fault.kind === 'reset') {
      this.#cutAll();
      return;
    }
    this.fault = fault;
    if (fault.kind === 'refuse') this.#server.close();
    for (const connection of this.#connections) connection.changed();
  }

  async heal(): Promise<void> {
    const { fault } = this;
    this.fault = undefined;
    if (fault?.kind === 'hang' && fault.thenCut) this.#cutAll();
    for (const connection of this.#connections) connection.changed();
    while (!this.#server.listening) {
      try {
        this.#server = await listening(this.port);
        this.#accept();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RELISTEN_MS));
      }
    }
  }

  close(): void {
    this.#server.close();
    this.#cutAll();
  }

  #accept(): void {
    this.#server.on('connection', (inbound) => {
      if (this.targetPort === undefined) {
        inbound.on('error', () => {}).resetAndDestroy();
        return;
      }
      const connection = new Connection(inbound, connect(this.targetPort, '127.0.0.1'), () => this.fault);
      this.#connections.add(connection);
      connection.onClose = () => this.#connections.delete(connection);
    });
  }

  #cutAll(): void {
    for (const connection of this.#connections) connection.cut();
  }
}

function listening(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

class Connection {
  readonly #inbound: Socket;
  readonly #outbound: Socket;
  readonly #fault: () => LinkFault | undefined;
  /** Bytes that may still pass towards the one who opened it. */
  #left = Infinity;
  #isOver = false;
  onClose: () => void = () => {};

  constructor(inbound: Socket, outbound: Socket, fault: () => LinkFault | undefined) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.#fault = fault;
    this.#carry(inbound, outbound, () => Infinity);
    this.#carry(outbound, inbound, () => this.#left);
    this.changed();
  }

  /** Another fault, or none. */
  changed(): void {
    const fault = this.#fault();
    this.#left = fault?.kind === 'truncate' ? fault.afterBytes : Infinity;
    for (const socket of [this.#inbound, this.#outbound]) {
      if (fault?.kind === 'hang') socket.pause();
      else socket.resume();
    }
  }

  cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inbound.resetAndDestroy();
    this.#outbound.resetAndDestroy();
    this.onClose();
  }

  #carry(from: Socket, to: Socket, left: () => number): void {
    from.on('data', (chunk: Buffer) => {
      const fault = this.#fault();
      if (chunk.length > left()) {
        // Orderly, so that what came before it arrives.
        to.end(chunk.subarray(0, left()));
        from.destroy();
        return;
      }
      if (from === this.#outbound) this.#left -= chunk.length;
      if (fault?.kind === 'delay') {
        from.pause();
        setTimeout(() => this.#pass(from, to, chunk), fault.delayMs);
      } else this.#pass(from, to, chunk);
    });
    from.on('error', () => this.cut());
    from.on('end', () => to.end());
    from.on('close', () => {
      to.end();
      if (this.#isOver || !to.destroyed) return;
      this.#isOver = true;
      this.onClose();
    });
  }

  #pass(from: Socket, to: Socket, chunk: Buffer): void {
    const goOn = (): void => {
      if (this.#fault()?.kind !== 'hang') from.resume();
    };
    if (to.destroyed) return;
    if (to.write(chunk)) goOn();
    else {
      from.pause();
      to.once('drain', goOn);
    }
  }
}

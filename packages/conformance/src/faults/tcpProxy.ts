import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { ProxiedConnection } from './proxiedConnection.ts';

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
  readonly #connections = new Set<ProxiedConnection>();
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
    for (const connection of this.#connections) connection.changed(this.fault);
  }

  async heal(): Promise<void> {
    const { fault } = this;
    this.fault = undefined;
    if (fault?.kind === 'hang' && fault.thenCut) this.#cutAll();
    for (const connection of this.#connections) connection.changed(this.fault);
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
      const connection = new ProxiedConnection(inbound, connect(this.targetPort, '127.0.0.1'), () => this.fault);
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

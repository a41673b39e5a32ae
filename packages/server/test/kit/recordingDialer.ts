import { Socket, connect } from 'node:net';

/** What an address leads to: a port of the loopback interface, nothing (refused), or silence. */
export type Route = number | 'refuse' | 'hang';

/**
 * Opens connections only within this machine and records what was asked for: `dialled` shows the address that a
 * connection went to, and that none was opened.
 */
export class RecordingDialer {
  readonly dialled: string[] = [];
  readonly sockets: Socket[] = [];
  readonly #routes = new Map<string, Route>();
  #fallback: Route;

  /** `fallback` is where addresses without a route lead. */
  constructor(fallback: Route = 'refuse') {
    this.#fallback = fallback;
  }

  route(address: string, route: Route): this {
    this.#routes.set(address, route);
    return this;
  }

  readonly dial = (address: string, port: number): Socket => {
    this.dialled.push(`${address} ${port}`);
    const route = this.#routes.get(address) ?? this.#fallback;
    const socket = typeof route === 'number' ? connect({ host: '127.0.0.1', port: route }) : new Socket();
    this.sockets.push(socket);
    if (route === 'refuse') {
      // As the system reports it: later, and by its code.
      setImmediate(() => socket.destroy(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })));
    }
    return socket;
  };
}

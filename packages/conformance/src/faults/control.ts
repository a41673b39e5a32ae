import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { ProcessName } from './cast.ts';
import { onMessage, ORDINARY, send } from './controlMessages.ts';
import type { Circumstances, Hello } from './controlMessages.ts';

/** The runner's end of the lines to its processes. A line that ends says that its process is gone. */
export class Control {
  readonly path: string;
  readonly #server: Server;
  readonly #circumstances = new Map<ProcessName, Circumstances>();
  readonly #lines = new Map<ProcessName, { readonly socket: Socket; readonly hello: Hello }>();
  onHello: (hello: Hello) => void = () => {};
  onGone: (hello: Hello) => void = () => {};

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
    server.on('connection', (socket) => this.#connected(socket));
  }

  static async listen(path: string): Promise<Control> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return new Control(path, server);
  }

  /** The process that said hello last under this name, if it lives. */
  get(name: ProcessName): Hello | undefined {
    return this.#lines.get(name)?.hello;
  }

  circumstancesOf(name: ProcessName): Circumstances {
    return this.#circumstances.get(name) ?? ORDINARY;
  }

  /** For the process that lives under this name, and those that follow it. */
  change(name: ProcessName, change: Partial<Circumstances>): void {
    const changed = { ...this.circumstancesOf(name), ...change };
    this.#circumstances.set(name, changed);
    const socket = this.#lines.get(name)?.socket;
    if (socket !== undefined) send(socket, changed);
  }

  close(): void {
    this.#server.close();
    for (const { socket } of this.#lines.values()) socket.destroy();
  }

  #connected(socket: Socket): void {
    socket.on('error', () => {});
    onMessage(socket, (hello: Hello) => {
      this.#lines.set(hello.name, { socket, hello });
      send(socket, this.circumstancesOf(hello.name));
      this.onHello(hello);
      socket.once('close', () => {
        if (this.#lines.get(hello.name)?.socket === socket) this.#lines.delete(hello.name);
        this.onGone(hello);
      });
    });
  }
}

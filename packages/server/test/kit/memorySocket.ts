import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

/** One end of a connection that exists in memory only: what is written here is read there, with no time in between. */
class MemorySocket extends Duplex {
  other: MemorySocket | undefined;
  connecting = false;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.other?.push(chunk);
    done();
  }

  override _final(done: (error?: Error) => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { other } = this;
    this.other = undefined;
    if (other !== undefined && !other.destroyed) {
      setImmediate(() => {
        if (error === null) other.push(null);
        else other.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
      });
    }
    done(error);
  }

  /** What real sockets have and nothing here needs. */
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

/** The two ends of a new connection. The first is connected in the next turn, as a dialled socket is. */
export function memoryConnection(): { client: Socket; server: Socket } {
  const client = new MemorySocket();
  const server = new MemorySocket();
  client.other = server;
  server.other = client;
  client.connecting = true;
  setImmediate(() => {
    client.connecting = false;
    client.emit('connect');
  });
  return { client: client as unknown as Socket, server: server as unknown as Socket };
}

/** A connection that nobody accepts. */
export function refusedConnection(): Socket {
  const client = new MemorySocket();
  client.connecting = true;
  setImmediate(() => client.destroy(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })));
  return client as unknown as Socket;
}

/** A connection that is never established. */
export function silentConnection(): Socket {
  const client = new MemorySocket();
  client.connecting = true;
  return client as unknown as Socket;
}

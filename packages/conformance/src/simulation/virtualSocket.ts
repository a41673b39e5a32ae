import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

/** A request as it arrived at the other end. */
export interface ArrivedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the other end does with it. Without an answer the sender waits. */
export interface RequestAnswer {
  respond(status: number, headers?: Readonly<Record<string, string>>, body?: string): void;
  reset(): void;
  /** Whether the sender still waits for it, as far as the connection tells. */
  isAwaited(): boolean;
}

/**
 * The client's end of a connection that exists in memory only, with just enough HTTP/1.1 at its other end to take one
 * request after the other.
 */
class VirtualSocket extends Duplex {
  connecting = true;
  readonly #take: (request: ArrivedRequest, answer: RequestAnswer) => void;
  #received = '';

  constructor(take: (request: ArrivedRequest, answer: RequestAnswer) => void) {
    super();
    this.#take = take;
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#received += chunk.toString('latin1');
    done();
    this.#takeRequests();
  }

  override _final(done: (error?: Error) => void): void {
    this.push(null);
    done();
  }

  reset(): void {
    this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
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

  #takeRequests(): void {
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const [requestLine = '', ...lines] = this.#received.slice(0, headEnd).split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const length = Number(headers['content-length'] ?? 0);
    const bodyStart = headEnd + 4;
    if (this.#received.length < bodyStart + length) return;
    const body = Buffer.from(this.#received.slice(bodyStart, bodyStart + length), 'latin1').toString();
    this.#received = this.#received.slice(bodyStart + length);
    const answer: RequestAnswer = {
      respond: (status, extra = {}, answered = '') => {
        if (this.destroyed) return;
        const all = Object.entries({ ...extra, 'content-length': String(Buffer.byteLength(answered)) });
        const text = all.map(([name, value]) => `${name}: ${value}\r\n`).join('');
        this.push(`HTTP/1.1 ${status} Status\r\n${text}\r\n${answered}`);
      },
      reset: () => this.reset(),
      isAwaited: () => !this.destroyed,
    };
    this.#take({ path: requestLine.split(' ')[1] ?? '', headers, body }, answer);
    this.#takeRequests();
  }
}

/** A connection that is established in the next turn. */
export function virtualSocket(
  take: (request: ArrivedRequest, answer: RequestAnswer) => void,
  schedule: (callback: () => void) => void,
): Socket {
  const socket = new VirtualSocket(take);
  schedule(() => {
    if (socket.destroyed) return;
    socket.connecting = false;
    socket.emit('connect');
  });
  return socket as unknown as Socket;
}

/** A connection that nobody accepts. */
export function refusedSocket(schedule: (callback: () => void) => void): Socket {
  return failingSocket(schedule, Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }));
}

/** A connection that fails before it is one. */
export function failingSocket(schedule: (callback: () => void) => void, error: Error): Socket {
  const socket = new VirtualSocket(() => {});
  schedule(() => socket.destroy(error));
  return socket as unknown as Socket;
}

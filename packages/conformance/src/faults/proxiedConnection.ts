import type { Socket } from 'node:net';
import type { LinkFault } from './tcpProxy.ts';

/** Two sockets, and what passes between them. */
export class ProxiedConnection {
  readonly #inbound: Socket;
  readonly #outbound: Socket;
  readonly #ways: readonly Way[];
  readonly #answers: Way;
  #isOver = false;
  onClose: () => void = () => {};

  /** @param fault what is the matter at the moment */
  constructor(inbound: Socket, outbound: Socket, fault: () => LinkFault | undefined) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.#answers = new Way(outbound, inbound, fault);
    this.#ways = [new Way(inbound, outbound, fault), this.#answers];
    for (const socket of [inbound, outbound]) {
      socket.on('error', () => this.cut());
      socket.on('close', () => this.#closed());
    }
    this.changed(fault());
  }

  /** Another fault, or none. */
  changed(fault: LinkFault | undefined): void {
    this.#answers.left = fault?.kind === 'truncate' ? fault.afterBytes : Infinity;
    for (const way of this.#ways) way.goOn();
  }

  cut(): void {
    for (const socket of [this.#inbound, this.#outbound]) {
      // Node.js never lets go of a socket that is reset while it is being shut down, and then cannot exit.
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
    this.#closed();
  }

  #closed(): void {
    if (this.#isOver || !this.#inbound.destroyed || !this.#outbound.destroyed) return;
    this.#isOver = true;
    this.onClose();
  }
}

/** One direction: what comes first goes first, whatever changes in between. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #fault: () => LinkFault | undefined;
  readonly #waiting: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isBlocked = false;
  #isEnded = false;
  /** Bytes that may still pass. */
  left = Infinity;

  constructor(from: Socket, to: Socket, fault: () => LinkFault | undefined) {
    this.#from = from;
    this.#to = to;
    this.#fault = fault;
    from.on('data', (chunk: Buffer) => {
      this.#waiting.push(chunk);
      from.pause();
      this.goOn();
    });
    from.on('end', () => {
      this.#isEnded = true;
      this.goOn();
    });
    from.on('close', () => {
      // What was read still passes.
      this.#isEnded = true;
      this.goOn();
    });
    to.on('close', () => {
      clearTimeout(this.#timer);
      from.destroy();
    });
  }

  goOn(): void {
    if (this.#timer !== undefined || this.#isBlocked || this.#to.destroyed) return;
    const fault = this.#fault();
    if (fault?.kind === 'hang') return;
    const [next] = this.#waiting;
    if (next === undefined) {
      if (this.#isEnded) this.#to.end();
      else this.#from.resume();
    } else if (fault?.kind === 'delay') {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#pass();
      }, fault.delayMs);
    } else this.#pass();
  }

  #pass(): void {
    const chunk = this.#waiting.shift();
    if (chunk === undefined || this.#to.destroyed) return;
    if (chunk.length > this.left) {
      // Orderly, so that what came before it arrives.
      this.#to.end(chunk.subarray(0, this.left));
      this.#from.destroy();
      return;
    }
    this.left -= chunk.length;
    if (this.#to.write(chunk)) {
      this.goOn();
      return;
    }
    this.#isBlocked = true;
    this.#to.once('drain', () => {
      this.#isBlocked = false;
      this.goOn();
    });
  }
}

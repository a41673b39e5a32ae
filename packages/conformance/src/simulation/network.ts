import type { Random } from './random.ts';
import type { ServerProcess, ServerRequest } from './serverProcess.ts';
import type { ArrivedRequest, RequestAnswer } from './virtualSocket.ts';
import { failingSocket, refusedSocket, virtualSocket } from './virtualSocket.ts';
import type { VirtualTime } from './virtualTime.ts';
import type { Socket } from 'node:net';

/** How the network between clients and server behaves at the moment. Changed while it is in use. */
export interface NetworkBehaviour {
  latencyMs: number;
  /** Of a request, or of its answer. */
  loss: number;
  /** Of a connection the server opens. */
  refusal: number;
}

/** A request that got no answer: nobody knows whether it was executed. */
export class NoAnswer extends Error {}

/** How long a client waits for an answer. */
const REQUEST_TIMEOUT_MS = 60_000;

/** Carries requests to whichever server lives, and webhooks from it to the endpoints. */
export class Network {
  readonly behaviour: NetworkBehaviour = { latencyMs: 0, loss: 0, refusal: 0 };
  server: ServerProcess | undefined;
  /** Takes what is posted, by the first segment of the path. */
  readonly endpoints: Map<string, (request: ArrivedRequest, answer: RequestAnswer) => void> = new Map();
  /** Told the name of an endpoint whose connection was refused. */
  onRefused: (name: string) => void = () => {};
  /** Whether nobody listens at an endpoint now. Default: somebody always does. */
  isDown: ((name: string) => boolean) | undefined;
  /** What the server's own machine has run out of when it opens a connection, or looks one up; mostly nothing. */
  localFault: () => Error | undefined = () => undefined;
  /** Whether what a server answered still arrives after its end. Where it promised only for its own life, nobody could tell from when. */
  answersOutliveServer = true;
  /** Called when the server is gone, and with it every connection to it. */
  readonly onServerGone: Set<() => void> = new Set();
  readonly #names: string[] = [];
  readonly #time: VirtualTime;
  readonly #random: Random;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  /** Rejects with {@link NoAnswer}, or with the server's error. Without a time limit it may never settle. */
  request(request: ServerRequest, timeoutMs: number | undefined = REQUEST_TIMEOUT_MS): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timeout = timeoutMs === Infinity ? undefined : this.#time.at(timeoutMs, () => reject(new NoAnswer()));
      const answered = (act: () => void, server?: ServerProcess): void => {
        if (this.#random.chance(this.behaviour.loss)) return;
        this.later(() => {
          if (server?.alive === false && !this.answersOutliveServer) return;
          this.#time.cancel(timeout);
          act();
        });
      };
      if (this.#random.chance(this.behaviour.loss)) return;
      this.later(() => {
        // Its sender is gone, and the connection with it. Else it could end what the next process has begun.
        if (request.signal.aborted) return;
        const server = this.server;
        if (server === undefined) {
          answered(() => reject(new NoAnswer()));
          return;
        }
        // A dead server answers nothing, whatever its code still does.
        const ifAlive = (act: () => void): void => {
          if (server.alive) answered(act, server);
        };
        const notify: ServerRequest['notify'] = async (message) => {
          if (server.alive) await request.notify(message);
        };
        server.request({ ...request, notify }).then(
          (result) => ifAlive(() => resolve(result)),
          (error: Error) => ifAlive(() => reject(error)),
        );
      });
    });
  }

  /** Whether a message is lost on its way. */
  losesMessage(): boolean {
    return this.#random.chance(this.behaviour.loss);
  }

  /** Whether a server that is not there is told at once; else it is waited for. */
  refusesAtOnce(): boolean {
    return this.#random.chance(0.7);
  }

  /** After the time that a message takes. */
  later(callback: () => void): void {
    const delayMs = this.#random.delayMs(this.behaviour.latencyMs);
    if (delayMs === 0) this.#turn(callback);
    else this.#time.at(delayMs, callback);
  }

  /** The address of a host, whose first label is the name of an endpoint. */
  resolve(hostname: string): string {
    const name = hostname.split('.')[0] ?? '';
    const fault = this.localFault();
    if (fault !== undefined) throw fault;
    if (!this.#names.includes(name)) this.#names.push(name);
    return `192.0.2.${this.#names.indexOf(name) + 1}`;
  }

  /** A connection of the server to the endpoints. */
  connect(owner: () => ServerProcess | undefined, address: string): Socket {
    const schedule = (callback: () => void): void => this.#turn(callback);
    const name = this.#names[Number(address.split('.')[3]) - 1] ?? '';
    const fault = this.localFault();
    if (fault !== undefined) return failingSocket(schedule, fault);
    if (this.#random.chance(this.behaviour.refusal)) {
      this.onRefused(name);
      return refusedSocket(schedule);
    }
    if (this.isDown?.(name) === true) {
      this.onRefused(name);
      return refusedSocket(schedule);
    }
    const server = owner();
    return virtualSocket((request, answer) => {
      this.#time.active();
      const isAlive = (): boolean => server === undefined || server.alive;
      if (!isAlive()) return;
      const endpoint = this.endpoints.get(request.path.split('/')[1] ?? '');
      endpoint?.(request, {
        respond: (status, headers, body) => {
          this.#time.active();
          if (isAlive()) answer.respond(status, headers, body);
        },
        reset: () => {
          this.#time.active();
          answer.reset();
        },
        isAwaited: () => isAlive() && answer.isAwaited(),
      });
    }, schedule);
  }

  #turn(callback: () => void): void {
    this.#time.active();
    setImmediate(() => {
      this.#time.active();
      callback();
    });
  }
}

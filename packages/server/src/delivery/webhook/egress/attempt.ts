import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../../clock.ts';
import type { CallbackTarget } from './callbackTarget.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import type { Connections } from './connections.ts';
import { causeOf, failureOf } from './dial.ts';
import type { EgressFailure, EgressRequest, EgressResult } from './egressRequest.ts';
import { isLocalFault, nameOfFault } from './localFault.ts';
import type { LocalFaults } from './localFault.ts';

/** How much of a body that nobody wants is read, so that its connection can be used again. */
const MAX_DISCARDED_BYTES = 65_536;

/** Addresses tried in one attempt: who answers for a name could otherwise have hundreds dialled by one delivery. */
const MAX_TRIES = 3;

/** Answers before the answer (1xx) that are read: two are plausible, and each costs about as much as a request (SSRF-13). */
const MAX_INFORMATIONAL = 5;

/** A timer that is later than this says that the process was stopped, or did nothing else for as long. */
const LATE_MS = 100;

const NO_BODY = new Uint8Array();

type Handler = Required<
  Pick<
    Dispatcher.DispatchHandler,
    'onRequestStart' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'
  >
>;

/** What the attempts of one egress share. */
export interface AttemptContext {
  readonly clock: Clock;
  readonly connections: Connections;
  readonly localFaults: LocalFaults;
}

/** One request on its way, from its checked addresses to its result. It is undici's handler itself: one object a request. */
export class Attempt implements ConnectionUser, Handler {
  readonly target: CallbackTarget;
  addresses: readonly string[] = [];
  readonly #request: EgressRequest;
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #settle: (result: EgressResult) => void;
  readonly #localFaults: LocalFaults;
  #timer: unknown;
  /** When its time is up. */
  #endsAtMs: number;
  #extended = false;
  /** Runs while a connection is opened and there is another address to turn to. */
  #connectTimer: unknown;
  #connectShareMs = 0;
  #tries = 0;
  #connection: Connection | undefined;
  #sent = false;
  #settled = false;
  /** What another address failed with: one that was refused says more of the endpoint than a fault of ours. */
  #refusal: Exclude<EgressFailure, 'local_fault'> | undefined;
  #informational = 0;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];
  #receivedBytes = 0;

  constructor(
    { clock, connections, localFaults }: AttemptContext,
    request: EgressRequest,
    target: CallbackTarget,
    settle: (result: EgressResult) => void,
  ) {
    this.#clock = clock;
    this.#connections = connections;
    this.#request = request;
    this.target = target;
    this.#settle = settle;
    this.#localFaults = localFaults;
    this.#endsAtMs = clock.monotonicMs() + request.timeoutMs;
    this.#timer = clock.setTimeout(() => this.#timeIsUp(), request.timeoutMs);
  }

  /** Sends the request to one of `addresses`, which have been checked for it. */
  start(addresses: readonly string[]): void {
    if (this.#settled) return;
    this.addresses = addresses;
    this.#connectShareMs = this.#request.timeoutMs / Math.min(addresses.length, MAX_TRIES);
    this.#connections.acquire(this);
  }

  /** Ends the attempt in whatever state it is. Idempotent. */
  fail(reason: Exclude<EgressFailure, 'local_fault'>): void {
    this.#fail({ kind: 'failed', reason });
  }

  /** Ends the attempt for a fault of this machine or process, which is told to the operator (DELIV-18). Idempotent. */
  break(error: unknown): void {
    if (this.#settled) return;
    this.#localFaults.seen(error);
    this.#fail({ kind: 'failed', reason: 'local_fault', fault: nameOfFault(error) });
  }

  /** What it was to find out with threw this: a name that does not resolve, or a fault of ours. */
  unresolved(error: unknown): void {
    if (isLocalFault(error)) this.break(error);
    else this.fail('connection_refused');
  }

  #fail(result: EgressResult): void {
    if (this.#settled) return;
    this.#finish(result);
    if (this.#connection === undefined) this.#connections.withdraw(this);
    else this.#connections.destroy(this.#connection);
  }

  /**
   * A process that was stopped finds its timers due before it has looked at its sockets, where the answer may lie; and what
   * it had to do itself was not done. It gets as much time again as it was late, once, and looks before it gives up
   * (DELIV-19).
   */
  #timeIsUp(): void {
    const lateMs = this.#clock.monotonicMs() - this.#endsAtMs;
    if (lateMs > LATE_MS && !this.#extended) {
      this.#extended = true;
      const moreMs = Math.min(lateMs, this.#request.timeoutMs);
      this.#endsAtMs = this.#clock.monotonicMs() + moreMs;
      this.#timer = this.#clock.setTimeout(() => this.#timeIsUp(), moreMs);
    } else this.#look(() => this.fail('timeout'));
  }

  /** Lets what lies in the sockets be read, then does something. */
  #look(then: () => void): void {
    this.#clock.setImmediate(() => this.#clock.setImmediate(then));
  }

  refuse(): void {
    this.fail('connection_refused');
  }

  use(connection: Connection): void {
    const { method, headers, body, maxResponseBytes } = this.#request;
    this.#connection = connection;
    connection.begin();
    // The last one has all the time that is left, and what ends it then is the limit.
    if (!connection.established && this.addresses.length > 1 && this.#tries + 1 < MAX_TRIES) {
      // The failure of this address, told within the call, leads to the next one.
      const giveUp = (): void => {
        // It may have been accepted meanwhile, or another attempt may have it.
        if (this.#connection === connection && !this.#sent) this.#connections.destroy(connection);
      };
      this.#connectTimer = this.#clock.setTimeout(() => this.#look(giveUp), this.#connectShareMs);
    }
    try {
      connection.client.dispatch(
        {
          path: this.target.path,
          method,
          // What is read is read as it comes; nothing is decompressed, so it had better not be compressed.
          headers: maxResponseBytes > 0 ? { ...headers, 'accept-encoding': 'identity' } : headers,
          body,
        },
        this,
      );
    } catch (error) {
      this.break(error);
    }
  }

  /** The request goes out: from here on it may have been received, so no other address is tried. */
  onRequestStart(): void {
    this.#sent = true;
    this.#clock.clearTimeout(this.#connectTimer);
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) this.fail('connection_refused');
      return;
    }
    this.#status = status;
    this.#headers = headers;
    if (this.#request.maxResponseBytes > 0) return;
    this.#respond(false);
    if (this.#connection !== undefined) this.#connections.spare(this.#connection);
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    const { maxResponseBytes } = this.#request;
    this.#receivedBytes += chunk.length;
    if (maxResponseBytes > 0) this.#chunks.push(chunk);
    if (this.#receivedBytes <= (maxResponseBytes || MAX_DISCARDED_BYTES)) return;
    this.#respond(true);
    if (this.#connection !== undefined) this.#connections.destroy(this.#connection);
  }

  onResponseEnd(): void {
    this.#respond(false);
    if (this.#connection !== undefined) this.#connections.release(this.#connection);
  }

  onResponseError(_controller: unknown, error: Error): void {
    const connection = this.#connection;
    if (connection !== undefined) this.#connections.destroy(connection);
    this.#connection = undefined;
    if (this.#settled) return;
    this.#clock.clearTimeout(this.#connectTimer);
    this.#tries++;
    this.addresses = this.addresses.filter((address) => address !== connection?.address);
    const reason = failureOf(error);
    if (reason === 'local_fault') this.#connections.makeRoom();
    else this.#refusal = reason;
    if (!this.#sent && this.#tries < MAX_TRIES && this.addresses.length > 0) this.#connections.acquire(this);
    else if (reason !== 'local_fault') this.fail(reason);
    else if (this.#refusal === undefined) this.break(causeOf(error));
    else this.fail(this.#refusal);
  }

  #respond(truncated: boolean): void {
    if (this.#settled) return;
    this.#finish({
      kind: 'response',
      status: this.#status,
      retryAfter: firstOf(this.#headers['retry-after']),
      cacheControl: firstOf(this.#headers['cache-control']),
      age: firstOf(this.#headers.age),
      body:
        this.#chunks.length === 0 ? NO_BODY : Buffer.concat(this.#chunks).subarray(0, this.#request.maxResponseBytes),
      truncated,
    });
  }

  #finish(result: EgressResult): void {
    this.#settled = true;
    this.#clock.clearTimeout(this.#timer);
    this.#clock.clearTimeout(this.#connectTimer);
    this.#settle(result);
  }
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value;
}

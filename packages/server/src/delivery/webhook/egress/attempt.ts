import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../../clock.ts';
import type { CallbackTarget } from './callbackTarget.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import type { Connections } from './connections.ts';
import { failureOf } from './dial.ts';
import type { EgressFailure, EgressRequest, EgressResult } from './egressRequest.ts';

/** How much of a body that nobody wants is read, so that its connection can be used again. */
const MAX_DISCARDED_BYTES = 65_536;

/** Addresses tried in one attempt: who answers for a name could otherwise have hundreds dialled by one delivery. */
const MAX_TRIES = 3;

const NO_BODY = new Uint8Array();

type Handler = Required<
  Pick<
    Dispatcher.DispatchHandler,
    'onRequestStart' | 'onResponseStart' | 'onResponseData' | 'onResponseEnd' | 'onResponseError'
  >
>;

/** One request on its way, from its checked addresses to its result. It is undici's handler itself: one object a request. */
export class Attempt implements ConnectionUser, Handler {
  readonly target: CallbackTarget;
  addresses: readonly string[] = [];
  readonly #request: EgressRequest;
  readonly #clock: Clock;
  readonly #connections: Connections;
  readonly #settle: (result: EgressResult) => void;
  readonly #timer: unknown;
  /** Runs while a connection is opened and there is another address to turn to. */
  #connectTimer: unknown;
  #connectShareMs = 0;
  #tries = 0;
  #connection: Connection | undefined;
  #sent = false;
  #settled = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];
  #receivedBytes = 0;

  constructor(
    { clock, connections }: { readonly clock: Clock; readonly connections: Connections },
    request: EgressRequest,
    target: CallbackTarget,
    settle: (result: EgressResult) => void,
  ) {
    this.#clock = clock;
    this.#connections = connections;
    this.#request = request;
    this.target = target;
    this.#settle = settle;
    this.#timer = clock.setTimeout(() => this.fail('timeout'), request.timeoutMs);
  }

  /** Sends the request to one of `addresses`, which have been checked for it. */
  start(addresses: readonly string[]): void {
    if (this.#settled) return;
    this.addresses = addresses;
    this.#connectShareMs = this.#request.timeoutMs / Math.min(addresses.length, MAX_TRIES);
    this.#connections.acquire(this);
  }

  /** Ends the attempt in whatever state it is. Idempotent. */
  fail(reason: EgressFailure): void {
    if (this.#settled) return;
    this.#finish({ kind: 'failed', reason });
    if (this.#connection === undefined) this.#connections.withdraw(this);
    else this.#connections.destroy(this.#connection);
  }

  refuse(): void {
    this.fail('connection_refused');
  }

  use(connection: Connection): void {
    const { method, headers, body, maxResponseBytes } = this.#request;
    this.#connection = connection;
    if (!connection.established && this.addresses.length > 1) {
      // The failure of this address, told within the call, leads to the next one.
      this.#connectTimer = this.#clock.setTimeout(() => this.#connections.destroy(connection), this.#connectShareMs);
    }
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
  }

  /** The request goes out: from here on it may have been received, so no other address is tried. */
  onRequestStart(): void {
    this.#sent = true;
    this.#clock.clearTimeout(this.#connectTimer);
  }

  onResponseStart(_controller: unknown, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
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
    if (this.#sent || this.#tries === MAX_TRIES || this.addresses.length === 0) this.fail(failureOf(error));
    else this.#connections.acquire(this);
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

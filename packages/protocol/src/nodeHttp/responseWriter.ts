import { type Chunks, chunksOf } from './chunks.ts';
import type { NodeRequest, NodeResponse, Timers } from './messages.ts';

/** A longer rest of a body that nobody wants is not waited for on a connection that is to be used again. */
const MAX_SKIPPED_BYTES = 64 * 1024;

/**
 * What is still read, and thrown away, of a body that is refused. A connection that is closed in the middle of it is
 * reset, and the sender may lose the answer with it.
 */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 1_000;

const NO_BYTES = new Uint8Array(0);

/** Sends one response: no faster than it is taken, and no longer than somebody is there. */
export class ResponseWriter {
  readonly #incoming: NodeRequest;
  readonly #outgoing: NodeResponse;
  readonly #timers: Timers;
  readonly #closed = new AbortController();
  #chunks: Chunks | undefined;
  #drained: (() => void) | undefined;

  constructor(incoming: NodeRequest, outgoing: NodeResponse, timers: Timers) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#timers = timers;
    // One listener each for the whole response: one for each wait would cost memory for as long as a stream lasts.
    outgoing.on('close', () => this.#onClose());
    outgoing.on('drain', () => this.#drained?.());
  }

  /** Aborts when the client goes away before it has its response. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Rejects with what the body fails with. */
  async send(response: Response): Promise<void> {
    const { body } = response;
    const outgoing = this.#outgoing;
    // Somebody else has answered, or there is nobody to answer.
    if (outgoing.headersSent || outgoing.destroyed) {
      if (body !== null) chunksOf(body).cancel();
      return;
    }
    const headers = headersOf(response);
    const isCut = this.#isCut(headers['connection'] === 'close');
    if (isCut) headers['connection'] = 'close';
    // HTTP/2 has streams in the place of connections, and knows no such header.
    if (this.#incoming.httpVersionMajor > 1) delete headers['connection'];
    const isEmpty = this.#incoming.method === 'HEAD' || response.status === 204 || response.status === 304;
    if (body === null || isEmpty) {
      if (body !== null) chunksOf(body).cancel();
      else if (!isEmpty) headers['content-length'] = '0';
      await this.#sendWhole(response.status, headers, NO_BYTES, isCut);
      return;
    }
    this.#chunks = chunksOf(body);
    const isStream = headers['content-length'] !== undefined || isEventStream(headers);
    const first = isStream ? undefined : await this.#readFirst(this.#chunks);
    if (first?.whole !== undefined) {
      headers['content-length'] = String(first.whole.byteLength);
      await this.#sendWhole(response.status, headers, first.whole, isCut);
      return;
    }
    outgoing.writeHead(response.status, headers);
    outgoing.flushHeaders?.();
    await this.#stream(this.#chunks, first?.chunk, first?.next);
    if (isCut) await this.#linger();
    outgoing.end();
  }

  /**
   * Reads up to two chunks, as far as they are there already: a short body is to be sent with its length, in one piece, and
   * a slow one at once.
   */
  async #readFirst(
    chunks: Chunks,
  ): Promise<{ whole?: Uint8Array; chunk?: Uint8Array; next: ReturnType<Chunks['next']> }> {
    let timer: unknown;
    const turn = new Promise<undefined>((resolve) => {
      timer = this.#timers.setTimeout(() => resolve(undefined), 0);
    });
    try {
      const reading = chunks.next();
      const first = await Promise.race([reading, turn]);
      if (first === undefined) return { next: reading };
      if (first.done === true || first.value === undefined) return { whole: NO_BYTES, next: reading };
      const next = chunks.next();
      const second = await Promise.race([next, turn]);
      return second?.done === true ? { whole: first.value, next } : { chunk: first.value, next };
    } finally {
      this.#timers.clearTimeout(timer);
    }
  }

  async #stream(chunks: Chunks, first: Uint8Array | undefined, following = chunks.next()): Promise<void> {
    const outgoing = this.#outgoing;
    let next = following;
    if (first !== undefined && !outgoing.write(first)) await this.#drain();
    for (;;) {
      const { done, value } = await next;
      if (done === true || outgoing.destroyed) return;
      if (value !== undefined && !outgoing.write(value)) await this.#drain();
      if (outgoing.destroyed) return;
      next = chunks.next();
    }
  }

  async #sendWhole(status: number, headers: Headers, bytes: Uint8Array, isCut: boolean): Promise<void> {
    const outgoing = this.#outgoing;
    outgoing.writeHead(status, headers);
    if (isCut) {
      // The client has all of the response, while the connection stays open.
      outgoing.flushHeaders?.();
      if (bytes.byteLength > 0) outgoing.write(bytes);
      await this.#linger();
      outgoing.end();
    } else if (bytes.byteLength > 0) outgoing.end(bytes);
    else outgoing.end();
  }

  /** Resolves when there is room again, or nobody left. */
  #drain(): Promise<void> {
    if (this.#outgoing.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = () => {
        this.#drained = undefined;
        resolve();
      };
    });
  }

  #onClose(): void {
    this.#drained?.();
    if (this.#outgoing.writableFinished) return;
    this.#closed.abort();
    this.#chunks?.cancel();
  }

  /** Whether the connection is closed although, or because, so much of the request's body follows. */
  #isCut(isClosing: boolean): boolean {
    const { readableEnded, method, destroyed, httpVersionMajor } = this.#incoming;
    if (readableEnded || destroyed || method === 'GET' || method === 'HEAD' || httpVersionMajor > 1) return false;
    if (isClosing) return true;
    const length = headerOf(this.#incoming, 'content-length');
    if (length !== undefined) return !(Number(length) <= MAX_SKIPPED_BYTES);
    return headerOf(this.#incoming, 'transfer-encoding') !== undefined;
  }

  #linger(): Promise<void> {
    const incoming = this.#incoming;
    let left = LINGER_BYTES;
    return new Promise((resolve) => {
      const stop = (): void => {
        this.#timers.clearTimeout(timer);
        incoming.off('data', onData);
        incoming.off('end', stop);
        incoming.off('close', stop);
        incoming.pause();
        resolve();
      };
      const onData = (chunk: unknown): void => {
        left -= (chunk as Uint8Array).byteLength;
        if (left <= 0) stop();
      };
      const timer = this.#timers.setTimeout(stop, LINGER_MS);
      incoming.on('data', onData);
      incoming.on('end', stop);
      incoming.on('close', stop);
      if (incoming.destroyed || incoming.readableEnded) stop();
      else incoming.resume();
    });
  }
}

type Headers = Record<string, string | string[]>;

function headersOf(response: Response): Headers {
  const headers: Headers = Object.fromEntries(response.headers);
  // The one that cannot be joined.
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  return headers;
}

function isEventStream(headers: Headers): boolean {
  return String(headers['content-type'] ?? '').startsWith('text/event-stream');
}

function headerOf({ rawHeaders }: NodeRequest, name: string): string | undefined {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === name) return rawHeaders[at + 1];
  }
  return undefined;
}

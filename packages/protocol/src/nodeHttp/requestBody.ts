import type { NodeRequest } from './messages.ts';

/** Name of the error with which a body fails that something in front of the handler has read. */
export const BODY_ALREADY_READ = 'BodyAlreadyReadError';

/**
 * The raw bytes of a request, taken from the connection only as far as somebody asks for them: what is refused by its
 * headers, or is too long, costs no memory here.
 */
export class RequestBody implements UnderlyingDefaultSource<Uint8Array> {
  readonly #incoming: NodeRequest;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #pulled: () => void = () => {};

  constructor(incoming: NodeRequest) {
    this.#incoming = incoming;
  }

  /** To be called once. Nothing is read ahead of the consumer. */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(this, { highWaterMark: 0 });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#incoming.readableDidRead) controller.error(alreadyRead());
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    const incoming = this.#incoming;
    if (this.#controller === undefined) {
      this.#controller = controller;
      incoming.on('data', this.#onData);
      incoming.on('end', this.#onEnd);
      incoming.on('close', this.#onClose);
      incoming.on('error', this.#onClose);
    }
    return new Promise((resolve) => {
      this.#pulled = resolve;
      if (incoming.destroyed) this.#onClose();
      else incoming.resume();
    });
  }

  cancel(): void {
    this.#incoming.pause();
    this.#leave();
  }

  /** The response is sent: whoever still reads gets an error, and the rest is thrown away as it comes. */
  abandon(): void {
    this.#controller?.error(new Error('The response was sent before the body was read.'));
    this.#leave();
    this.#incoming.resume();
  }

  readonly #onData = (chunk: unknown): void => {
    this.#incoming.pause();
    if (chunk instanceof Uint8Array) this.#controller?.enqueue(chunk);
    else {
      this.#controller?.error(new TypeError('The body is decoded already; signatures and lengths need its bytes.'));
      this.#leave();
    }
    this.#pulled();
  };

  readonly #onEnd = (): void => {
    this.#controller?.close();
    this.#leave();
  };

  readonly #onClose = (): void => {
    this.#controller?.error(new Error('The connection ended before the body did.'));
    this.#leave();
  };

  #leave(): void {
    const incoming = this.#incoming;
    incoming.off('data', this.#onData);
    incoming.off('end', this.#onEnd);
    incoming.off('close', this.#onClose);
    // The listener for `error` stays: without one, a connection that breaks later would end the program.
    this.#controller = undefined;
    this.#pulled();
  }
}

function alreadyRead(): Error {
  const error = new Error('The body was read already: mount the handler before what parses bodies.');
  error.name = BODY_ALREADY_READ;
  return error;
}

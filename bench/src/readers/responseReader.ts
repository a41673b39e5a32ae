const LF = 10;

export interface ResponseListener {
  /** Part of the body, within `buffer`, which is used again afterwards. */
  onBody(buffer: Buffer, start: number, end: number): void;
  /** The response is complete. */
  onEnd(): void;
}

/**
 * Finds the bodies of HTTP responses in what a socket receives. It looks at heads and chunk sizes only, so that
 * reading costs next to nothing beside the server that is measured.
 */
export class ResponseReader {
  readonly #listener: ResponseListener;
  /** Text of a head or chunk size that is not complete yet. */
  #line = '';
  #state: 'head' | 'size' | 'data' | 'data end' | 'last end' = 'head';
  #chunked = false;
  #left = 0;

  constructor(listener: ResponseListener) {
    this.#listener = listener;
  }

  read(buffer: Buffer, length: number): void {
    let at = 0;
    while (at < length) {
      if (this.#state === 'data') {
        const end = Math.min(length, at + this.#left);
        this.#listener.onBody(buffer, at, end);
        this.#left -= end - at;
        at = end;
        if (this.#left > 0) return;
        if (this.#chunked) this.#state = 'data end';
        else this.#end();
        continue;
      }
      const lineEnd = buffer.indexOf(LF, at);
      const end = lineEnd === -1 || lineEnd >= length ? length : lineEnd + 1;
      this.#line += buffer.toString('latin1', at, end);
      at = end;
      if (this.#line.endsWith('\n')) this.#lineComplete();
    }
  }

  #lineComplete(): void {
    const line = this.#line;
    switch (this.#state) {
      case 'head':
        if (line.endsWith('\r\n\r\n')) this.#startBody(line);
        return;
      case 'size':
        this.#left = Number.parseInt(line, 16);
        this.#state = this.#left === 0 ? 'last end' : 'data';
        break;
      case 'data end':
        this.#state = 'size';
        break;
      case 'last end':
        this.#end();
        break;
      case 'data':
        break;
    }
    this.#line = '';
  }

  #startBody(head: string): void {
    this.#line = '';
    if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`refused: ${head}`);
    this.#chunked = /\r\ntransfer-encoding: chunked/i.test(head);
    this.#left = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    this.#state = this.#chunked ? 'size' : 'data';
  }

  #end(): void {
    this.#line = '';
    this.#state = 'head';
    this.#listener.onEnd();
  }
}

/** A JSON-RPC message as a test looks at it. */
export interface Message {
  readonly jsonrpc?: string;
  readonly id?: string | number;
  readonly method?: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into messages of every shape
  readonly params?: any;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into messages of every shape
  readonly result?: any;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into messages of every shape
  readonly error?: { code: number; message: string; data?: any };
}

/** One open stream, read frame by frame. Waits for frames, never for time. */
export class FrameReader {
  readonly raw: string[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #rest = '';
  readonly #frames: string[] = [];

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** The next frame's message, `undefined` at the end of the stream. */
  async next(): Promise<Message | undefined> {
    while (this.#frames.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      const text = this.#decoder.decode(value, { stream: true });
      this.raw.push(text);
      const frames = (this.#rest + text).split('\n\n');
      this.#rest = frames.pop() ?? '';
      this.#frames.push(...frames.filter((frame) => !frame.startsWith(':')));
    }
    const data = (this.#frames.shift() as string).split('\n').filter((line) => line.startsWith('data:'));
    return JSON.parse(data.map((line) => line.slice('data:'.length)).join('\n')) as Message;
  }

  /** The next `count` messages. */
  async take(count: number): Promise<Message[]> {
    const messages: Message[] = [];
    while (messages.length < count) {
      const message = await this.next();
      if (message === undefined) break;
      messages.push(message);
    }
    return messages;
  }

  /** Everything up to the end of the stream. */
  async rest(): Promise<Message[]> {
    return this.take(Infinity);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

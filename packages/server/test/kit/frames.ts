import { settle } from './fakeClock.ts';

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

/** The kinds of messages, for readable expectations: `event` of `notifications/events/event`, and `result`. */
export function kindsOf(messages: readonly Message[]): string[] {
  return messages.map(({ method, error }) => method?.split('/').at(-1) ?? (error === undefined ? 'result' : 'failure'));
}

/** The `n` of the event messages among others. */
export function pushedNumbers(messages: readonly Message[]): unknown[] {
  return messages.filter(({ method }) => method === 'notifications/events/event').map(({ params }) => params.data.n);
}

/** One open stream, read frame by frame. Waits for frames, never for time. */
export class FrameReader {
  readonly raw: string[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #rest = '';
  readonly #frames: string[] = [];
  #pending: Promise<{ done: boolean; value?: Uint8Array | undefined }> | undefined;
  #ended = false;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** The next frame's message, `undefined` at the end of the stream. */
  async next(): Promise<Message | undefined> {
    while (this.#frames.length === 0) {
      if (this.#ended) return undefined;
      await this.#read();
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

  /** What the server has written by now, without waiting for anything more to happen. */
  async arrived(): Promise<Message[]> {
    for (let quiet = false; !quiet && !this.#ended;) {
      let read = false;
      const reading = this.#read().then(() => (read = true));
      await Promise.race([reading, settle()]);
      quiet = !read;
    }
    return this.take(this.#frames.length);
  }

  /** Whether the server has ended the stream, as far as it was read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Everything up to the end of the stream. */
  async rest(): Promise<Message[]> {
    return this.take(Infinity);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }

  /** Takes one chunk; whoever asks while a chunk is awaited waits for the same one. */
  async #read(): Promise<void> {
    const mine = (this.#pending ??= this.#reader.read());
    const { done, value } = await mine;
    if (this.#pending !== mine) return;
    this.#pending = undefined;
    this.#ended = done;
    if (value === undefined) return;
    const text = this.#decoder.decode(value, { stream: true });
    this.raw.push(text);
    const frames = (this.#rest + text).split('\n\n');
    this.#rest = frames.pop() ?? '';
    this.#frames.push(...frames.filter((frame) => !frame.startsWith(':')));
  }
}

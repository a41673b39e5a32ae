import type { Clock } from '../clock.ts';
import { FrameBody } from '../delivery/push/frameBody.ts';
import { rawFrame } from '../delivery/push/frames.ts';
import type { TurnFlusher } from '../delivery/push/turnFlusher.ts';
import { encodeUtf8 } from '../utf8.ts';
import { ACKNOWLEDGED_METHOD, acknowledgeListChanged, listChangedNotification } from './listChanged.ts';
import type { ListChanged, ListenId } from './listChanged.ts';

export interface HttpListenOptions {
  readonly listChanged: ListChanged;
  readonly clock: Clock;
  readonly flusher: TurnFlusher;
  /** Listen streams this package keeps open on its own at most. */
  readonly maxListenStreams: number;
}

/** The SDK's own interval for keeping idle connections open. */
const KEEP_ALIVE_MS = 15_000;

/** What may wait for a listener that does not read: it only ever needs the latest news. */
const LISTEN_BUFFER_BYTES = 64 * 1024;

/**
 * The SDK's answer to a `subscriptions/listen` with `eventsListChanged`: its own frames pass through, its confirmation
 * gets our member added, and our notification is written between frames (LIST-10, LIST-11).
 */
export function listenOverHttp(
  answer: Response,
  listenId: ListenId,
  options: HttpListenOptions,
  signal: AbortSignal,
): Response {
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const isFull = options.listChanged.listenerCount >= options.maxListenStreams;
  if (!isStream || isFull || answer.body === null) return answer;
  const stream = new ListenStream(answer.body, listenId, options, signal);
  return new Response(stream.body, { status: answer.status, headers: answer.headers });
}

class ListenStream {
  readonly #frames: FrameBody;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #listenId: ListenId;
  readonly #clock: Clock;
  readonly #removeListener: () => void;
  /** The SDK's last frame, kept for the end when it had nothing of its own to send. */
  #result: Uint8Array | undefined;
  #keepAliveTimer: unknown;
  /** Whether the SDK itself has something to deliver on this stream, so that its end is the end. */
  #acknowledgedOthers = false;
  /** The confirmation goes first: what changes before it is told right after it. */
  #acknowledged = false;
  /** A change that is still to be told: before the confirmation, or while there is no room. */
  #changed = false;
  /** Continues to read what the SDK sends, once there is room. */
  #resume: (() => void) | undefined;
  /** Whether everything the SDK had to send was passed on. */
  #forwarded = false;
  #finishing = false;
  #closed = false;

  constructor(source: ReadableStream<Uint8Array>, listenId: ListenId, options: HttpListenOptions, signal: AbortSignal) {
    this.#listenId = listenId;
    this.#clock = options.clock;
    this.#frames = new FrameBody({
      maxBufferedBytes: LISTEN_BUFFER_BYTES,
      flusher: options.flusher,
      onRoom: () => this.#onRoom(),
      onCancel: () => this.#close(),
    });
    const decoder = new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>;
    this.#reader = source.pipeThrough(decoder).getReader();
    this.#removeListener = options.listChanged.add({
      changed: () => this.#notify(),
      close: () => this.#finish(),
    });
    if (signal.aborted) this.#frames.cancel();
    else signal.addEventListener('abort', () => this.#frames.cancel(), { once: true });
    void this.#forward();
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#frames.stream;
  }

  /** Passes the SDK's frames on. It ends at once when it honoured nothing; then this stream lives on by itself. */
  async #forward(): Promise<void> {
    let rest = '';
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        const frames = (rest + value).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) await this.#pass(frame);
      }
    } catch {
      this.#end();
      return;
    }
    if (this.#closed) return;
    this.#forwarded = true;
    if (this.#acknowledgedOthers || this.#finishing) this.#end();
    else this.#keepAlive();
  }

  async #pass(frame: string): Promise<void> {
    const message = messageOf(frame);
    if (message?.method === ACKNOWLEDGED_METHOD) {
      this.#acknowledgedOthers = Object.keys(message.params?.notifications ?? {}).length > 0;
      await this.#write(rawFrame(JSON.stringify(acknowledgeListChanged(message))));
      this.#acknowledged = true;
      this.#tellChange();
    } else if (message !== undefined && 'result' in message) this.#result = encodeUtf8(`${frame}\n\n`);
    else await this.#write(encodeUtf8(`${frame}\n\n`));
  }

  #notify(): void {
    this.#changed = true;
    this.#tellChange();
  }

  /** One notification tells of all changes before it, so at most one waits. */
  #tellChange(): void {
    if (!this.#acknowledged || !this.#changed) return;
    const frame = rawFrame(JSON.stringify(listChangedNotification(this.#listenId)));
    this.#changed = !this.#frames.write(frame);
  }

  /** Writes a frame of the SDK's as soon as there is room: what a client does not read waits with the SDK. */
  async #write(bytes: Uint8Array): Promise<void> {
    while (!this.#closed && !this.#frames.write(bytes)) await new Promise<void>((resolve) => (this.#resume = resolve));
  }

  #onRoom(): void {
    this.#tellChange();
    this.#resume?.();
    this.#resume = undefined;
  }

  #keepAlive(): void {
    this.#keepAliveTimer = this.#clock.setTimeout(() => {
      // Whoever has no room for it has something to read, which keeps the connection open as well.
      this.#frames.write(encodeUtf8(': keepalive\n\n'));
      this.#keepAlive();
    }, KEEP_ALIVE_MS);
  }

  /** The server shuts down. As long as the SDK has something to send, its end is the end. */
  #finish(): void {
    if (this.#forwarded) this.#end();
    else this.#finishing = true;
  }

  /** The server ends the stream: its result goes last. */
  #end(): void {
    if (this.#closed) return;
    if (this.#acknowledged && this.#changed) {
      this.#frames.append(rawFrame(JSON.stringify(listChangedNotification(this.#listenId))));
    }
    if (this.#result !== undefined) this.#frames.append(this.#result);
    this.#frames.end();
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#resume?.();
    this.#clock.clearTimeout(this.#keepAliveTimer);
    this.#removeListener();
    this.#reader.cancel().catch(() => {});
  }
}

function messageOf(frame: string): { method?: string; params?: { notifications?: object } } | undefined {
  const data = frame.split('\n').find((line) => line.startsWith('data:'));
  if (data === undefined) return undefined;
  try {
    return JSON.parse(data.slice('data:'.length)) as { method?: string };
  } catch {
    return undefined;
  }
}

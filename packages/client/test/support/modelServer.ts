import { Methods } from '@mcp-events/protocol';
import { pending, type RawRequest, RawServer, type RawStream, RpcFailure } from './rawServer.ts';
import { occurrence } from './rawServer.ts';

/** A correct server over one growing log: event n has id "en", and cursor "cn" is the position after it. */
export class ModelServer extends RawServer {
  emitted = 0;
  /** How far the live stream has been written. */
  position = 0;
  live: RawStream | undefined;
  pushWorks = true;
  /**
   * Where the present client's first stream started. A server repeats what lies behind a client's cursor, never what lies
   * before it: a client that was restarted knows its cursor and nothing of the events before.
   */
  #repeatsAfter: number | undefined;

  constructor() {
    super();
    this.on(Methods.stream, (request) => {
      if (!this.pushWorks) throw new RpcFailure(-32603);
      queueMicrotask(() => this.#open(request));
      return pending;
    });
    this.on(Methods.poll, ({ params }: RawRequest) => {
      const from = this.positionOf(params['cursor']);
      const to = Math.min(this.emitted, from + params['maxEvents']);
      return {
        events: Array.from({ length: to - from }, (_, index) => occurrence(`e${from + index + 1}`)),
        cursor: `c${to}`,
        truncated: false,
        hasMore: to < this.emitted,
        nextPollMs: 1_000,
      };
    });
  }

  /** Writes up to `count` further events to the live stream. */
  pump(count: number): void {
    for (let written = 0; written < count && this.live !== undefined && this.position < this.emitted; written += 1) {
      if (this.cancelled.includes(this.live.request.id)) return;
      this.position += 1;
      this.live.event(`e${this.position}`, `c${this.position}`);
    }
  }

  /** The client is another one from now on. */
  clientRestarts(): void {
    this.#repeatsAfter = undefined;
  }

  /** Writes an event that was written before once more. */
  repeat(back: number): void {
    const n = this.position - back;
    if (this.live !== undefined && n > (this.#repeatsAfter ?? Infinity)) this.live.event(`e${n}`, `c${n}`);
  }

  heartbeat(): void {
    this.live?.heartbeat(`c${this.position}`);
  }

  drop(): void {
    this.live?.end();
    this.live = undefined;
  }

  async crash(): Promise<void> {
    this.live = undefined;
    await this.die();
  }

  #open(request: RawRequest): void {
    this.live = this.stream();
    this.position = this.positionOf(request.params['cursor']);
    this.#repeatsAfter ??= this.position;
    this.live.active(`c${this.position}`);
  }

  protected positionOf(cursor: string | null): number {
    return cursor === null ? this.emitted : Number(cursor.slice(1));
  }
}

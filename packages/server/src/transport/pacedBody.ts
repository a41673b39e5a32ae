import type { Clock } from '../clock.ts';

/**
 * The body of an answer that the SDK writes and that carries streams: its queue has no bound, so whoever writes a message of a
 * stream waits until everything before it was taken (CUR-08).
 */
export class PacedBody {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  /** The consumer asks for more, and nothing is there. */
  #isEmpty = false;
  /** Nobody reads any more, or everything was read. */
  #isOver = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the consumer has taken what was written, or is gone. */
  taken(): Promise<void> {
    if (this.#isOver || this.#isEmpty) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The answer, as it is, with a body that is asked for its chunks. */
  through(answer: Response): Response {
    const { status, headers, body } = answer;
    if (body === null) {
      this.#end();
      return answer;
    }
    const reader = body.getReader();
    const paced = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.#next(reader);
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: (reason) => {
          this.#end();
          return reader.cancel(reason);
        },
      },
      // Nothing is read ahead of the consumer.
      { highWaterMark: 0 },
    );
    return new Response(paced, { status, headers });
  }

  async #next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    let isPending = true;
    // What is there is read within this turn.
    this.#clock.setImmediate(() => {
      if (isPending) this.#empty();
    });
    try {
      const { done, value } = await reader.read();
      if (done) this.#end();
      return value;
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      isPending = false;
      this.#isEmpty = false;
    }
  }

  #empty(): void {
    this.#isEmpty = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #end(): void {
    this.#isOver = true;
    this.#empty();
  }
}

import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** One line of the file after the first. */
export interface Tick {
  readonly value: number;
  /** ISO 8601: when it was appended. */
  readonly at: string;
  /** It happened, but its details are lost: a gap for every reader who has not passed it. */
  readonly lost?: true;
}

/** Ticks after a cursor. */
export interface TickPage {
  readonly ticks: readonly (Tick & { readonly cursor: string })[];
  /** Position after the page. */
  readonly cursor: string;
  readonly hasMore: boolean;
  /** Reading cannot go on after the cursor asked for, only after this page's. */
  readonly gap: boolean;
}

/** Read at a time. A line has less than 100 bytes. */
const CHUNK_BYTES = 64 * 1024;

/**
 * A counter in a file that is only ever appended to: the durable upstream of `counter.tick`. The first line names the
 * file, every other line is one {@link Tick}. A cursor is that name and a byte offset, so it stays valid across runs and
 * is recognised when the file is another one. One process at a time may append.
 */
export class CounterFile {
  readonly #handle: FileHandle;
  readonly #name: string;
  /** End of what is on disk for certain. Nothing beyond it is ever shown. */
  #endOffset: number;
  #value: number;
  /** Appends one after the other. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(handle: FileHandle, name: string, endOffset: number, value: number) {
    this.#handle = handle;
    this.#name = name;
    this.#endOffset = endOffset;
    this.#value = value;
  }

  /** Opens or creates the file. Rejects with what is wrong with it. */
  static async open(path: string): Promise<CounterFile> {
    const handle = await open(path, 'a+').catch((error: unknown) => {
      const reason = (error as Error).message;
      throw new Error(`${path} cannot be opened; name a file to read and write, in a folder there is (${reason})`, {
        cause: error,
      });
    });
    try {
      let { size } = await handle.stat();
      if (size === 0) {
        await handle.appendFile(`${JSON.stringify({ counter: randomBytes(6).toString('hex') })}\n`);
        await handle.datasync();
        ({ size } = await handle.stat());
      }
      const name = nameIn(await textOf(handle, 0, Math.min(size, CHUNK_BYTES)));
      if (name === undefined) throw new Error(`${path} is not a counter file; name a new file or an empty one`);
      // A process killed while it appended may have left part of a line. Nobody was told of it, so it goes.
      const tailOffset = Math.max(0, size - CHUNK_BYTES);
      const tail = await textOf(handle, tailOffset, size - tailOffset);
      const complete = tail.slice(0, tail.lastIndexOf('\n') + 1);
      if (complete.length < tail.length) await handle.truncate(tailOffset + complete.length);
      return new CounterFile(handle, name, tailOffset + complete.length, lastValueIn(complete));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Position after everything appended so far. */
  get end(): string {
    return this.#cursorAt(this.#endOffset);
  }

  /** Stable name of a tick, different from those of other files. */
  eventIdOf(tick: Tick): string {
    return `${this.#name}-${tick.value}`;
  }

  /** Counts on by `count`. Settles with the last value once everything is on disk. */
  append(count: number, at: Date): Promise<number> {
    return this.#append(count, { at: at.toISOString() });
  }

  /** Counts on by one whose details are lost. */
  async lose(at: Date): Promise<void> {
    await this.#append(1, { at: at.toISOString(), lost: true });
  }

  /** Reads up to `limit` ticks after a cursor; the page ends before a lost one. */
  async read(cursor: string, limit: number): Promise<TickPage> {
    const end = this.#endOffset;
    const offset = this.#offsetIn(cursor);
    // From the byte before: only after the end of a line there is a position.
    const text =
      offset === undefined ? '' : await textOf(this.#handle, offset - 1, Math.min(CHUNK_BYTES, end - offset + 1));
    if (offset === undefined || !text.startsWith('\n')) {
      return { ticks: [], cursor: this.#cursorAt(end), hasMore: false, gap: true };
    }
    const ticks: (Tick & { cursor: string })[] = [];
    let position = offset;
    for (const line of text
      .slice(1, text.lastIndexOf('\n') + 1)
      .split('\n')
      .slice(0, -1)) {
      if (ticks.length === limit) break;
      const tick = JSON.parse(line) as Tick;
      if (tick.lost === true && ticks.length > 0) break;
      position += line.length + 1;
      if (tick.lost === true) return { ticks, cursor: this.#cursorAt(position), hasMore: position < end, gap: true };
      ticks.push({ ...tick, cursor: this.#cursorAt(position) });
    }
    return { ticks, cursor: this.#cursorAt(position), hasMore: position < end, gap: false };
  }

  async close(): Promise<void> {
    await this.#tail;
    await this.#handle.close();
  }

  #append(count: number, rest: Omit<Tick, 'value'>): Promise<number> {
    const appended = this.#tail.then(async () => {
      const lines = Array.from({ length: count }, (_, index) => {
        const tick: Tick = { value: this.#value + index + 1, ...rest };
        return `${JSON.stringify(tick)}\n`;
      });
      const text = lines.join('');
      try {
        await this.#handle.appendFile(text);
        await this.#handle.datasync();
      } catch (error) {
        // Whatever part arrived was promised to nobody, and the next append has to begin at a known place.
        await this.#handle.truncate(this.#endOffset);
        throw error;
      }
      this.#endOffset += text.length;
      this.#value += count;
      return this.#value;
    });
    this.#tail = appended.catch(() => {});
    return appended;
  }

  #cursorAt(offset: number): string {
    return `${this.#name}:${offset}`;
  }

  #offsetIn(cursor: string): number | undefined {
    const [name, digits = ''] = cursor.split(':');
    const offset = /^[1-9]\d*$/.test(digits) ? Number(digits) : Infinity;
    return name === this.#name && offset <= this.#endOffset ? offset : undefined;
  }
}

/** All of the file is ASCII, so characters count bytes. */
async function textOf(handle: FileHandle, offset: number, length: number): Promise<string> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, offset);
  return buffer.toString('latin1', 0, bytesRead);
}

/** 0 while only the first line is there. */
function lastValueIn(lines: string): number {
  const last = JSON.parse(lines.trimEnd().split('\n').at(-1) ?? '') as Partial<Tick>;
  return last.value ?? 0;
}

function nameIn(text: string): string | undefined {
  return /^\{"counter":"([0-9a-f]{12})"\}\n/.exec(text)?.[1];
}

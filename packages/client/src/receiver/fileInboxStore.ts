import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { text } from '@mcp-events/protocol/options';
import { z } from 'zod';
import { EventsClientError } from '../errors.ts';
import { identityOf } from '../store/fileIdentity.ts';
import { renamed, syncFolder, targetOf, temporaryOf } from '../store/replaceFile.ts';
import { type InboxChange, type InboxContent, InboxState, type InboxStore } from './inboxStore.ts';
import { toJson } from './toJson.ts';

const HEADER = '{"version":1}\n';

/**
 * Begins the first line of each write, and says that everything before it is on the disk. What is damaged behind the last
 * one is of a write that was never reported as done: the pages of one write reach the disk in any order.
 */
const SYNCED = '{"synced":true,';

/** A file is written anew when it holds this much, and twice, more than what was needed when that was done last. */
const SLACK_BYTES = 1024 * 1024;

const ids = { subscriptionId: z.string(), webhookId: z.string() };
const changeSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('message'),
    number: z.int(),
    message: z.looseObject({ kind: z.enum(['event', 'gap', 'terminated']), ...ids }),
  }),
  z.object({ kind: z.literal('done'), number: z.int() }),
  z.object({ kind: z.literal('mark'), mark: z.looseObject(ids) }),
]);

/**
 * Keeps an inbox in one file: a line for each change, flushed to the disk before `append` resolves; changes that arrive
 * during a flush share the next one. The file is written anew now and then, without what is done. A crash in the middle
 * of a write costs only changes that were not reported as kept. One process at a time may use a file: one that finds what it
 * did not write writes no more, and tells that (`TAKEN_OVER`).
 *
 * @param path created with its folders when it is opened
 * @throws TypeError for a path that is no text; EventsClientError with code `STORE_CORRUPT`, from `load`, if the file is not one of ours or damaged in its
 *   middle: it is left as it is
 */
export function fileInboxStore(path: string): InboxStore {
  text(path, 'the path given to fileInboxStore');
  return new FileInboxStore(path);
}

class FileInboxStore implements InboxStore {
  readonly #path: string;
  /** What the path leads to, if it is a link. */
  #target = '';
  #file: FileHandle | undefined;
  #state = new InboxState();
  /** Everything before this offset is whole. */
  #size = 0;
  /** A write failed, and may have left something behind that offset. */
  #isTorn = false;
  #sizeWhenCompacted = 0;
  /** Of the file, where it can be told. */
  #ino: bigint | undefined;
  /** Another process uses the file, which ends this one's writing. */
  #foreign: EventsClientError | undefined;
  readonly #pending: { change: InboxChange; line: string }[] = [];
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = resolve(path);
  }

  async load(): Promise<InboxContent> {
    await mkdir(dirname(this.#path), { recursive: true });
    const file = await open(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      this.#state = new InboxState();
      this.#size = this.#read(await file.readFile());
      await file.truncate(this.#size);
      if (this.#size === 0) {
        await writeAll(file, HEADER, 0);
        this.#size = HEADER.length;
      }
      await file.sync();
      this.#target = await targetOf(this.#path);
      await syncFolder(this.#target);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#file = file;
    this.#ino = (await identityOf(this.#target))?.ino;
    this.#foreign = undefined;
    this.#isTorn = false;
    this.#sizeWhenCompacted = this.#size;
    return this.#state.content();
  }

  async append(change: InboxChange): Promise<void> {
    // Here, so that one that cannot be written fails alone.
    this.#pending.push({ change, line: `${toJson(change)}\n` });
    this.#next ??= this.#writing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        const changes = this.#pending.splice(0);
        this.#writing = this.#write(changes);
        return this.#writing;
      });
    await this.#next;
  }

  async close(): Promise<void> {
    await (this.#next ?? this.#writing).catch(() => {});
    await this.#file?.close();
    this.#file = undefined;
  }

  async #write(changes: readonly { change: InboxChange; line: string }[]): Promise<void> {
    let file = this.#file;
    if (file === undefined) throw new EventsClientError('CLOSED', `The inbox file ${this.#path} is not open.`);
    if (this.#foreign !== undefined) throw this.#foreign;
    if (this.#size > 2 * this.#sizeWhenCompacted + SLACK_BYTES) file = await this.#compact(file);
    if (!this.#isTorn) await this.#assertOwn(this.#size);
    // What is written next begins at the same place, and may be shorter than what was left there.
    if (this.#isTorn) await file.truncate(this.#size);
    this.#isTorn = true;
    const written = await writeAll(
      file,
      SYNCED +
        changes
          .map(({ line }) => line)
          .join('')
          .slice(1),
      this.#size,
    );
    await file.datasync();
    await this.#assertOwn(this.#size + written);
    this.#isTorn = false;
    this.#size += written;
    // Only now, so that the state never holds more than the file.
    for (const { change } of changes) this.#state.apply(change);
  }

  async #compact(old: FileHandle): Promise<FileHandle> {
    const { messages, marks } = this.#state.content();
    const changes: InboxChange[] = [
      ...marks.map((mark) => ({ kind: 'mark' as const, mark })),
      ...messages.map((stored) => ({ kind: 'message' as const, ...stored })),
    ];
    const text = HEADER + changes.map((change) => `${toJson(change)}\n`).join('');
    const file = await replacement(this.#target, text);
    if (file === undefined) {
      // It goes on as it is, and is tried again when it holds twice as much.
      this.#sizeWhenCompacted = this.#size;
      return old;
    }
    const size = Buffer.byteLength(text);
    this.#file = file;
    this.#ino = (await identityOf(this.#target))?.ino;
    this.#isTorn = false;
    this.#size = size;
    this.#sizeWhenCompacted = size;
    await old.close();
    // Before anything is reported as kept in the new file: a crash must not bring the old one back.
    await syncFolder(this.#target);
    return file;
  }

  /** What is reported as kept must be there for the next process: in this file, under its name, and not over another's. */
  async #assertOwn(expected: number): Promise<void> {
    if (this.#ino === undefined) return;
    const found = await identityOf(this.#target);
    if (found?.ino === this.#ino && found.size === BigInt(expected)) return;
    this.#foreign = new EventsClientError(
      'TAKEN_OVER',
      `The inbox file ${this.#path} was changed or replaced by somebody else. One process at a time may use a file: stop the other one, and load it again.`,
    );
    throw this.#foreign;
  }

  /** Applies what the file holds, and tells up to where it is whole. */
  #read(bytes: Buffer): number {
    if (HEADER.startsWith(bytes.toString('utf8', 0, HEADER.length)) && bytes.length < HEADER.length) return 0;
    if (!bytes.subarray(0, HEADER.length).equals(Buffer.from(HEADER))) throw this.#corrupt();
    let whole = HEADER.length;
    let isDamaged = false;
    let hasMarks = false;
    for (let at = whole, end = bytes.indexOf('\n', at); end !== -1; at = end + 1, end = bytes.indexOf('\n', at)) {
      const line = bytes.toString('utf8', at, end);
      const change = parseChange(line);
      const isSynced = change !== undefined && line.startsWith(SYNCED);
      // A later write: what is damaged was on the disk, and may have been reported as kept. Where there are no marks, any
      // later line may be one.
      if (isDamaged && change !== undefined && (isSynced || !hasMarks)) throw this.#corrupt();
      hasMarks ||= isSynced;
      isDamaged ||= change === undefined;
      if (change === undefined || isDamaged) continue;
      this.#state.apply(change);
      whole = end + 1;
    }
    return whole;
  }

  #corrupt(): EventsClientError {
    return new EventsClientError(
      'STORE_CORRUPT',
      `The inbox file ${this.#path} cannot be read as one. Restore it, or delete it and lose what it holds.`,
    );
  }
}

function parseChange(line: string): InboxChange | undefined {
  try {
    return changeSchema.parse(JSON.parse(line)) as InboxChange;
  } catch {
    return undefined;
  }
}

/**
 * Puts a file with this text in the place of another one. Undefined if that cannot be done: the file is mounted by itself, or its
 * folder or its disk takes no other one. What it holds is as good as before, so nothing is to be refused for that.
 */
async function replacement(target: string, text: string): Promise<FileHandle | undefined> {
  const temporary = temporaryOf(target);
  const file = await open(temporary, 'w', 0o600).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    await writeAll(file, text, 0);
    await file.sync();
    if (await renamed(temporary, target)) return file;
  } catch {
    // As said.
  }
  await file.close().catch(() => {});
  return undefined;
}

/** @returns the number of bytes */
async function writeAll(file: FileHandle, text: string, position: number): Promise<number> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
  return bytes.length;
}

import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isJsonObject } from '@mcp-events/protocol';
import { text } from '@mcp-events/protocol/options';
import { z } from 'zod';
import { EventsClientError } from '../errors.ts';
import type { CursorStore, SubscriptionRecord } from './cursorStore.ts';
import { type FileIdentity, identityOf, isSameFile } from './fileIdentity.ts';
import { type DiskSteps, replaceFile, targetOf, temporaryOf } from './replaceFile.ts';

const fileSchema = z.object({
  version: z.literal(1),
  subscriptions: z.record(
    z.string(),
    z.looseObject({
      name: z.string(),
      // Not `z.record`, whose copy would lose a member named `__proto__`.
      arguments: z.custom<Record<string, unknown>>(isJsonObject),
      cursor: z.string().nullable(),
      seen: z.array(z.string()),
    }),
  ),
});

/**
 * Keeps positions in one JSON file. Each save replaces the file as a whole (written beside it, flushed, renamed), so a
 * crash leaves the old or the new content, never a torn one. What a symbolic link leads to is replaced, and the link stays; a
 * file that is mounted by itself, as in a container, is written in place after the whole content was flushed beside it. One
 * process at a time may use a file: what another one wrote since is not overwritten, which a save tells.
 *
 * @param path of a file, created with its folders on the first save; a missing file is an empty store. A relative one is taken
 *   from the folder the program is in at this call
 * @throws TypeError for a path that is no text; EventsClientError with code `STORE_CORRUPT`, from each method, if the file is not one of ours: positions are
 *   too valuable to be overwritten silently; with code `STORE_UNAVAILABLE` if the path is a folder; with code `TAKEN_OVER`, from
 *   what writes, if another process has written the file since this one did
 */
export function fileStore(path: string): CursorStore {
  text(path, 'the path given to fileStore');
  return fileStoreWith(path);
}

/** @param steps for tests of a disk that refuses some */
export function fileStoreWith(relativePath: string, steps?: DiskSteps): CursorStore {
  const path = resolve(relativePath) + (endsAsFolder(relativePath) ? '/' : '');
  /** Changes so far, and how many of them the file has: what could not be written is written with the next change. */
  let changes = 0;
  let written = 0;
  let loading: Promise<Map<string, SubscriptionRecord>> | undefined;
  /** The file as this process left or found it, where that is known. */
  let known: FileIdentity | undefined;
  /** Keys that were changed before the first write. Undefined after it: then the file is this process's own. */
  let changed: Set<string> | undefined = new Set();
  // Saves that arrive during a write share the next one: many subscriptions cost one file write, not one each.
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  const records = (): Promise<Map<string, SubscriptionRecord>> => {
    loading ??= identityOf(path)
      .then(async (identity) => {
        const content = await read(path);
        known = identity;
        return content;
      })
      .catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
    return loading;
  };
  /** Nothing that another process wrote is lost: before the first write it is taken over, after that it is told. */
  const takeIn = async (content: Map<string, SubscriptionRecord>): Promise<void> => {
    const found = await identityOf(path);
    if (found === undefined || (known === undefined && changed === undefined)) return;
    if (known !== undefined && isSameFile(known, found)) return;
    if (changed === undefined) throw takenOver(path);
    const latest = await read(path);
    for (const key of content.keys()) if (!changed.has(key) && !latest.has(key)) content.delete(key);
    for (const [key, record] of latest) if (!changed.has(key)) content.set(key, record);
  };
  const replaceWith = async (content: Map<string, SubscriptionRecord>): Promise<void> => {
    await takeIn(content);
    const upTo = changes;
    // Should it fail, what is there then may be either.
    known = undefined;
    changed = undefined;
    await replace(path, content, steps);
    known = await identityOf(path);
    written = upTo;
  };
  const write = (content: Map<string, SubscriptionRecord>): Promise<void> => {
    next ??= writing
      .catch(() => {})
      .then(() => {
        next = undefined;
        writing = replaceWith(content);
        return writing;
      });
    return next;
  };

  return {
    load: async (key) => structuredClone((await records()).get(key)),
    save: async (key, record) => {
      const content = await records();
      content.set(key, structuredClone(record));
      changed?.add(key);
      changes += 1;
      await write(content);
    },
    delete: async (key) => {
      const content = await records();
      if (content.delete(key)) {
        changed?.add(key);
        changes += 1;
      }
      if (written !== changes) await write(content);
    },
    list: async () => structuredClone([...(await records()).values()]),
  };
}

/**
 * How much later a file may be written than the copy beside it: a file that cannot be replaced is written in its place, right
 * after the whole was flushed beside it.
 */
const IN_PLACE_MS = 60_000;

async function read(path: string): Promise<Map<string, SubscriptionRecord>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    // What ends like a folder could not become a file either.
    if ((error as NodeJS.ErrnoException).code === 'EISDIR' || endsAsFolder(path)) throw aFolder(path, error);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    return parse(text);
  } catch (error) {
    const beside = await besides(path);
    if (beside !== undefined && !beside.isOlder) return beside.records;
    const remedy =
      beside === undefined
        ? 'Restore it, or delete it to start every subscription from now.'
        : `The copy beside it, ${beside.path}, is whole, but older: put it in its place to go on from there, which may bring events again.`;
    throw new EventsClientError('STORE_CORRUPT', `The cursor file ${path} cannot be read as one. ${remedy}`, {
      cause: error,
    });
  }
}

/** The copy that a write in place left beside the file. One that is older than the file was overtaken by other writes. */
async function besides(
  path: string,
): Promise<{ path: string; isOlder: boolean; records: Map<string, SubscriptionRecord> } | undefined> {
  try {
    const target = await targetOf(path);
    const temporary = temporaryOf(target);
    const [file, copy] = await Promise.all([stat(target), stat(temporary)]);
    const records = parse(await readFile(temporary, 'utf8'));
    return { path: temporary, isOlder: copy.mtimeMs < file.mtimeMs - IN_PLACE_MS, records };
  } catch {
    return undefined;
  }
}

function endsAsFolder(path: string): boolean {
  return /[/\\]$/.test(path);
}

function aFolder(path: string, cause?: unknown): EventsClientError {
  const message = `The path given to fileStore, ${path}, is a folder: name a file in it, such as ${join(path, 'cursors.json')}.`;
  return new EventsClientError('STORE_UNAVAILABLE', message, { cause });
}

function takenOver(path: string): EventsClientError {
  return new EventsClientError(
    'TAKEN_OVER',
    `Another process has written the cursor file ${path} since this one did, and it is not overwritten. One process at a time may use a file: stop one of them, or give each a file of its own.`,
  );
}

function parse(text: string): Map<string, SubscriptionRecord> {
  const content = fileSchema.parse(JSON.parse(text));
  return new Map(Object.entries(content.subscriptions as Record<string, SubscriptionRecord>));
}

async function replace(path: string, content: Map<string, SubscriptionRecord>, steps?: DiskSteps): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const text = JSON.stringify({ version: 1, subscriptions: Object.fromEntries(content) }, null, 2);
  await replaceFile(path, `${text}\n`, steps);
}

import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isJsonObject } from '@mcp-events/protocol';
import { text } from '@mcp-events/protocol/options';
import { z } from 'zod';
import { EventsClientError } from '../errors.ts';
import type { CursorStore, SubscriptionRecord } from './cursorStore.ts';
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
 * process at a time may use a file.
 *
 * @param path of a file, created with its folders on the first save; a missing file is an empty store. A relative one is taken
 *   from the folder the program is in at this call
 * @throws TypeError for a path that is no text; EventsClientError with code `STORE_CORRUPT`, from each method, if the file is not one of ours: positions are
 *   too valuable to be overwritten silently; with code `STORE_UNAVAILABLE` if the path is a folder
 */
export function fileStore(path: string): CursorStore {
  text(path, 'the path given to fileStore');
  return fileStoreWith(path);
}

/** @param steps for tests of a disk that refuses some */
export function fileStoreWith(relativePath: string, steps?: DiskSteps): CursorStore {
  const path = resolve(relativePath) + (/[/\\]$/.test(relativePath) ? '/' : '');
  /** Changes so far, and how many of them the file has: what could not be written is written with the next change. */
  let changes = 0;
  let written = 0;
  let loading: Promise<Map<string, SubscriptionRecord>> | undefined;
  // Saves that arrive during a write share the next one: many subscriptions cost one file write, not one each.
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  const records = (): Promise<Map<string, SubscriptionRecord>> => {
    loading ??= read(path).catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
  const write = (content: Map<string, SubscriptionRecord>): Promise<void> => {
    next ??= writing
      .catch(() => {})
      .then(() => {
        next = undefined;
        const upTo = changes;
        writing = replace(path, content, steps).then(() => {
          written = upTo;
        });
        return writing;
      });
    return next;
  };

  return {
    load: async (key) => structuredClone((await records()).get(key)),
    save: async (key, record) => {
      const content = await records();
      content.set(key, structuredClone(record));
      changes += 1;
      await write(content);
    },
    delete: async (key) => {
      const content = await records();
      if (content.delete(key)) changes += 1;
      if (written !== changes) await write(content);
    },
    list: async () => structuredClone([...(await records()).values()]),
  };
}

async function read(path: string): Promise<Map<string, SubscriptionRecord>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What ends like a folder could not become a file either.
    if (code === 'EISDIR' || /[/\\]$/.test(path)) {
      const message = `The path given to fileStore, ${path}, is a folder: name a file in it, such as ${join(path, 'cursors.json')}.`;
      throw new EventsClientError('STORE_UNAVAILABLE', message, { cause: error });
    }
    if (code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    return parse(text);
  } catch (error) {
    // A file that cannot be replaced is written in its place, after the whole was written beside it.
    const beside = await readFile(temporaryOf(await targetOf(path)), 'utf8')
      .then(parse)
      .catch(() => undefined);
    if (beside !== undefined) return beside;
    throw new EventsClientError(
      'STORE_CORRUPT',
      `The cursor file ${path} cannot be read as one. Restore it, or delete it to start every subscription from now.`,
      { cause: error },
    );
  }
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

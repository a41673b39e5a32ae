import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isJsonObject } from '@mcp-events/protocol';
import { z } from 'zod';
import { EventsClientError } from '../errors.ts';
import type { CursorStore, SubscriptionRecord } from './cursorStore.ts';

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
 * crash leaves the old or the new content, never a torn one. One process at a time may use a file.
 *
 * @param path of a file, created with its folders on the first save; a missing file is an empty store
 * @throws EventsClientError with code `STORE_CORRUPT`, from each method, if the file is not one of ours: positions are
 *   too valuable to be overwritten silently; with code `STORE_UNAVAILABLE` if the path is a folder
 */
export function fileStore(path: string): CursorStore {
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
        writing = replace(path, content);
        return writing;
      });
    return next;
  };

  return {
    load: async (key) => structuredClone((await records()).get(key)),
    save: async (key, record) => {
      const content = await records();
      content.set(key, structuredClone(record));
      await write(content);
    },
    delete: async (key) => {
      const content = await records();
      if (content.delete(key)) await write(content);
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
    const content = fileSchema.parse(JSON.parse(text));
    return new Map(Object.entries(content.subscriptions as Record<string, SubscriptionRecord>));
  } catch (error) {
    throw new EventsClientError(
      'STORE_CORRUPT',
      `The cursor file ${path} cannot be read as one. Restore it, or delete it to start every subscription from now.`,
      { cause: error },
    );
  }
}

async function replace(path: string, content: Map<string, SubscriptionRecord>): Promise<void> {
  const temporary = `${path}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ version: 1, subscriptions: Object.fromEntries(content) }, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredSubscription, SubscriptionStore } from '@mcp-events/server';

/**
 * Webhook subscriptions as files, one each. Enough for one server process and a story; the secrets in them are readable
 * by whoever can read the directory.
 */
export class FileStore implements SubscriptionStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async load(): Promise<StoredSubscription[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#directory)).filter((name) => name.endsWith('.json'));
    return Promise.all(
      names.map(async (name) => JSON.parse(await readFile(join(this.#directory, name), 'utf8')) as StoredSubscription),
    );
  }

  async save(subscription: StoredSubscription): Promise<void> {
    const path = this.#path(subscription.id);
    // Renaming is atomic: a crash leaves the old record or the new one, never half of one.
    await writeFile(`${path}.new`, JSON.stringify(subscription), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async delete(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  /** Ids are made of letters, digits, `-` and `_` only. */
  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }
}

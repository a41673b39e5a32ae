/**
 * Shares calls that are asked for at the same time under the same key, without ever giving a caller an answer that was
 * computed before it asked: whoever comes while a call runs gets the next one, which all of them share.
 */
export class SharedCalls<T> {
  readonly #calls = new Map<string, { running: Promise<T>; next: Promise<T> | undefined }>();

  get size(): number {
    return this.#calls.size;
  }

  get(key: string, call: () => Promise<T>): Promise<T> {
    const current = this.#calls.get(key);
    if (current === undefined) return this.#start(key, call);
    current.next ??= current.running.then(
      () => this.#start(key, call),
      () => this.#start(key, call),
    );
    return current.next;
  }

  #start(key: string, call: () => Promise<T>): Promise<T> {
    const running = call();
    const entry = { running, next: undefined };
    this.#calls.set(key, entry);
    const finish = (): void => {
      // A queued call replaces this entry itself, as the first thing it does.
      if (this.#calls.get(key) === entry && entry.next === undefined) this.#calls.delete(key);
    };
    running.then(finish, finish);
    return running;
  }
}

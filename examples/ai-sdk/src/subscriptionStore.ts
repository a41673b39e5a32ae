import type { Experimental_MCPEventStore, Experimental_MCPEventSubscription } from '@ai-sdk/mcp';

/**
 * What the AI SDK has to remember of its subscriptions, secrets included. An application keeps this in a private
 * database, one per MCP server and user; here it is a map.
 */
export class SubscriptionStore implements Experimental_MCPEventStore {
  readonly #byKey = new Map<string, Experimental_MCPEventSubscription>();

  /** Everything that is remembered. */
  get records(): readonly Experimental_MCPEventSubscription[] {
    return [...this.#byKey.values()];
  }

  async get(key: string): Promise<Experimental_MCPEventSubscription | undefined> {
    return this.#byKey.get(key);
  }

  async getById(id: string): Promise<Experimental_MCPEventSubscription | undefined> {
    return this.records.find((record) => record.id === id);
  }

  async set(record: Experimental_MCPEventSubscription): Promise<void> {
    this.#byKey.set(record.key, record);
  }

  async update(key: string, patch: Partial<Experimental_MCPEventSubscription>): Promise<void> {
    const record = this.#byKey.get(key);
    if (record !== undefined) this.#byKey.set(key, { ...record, ...patch });
  }

  async delete(key: string): Promise<void> {
    this.#byKey.delete(key);
  }
}

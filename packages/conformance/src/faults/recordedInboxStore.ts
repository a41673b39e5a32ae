import type { InboxChange, InboxContent, InboxStore, WebhookMessage } from '@mcp-events/client/receiver';
import { readOwnFacts } from './factReader.ts';
import type { ProcessConfig, ProcessShell } from './processShell.ts';

/** The store of a webhook inbox, which tells what the application acknowledged as soon as that is stored. */
export class RecordedInboxStore implements InboxStore {
  readonly #shell: ProcessShell<ProcessConfig>;
  readonly #subscription: string;
  readonly #store: InboxStore;
  readonly #eventIds = new Map<number, string>();

  constructor(shell: ProcessShell<ProcessConfig>, subscription: string, store: InboxStore) {
    this.#shell = shell;
    this.#subscription = subscription;
    this.#store = store;
  }

  /** Ids of events that arrived, and are not acknowledged. */
  get pending(): string[] {
    return [...this.#eventIds.values()];
  }

  async load(): Promise<InboxContent> {
    const content = await this.#store.load();
    const { facts } = this.#shell;
    for (const { number, message } of content.messages) {
      this.#keep(number, message);
      // Stored by an earlier life, which may have had no time to tell.
      if (message.kind !== 'gap') continue;
      facts.record({ fact: 'received', subscription: this.#subscription, cursor: message.cursor, gap: true });
    }
    facts.record({ fact: 'received', subscription: this.#subscription, events: this.pending });
    const pending = new Set(this.pending);
    for (const eventId of this.#uncommitted()) if (!pending.has(eventId)) this.#committed(eventId);
    return content;
  }

  async append(change: InboxChange): Promise<void> {
    if (change.kind === 'message') this.#keep(change.number, change.message);
    try {
      await this.#store.append(change);
    } catch (error) {
      this.#shell.storeFailed();
      throw error;
    }
    if (change.kind !== 'done') return;
    const eventId = this.#eventIds.get(change.number);
    this.#eventIds.delete(change.number);
    if (eventId !== undefined) this.#committed(eventId);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #keep(number: number, message: WebhookMessage): void {
    if (message.kind === 'event') this.#eventIds.set(number, message.event.eventId);
  }

  /** Handed out by earlier lives, and not told to be acknowledged. */
  #uncommitted(): Set<string> {
    const { folder, name } = this.#shell.config;
    const open = new Set<string>();
    for (const fact of readOwnFacts(folder, name)) {
      if (fact.fact === 'handed' && fact.subscription === this.#subscription) open.add(fact.eventId);
      if (fact.fact === 'committed' && fact.subscription === this.#subscription) open.delete(fact.eventId);
    }
    return open;
  }

  #committed(eventId: string): void {
    this.#shell.facts.record({ fact: 'committed', subscription: this.#subscription, eventId });
  }
}

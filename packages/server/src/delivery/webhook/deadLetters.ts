import type { LastError } from '@mcp-events/protocol';
import type { FeedEvent } from '../../occurrence/feedEvent.ts';

/** An event that was given up after its last attempt (DELIV-08). */
export interface DeadLetter {
  /** Number of this letter, counted from the start of the server. */
  readonly number: number;
  readonly subscriptionId: string;
  readonly principal: string;
  /** Name of the event type. */
  readonly name: string;
  readonly eventId: string;
  /** ISO 8601: when the event happened. */
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly attempts: number;
  /** Why the last attempt failed. */
  readonly reason: LastError;
  /** ISO 8601. */
  readonly abandonedAt: string;
}

/** Which dead letters an operation concerns; absent members do not restrict. */
export interface DeadLetterFilter {
  readonly number?: number;
  readonly subscriptionId?: string;
  readonly principal?: string;
  readonly name?: string;
  readonly eventId?: string;
}

/** Letters kept; beyond them the oldest is forgotten. */
const MAX_LETTERS = 10_000;

/** Payload bytes kept, all letters together. */
const MAX_BYTES = 64 * 1024 * 1024;

/** Letters of one subscription, so that one dead endpoint cannot push out everybody else's. */
const MAX_LETTERS_PER_SUBSCRIPTION = 1_000;

interface Entry {
  readonly letter: DeadLetter;
  readonly event: FeedEvent;
}

/** Events that were given up, oldest first, bounded in number and size. */
export class DeadLetters {
  readonly #entries = new Map<number, Entry>();
  readonly #countBySubscription = new Map<string, number>();
  #next = 1;
  #bytes = 0;

  add(
    event: FeedEvent,
    details: Pick<DeadLetter, 'subscriptionId' | 'principal' | 'attempts' | 'reason' | 'abandonedAt'>,
  ): void {
    const { eventId, name, timestamp } = event;
    const letter: DeadLetter = {
      ...details,
      number: this.#next++,
      name,
      eventId,
      timestamp,
      get data() {
        return event.data;
      },
    };
    const { subscriptionId } = letter;
    this.#entries.set(letter.number, { letter, event });
    this.#bytes += event.dataJson.length;
    const count = (this.#countBySubscription.get(subscriptionId) ?? 0) + 1;
    this.#countBySubscription.set(subscriptionId, count);
    if (count > MAX_LETTERS_PER_SUBSCRIPTION) this.#forget(this.#oldestOf(subscriptionId));
    while (this.#entries.size > MAX_LETTERS || this.#bytes > MAX_BYTES)
      this.#forget(this.#entries.values().next().value);
  }

  list(filter: DeadLetterFilter): DeadLetter[] {
    return this.find(filter).map(({ letter }) => letter);
  }

  find(filter: DeadLetterFilter): Entry[] {
    const members = Object.entries(filter).filter(([, wanted]) => wanted !== undefined);
    return [...this.#entries.values()].filter(({ letter }) =>
      members.every(([member, wanted]) => letter[member as keyof DeadLetterFilter] === wanted),
    );
  }

  remove({ number }: DeadLetter): void {
    this.#forget(this.#entries.get(number));
  }

  #oldestOf(subscriptionId: string): Entry | undefined {
    for (const entry of this.#entries.values()) if (entry.letter.subscriptionId === subscriptionId) return entry;
    return undefined;
  }

  #forget(entry: Entry | undefined): void {
    if (entry === undefined || !this.#entries.delete(entry.letter.number)) return;
    const { subscriptionId } = entry.letter;
    this.#bytes -= entry.event.dataJson.length;
    const count = (this.#countBySubscription.get(subscriptionId) ?? 1) - 1;
    if (count === 0) this.#countBySubscription.delete(subscriptionId);
    else this.#countBySubscription.set(subscriptionId, count);
  }
}

import type { EventOrder } from '@mcp-events/protocol';
import { idsOf, type MessageIds } from './deduplication.ts';
import { RecentKeys } from './recentKeys.ts';
import type { WebhookMessage } from './registration.ts';
import { toJson } from './toJson.ts';

/**
 * What a `WebhookInbox` keeps. One inbox at a time uses a store; it calls `load` once, first, and may then call `append`
 * again before an earlier call resolved.
 */
export interface InboxStore {
  /** What is kept by now. */
  load(): Promise<InboxContent>;
  /**
   * Applies one change, after those before it. Once it resolves, the change must survive whatever the store promises to
   * survive: the server is told then that it need not send the message again (RECV-02).
   */
  append(change: InboxChange): Promise<void>;
  /** Lets go of what the store holds open. */
  close(): Promise<void>;
}

/** The content of a store. */
export interface InboxContent {
  /** Messages not acknowledged, the oldest first. */
  messages: StoredMessage[];
  /** Messages received before, the oldest first: to recognise repetitions, and to go on in their order. */
  marks: ReceivedMark[];
}

/** A message that is not acknowledged yet. */
export interface StoredMessage {
  /** Counts up, in order of arrival. */
  number: number;
  message: WebhookMessage;
}

/** What is remembered of a message. */
export interface ReceivedMark extends MessageIds {
  /** Of a gap: the last places it told to be missing, which later events may name. */
  missing?: readonly EventOrder[];
}

/** `message`: one arrived. `done`: it is acknowledged, and only its mark is kept. `mark`: a repetition arrived. */
export type InboxChange =
  | { kind: 'message'; number: number; message: WebhookMessage }
  | { kind: 'done'; number: number }
  | { kind: 'mark'; mark: ReceivedMark };

/** How many of the latest messages are remembered, over all subscriptions. */
export const REMEMBERED_MESSAGES = 20_000;

/** Places kept with the mark of a gap. Marks are many, and what follows earlier places has mostly arrived. */
const MARKED_PLACES = 16;

/** The content of a store as its changes make it, bounded as far as it is marks. */
export class InboxState {
  readonly #messages = new Map<number, WebhookMessage>();
  /** As JSON. */
  readonly #marks = new RecentKeys(REMEMBERED_MESSAGES);

  apply(change: InboxChange): void {
    switch (change.kind) {
      case 'message':
        this.#messages.set(change.number, change.message);
        return;
      case 'done': {
        const message = this.#messages.get(change.number);
        this.#messages.delete(change.number);
        if (message !== undefined) this.#mark(markOf(message));
        return;
      }
      case 'mark':
        this.#mark(change.mark);
    }
  }

  content(): InboxContent {
    return {
      messages: [...this.#messages].map(([number, message]) => ({ number, message })),
      marks: [...this.#marks].map((json) => JSON.parse(json) as ReceivedMark),
    };
  }

  #mark(mark: ReceivedMark): void {
    this.#marks.add(JSON.stringify(mark));
  }
}

/** Keeps an inbox as long as the process lives. */
export function memoryInboxStore(): InboxStore {
  const state = new InboxState();
  return {
    load: async () => state.content(),
    // A copy: what the application does to a message it was given is no change of the store.
    append: async (change) => state.apply(JSON.parse(toJson(change)) as InboxChange),
    close: async () => {},
  };
}

function markOf(message: WebhookMessage): ReceivedMark {
  const ids = idsOf(message);
  if (message.kind === 'gap' && message.missing !== undefined) {
    return { ...ids, missing: message.missing.slice(-MARKED_PLACES) };
  }
  return ids;
}

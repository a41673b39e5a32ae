import type { EventsError } from '@mcp-events/protocol';
import type { Clock } from '../clock.ts';
import type { MaybePromise } from '../maybePromise.ts';
import { FilterIndex } from '../subscription/filterIndex.ts';
import type { Filter } from '../subscription/filterIndex.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Attachment, Feed, FeedPage, FeedReceiver } from './feed.ts';
import { passOver } from './passOver.ts';
import { FeedEvent } from '../occurrence/feedEvent.ts';
import type { OccurrenceInput } from '../occurrence/feedEvent.ts';
import { Gap } from '../occurrence/gap.ts';

interface Member {
  readonly receiver: FeedReceiver;
  readonly subscription: SubscriptionDetails;
  attached: boolean;
}

/**
 * The feed of an event type without replay: events reach who is attached at the moment and are kept nowhere, so every
 * cursor is `null` (PUSH-06, CUR-05).
 */
export class LiveFeed implements Feed {
  readonly replays = false;
  readonly filters = true;
  readonly #index: FilterIndex<Member>;
  readonly #dispatcher: Dispatcher<Member>;

  constructor(filter: Filter, clock: Clock) {
    this.#index = new FilterIndex(filter);
    this.#dispatcher = new Dispatcher(clock, {
      candidates: (record) => this.#index.concernedBy(record),
      give: ({ attached, receiver }, record) => {
        if (!attached) return;
        if (record.kind === 'gap') passOver(receiver, record);
        else receiver.receive(record);
      },
      finished: () => {},
    });
  }

  append(input: OccurrenceInput): MaybePromise<FeedEvent> {
    const event = new FeedEvent(input, null);
    const turn = this.#dispatcher.add(event);
    return turn === undefined ? event : turn.then(() => event);
  }

  now(): FeedPage {
    return { records: [], from: null, cursor: null, truncated: false, hasMore: false };
  }

  read(): FeedPage {
    return this.now();
  }

  attach(receiver: FeedReceiver): Attachment {
    const member: Member = { receiver, subscription: receiver.subscription, attached: true };
    this.#index.add(member);
    return {
      cursor: () => null,
      detach: () => {
        if (!member.attached) return;
        member.attached = false;
        this.#index.delete(member);
      },
    };
  }

  /**
   * Events are known to be missing: told as a failure, since there is no position that moved (CUR-14), after what was
   * emitted before.
   */
  lose(): MaybePromise<null> {
    const turn = this.#dispatcher.add(new Gap(0));
    return turn === undefined ? null : turn.then(() => null);
  }

  /** The author's source fails at the moment (PUSH-07). */
  fail(error: EventsError): void {
    for (const { receiver } of this.#index.members()) receiver.fail(error);
  }

  /** Looks receivers up by other arguments from now on. */
  setFilter(filter: Filter): void {
    this.#index.setFilter(filter);
  }

  close(): void {
    this.#dispatcher.clear();
  }
}

import { Notifications } from '@mcp-events/protocol';
import type { LivePositions } from './livePositions.ts';
import { PushSubscriber } from './pushSubscriber.ts';
import type { PushMessage } from './pushSubscriber.ts';
import type { SubscriberContext, Wish } from './subscriber.ts';

/**
 * Keeps a stream of a type without replay open. While it stands, each event comes or an error tells that some were lost
 * (CUR-14); an interruption forgoes what happens meanwhile.
 */
export class LivePushSubscriber extends PushSubscriber {
  readonly #positions: LivePositions;
  readonly #mayLose: boolean;

  /** @param mayLose whether there is always a reason for a loss */
  constructor(wish: Wish, context: SubscriberContext, positions: LivePositions, mayLose: boolean) {
    super(wish, context);
    this.#positions = positions;
    this.#mayLose = mayLose;
  }

  /** There is no position to come back to. */
  protected override begin(): void {
    this.cursor = null;
    super.begin();
  }

  protected override take(message: PushMessage): void {
    const { method, params } = message;
    const { subscription } = this.wish;
    const { eventId, data, cursor } = params;
    if (cursor !== undefined && cursor !== null)
      this.context.complain(`${subscription} was given the cursor ${cursor}`);
    if (method === Notifications.active) this.context.record({ fact: 'subscribed', subscription });
    else if (method === Notifications.error) {
      this.context.count('composition: loss without replay');
      const at = this.context.time.nowMs;
      if (this.#mayLose) this.context.record({ fact: 'lossCause', subscription, why: 'may lose', at });
      this.received({ gap: true }, 'error');
    } else if (method === Notifications.event && eventId !== undefined) {
      this.received({ events: [{ eventId, data }], cursor: this.#positions.of(eventId) ?? null }, 'event');
      this.hand(eventId);
    } else super.take(message);
  }
}

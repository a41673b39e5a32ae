import type { ReceivedEvent, Subscription } from '../../src/index.ts';
import { settle } from './fakeClock.ts';

/** An application that asks for events when told to, as a `for await` loop with slow bodies does. */
export class Application {
  readonly handled: string[] = [];
  /** In hand, not acknowledged: asking for the next one acknowledges it. */
  inHand: string | undefined;
  #asking: Promise<void> | undefined;
  #subscription: Subscription | undefined;

  restart(subscription: Subscription): void {
    this.#subscription = subscription;
    this.#asking = undefined;
    this.inHand = undefined;
  }

  async take(count: number): Promise<void> {
    for (let taken = 0; taken < count; taken += 1) {
      const subscription = this.#subscription;
      if (this.#asking !== undefined || subscription === undefined) return;
      if (this.inHand !== undefined) this.handled.push(this.inHand);
      this.inHand = undefined;
      this.#asking = subscription.next().then(({ value }: { value: ReceivedEvent | undefined }) => {
        if (subscription !== this.#subscription || value === undefined) return;
        this.inHand = value.eventId;
        this.#asking = undefined;
      });
      await settle();
    }
  }
}

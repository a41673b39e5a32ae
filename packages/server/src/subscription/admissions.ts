import { matchesFilter } from './registry.ts';
import type { SubscriptionFilter } from './registry.ts';
import type { SubscriptionDetails } from './subscription.ts';

/** A subscription whose author is being asked whether it may begin. */
export interface Admission {
  /** An end that concerns it was asked for since: what the author says may be of before that. */
  readonly isOverruled: boolean;
  /** It was admitted, or refused. */
  close(): void;
}

/** Subscriptions that nobody finds yet, for those who end them meanwhile (TERM-13). */
export class Admissions {
  readonly #open = new Set<{ readonly details: SubscriptionDetails; isOverruled: boolean }>();

  begin(details: SubscriptionDetails): Admission {
    const entry = { details, isOverruled: false };
    this.#open.add(entry);
    return {
      get isOverruled() {
        return entry.isOverruled;
      },
      close: () => void this.#open.delete(entry),
    };
  }

  /** Subscriptions that the filter finds have been ended. */
  ended(filter: SubscriptionFilter): void {
    for (const entry of this.#open) entry.isOverruled ||= matchesFilter(filter, entry.details);
  }
}

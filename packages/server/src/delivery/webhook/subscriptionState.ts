/** Where a webhook subscription is in its life, whether it is new or comes back after a restart. */
export type SubscriptionState =
  /** Counted. Whether its endpoint wants deliveries is not known yet, so nothing is sent. */
  | 'verifying'
  /** Its endpoint wants them: the author's `onSubscribe` runs, the source is opened, the grant is stored. */
  | 'opening'
  /** It is delivered to. */
  | 'live'
  /** Delivery waits for its client to come back (DELIV-13). */
  | 'suspended'
  /** Nothing is sent any more but, after `terminated`, the word of that (DELIV-16). */
  | 'ended';

/** What ended a subscription. */
export type SubscriptionEnd =
  /** It was not established: its endpoint, its author, its source or the storage said no. */
  | 'refused'
  | 'unsubscribed'
  /** Its grant has passed (TTL-07). */
  | 'lapsed'
  /** By the server, with an error its subscriber is told (TERM-01). */
  | 'terminated'
  /** What its endpoint's consent rests on does not hold any more, and its client is back to ask anew. */
  | 'outdated'
  /** It could not come back now, or has no room: its record stays, and it is tried again. */
  | 'postponed'
  /** The server closes: its record stays for the next run (TTL-10). */
  | 'closed';

const successors: Readonly<Record<SubscriptionState, readonly SubscriptionState[]>> = {
  verifying: ['opening', 'ended'],
  opening: ['live', 'suspended', 'ended'],
  live: ['suspended', 'ended'],
  suspended: ['live', 'ended'],
  ended: [],
};

/** Whether a subscription in this state may get into that one. */
export function mayBecome(state: SubscriptionState, next: SubscriptionState): boolean {
  return successors[state].includes(next);
}

/** Whether the subscription comes back by itself, from its record. */
export function comesBackAfter(end: SubscriptionEnd): boolean {
  return end === 'postponed' || end === 'closed';
}

import type { Catalog } from './catalog/catalog.ts';
import type { Heartbeats } from './delivery/push/heartbeats.ts';
import type { PushSession } from './delivery/push/pushSession.ts';
import type { TurnFlusher } from './delivery/push/turnFlusher.ts';
import type { Webhooks } from './delivery/webhook/webhooks.ts';
import type { Environment } from './environment.ts';
import type { SubscribeCalls } from './requests/subscribeCalls.ts';
import type { Admissions } from './subscription/admissions.ts';
import type { Leases } from './subscription/leases.ts';
import type { StoredSubscription } from './storage/subscriptionStore.ts';
import type { Lifecycle } from './subscription/lifecycle.ts';
import type { Registry, ReservedPlaces } from './subscription/registry.ts';
import type { Selection } from './subscription/selection.ts';

/** What the requests of one server share. Made once by `compose`. */
export interface Core extends Environment {
  readonly catalog: Catalog;
  readonly registry: Registry;
  readonly leases: Leases;
  readonly lifecycle: Lifecycle;
  readonly selection: Selection;
  readonly heartbeats: Heartbeats;
  readonly flusher: TurnFlusher;
  /** Open streams. */
  readonly sessions: Set<PushSession>;
  readonly subscribeCalls: SubscribeCalls;
  readonly admissions: Admissions;
  /** `undefined` when webhook mode is not offered. */
  readonly webhooks: Webhooks | undefined;
  /**
   * Resolves when the subscription of this id, if one is stored, is live again, or could not come back now. Rejects with
   * InternalError while the store cannot be read: whether there is one is not known then.
   */
  readonly restored: (name: string, id: string) => Promise<void> | undefined;
  /** Resolves when it is known what is stored. Rejects with InternalError while the store cannot be read. */
  readonly recordsRead: () => Promise<void> | undefined;
  /** Places that are kept for stored subscriptions other than this one. */
  readonly reservedPlaces: (principal: string | undefined, name: string, id: string) => ReservedPlaces | undefined;
  /** Whether a subscription is stored that did not come back yet. */
  readonly hasStored: (id: string) => boolean;
  /** Where a subscription stands that is stored and did not come back yet. */
  readonly storedPosition: (name: string, id: string) => Pick<StoredSubscription, 'cursor' | 'gapAfter'> | undefined;
  /** Gives up a stored subscription that is not live, for one that has its place. */
  readonly forgetStored: (name: string, id: string) => void;
  /**
   * Ends a stored subscription that is not live. `undefined` when there is none; else resolves with whether that is stored,
   * when it is or has failed.
   */
  readonly endStored: (name: string, id: string) => Promise<boolean> | undefined;
}

import type { Catalog } from './catalog/catalog.ts';
import type { Heartbeats } from './delivery/push/heartbeats.ts';
import type { PushSession } from './delivery/push/pushSession.ts';
import type { TurnFlusher } from './delivery/push/turnFlusher.ts';
import type { Webhooks } from './delivery/webhook/webhooks.ts';
import type { Environment } from './environment.ts';
import type { Leases } from './subscription/leases.ts';
import type { Lifecycle } from './subscription/lifecycle.ts';
import type { Registry } from './subscription/registry.ts';
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
  /** `undefined` when webhook mode is not offered. */
  readonly webhooks: Webhooks | undefined;
  /**
   * Resolves when stored subscriptions to this event type are live again, as far as they can be. Rejects with
   * InternalError while the store cannot be read: whether there is a subscription is not known then.
   */
  readonly restored: (name: string) => Promise<void> | undefined;
  /** Whether a subscription is stored that did not come back yet. */
  readonly hasStored: (id: string) => boolean;
  /** Gives up a stored subscription that is not live. `false` when there is none. */
  readonly forgetStored: (name: string, id: string) => boolean;
}

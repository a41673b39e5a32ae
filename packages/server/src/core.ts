import type { Catalog } from './catalog/catalog.ts';
import type { Clock } from './clock.ts';
import type { Heartbeats } from './delivery/push/heartbeats.ts';
import type { PushSession } from './delivery/push/pushSession.ts';
import type { TurnFlusher } from './delivery/push/turnFlusher.ts';
import type { Limits } from './limits.ts';
import type { Leases } from './subscription/leases.ts';
import type { Lifecycle } from './subscription/lifecycle.ts';
import type { Registry } from './subscription/registry.ts';
import type { Selection } from './subscription/selection.ts';

/** What the requests of one server share. Made once by {@link Events}. */
export interface Core {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly namespace: string;
  readonly catalog: Catalog;
  readonly registry: Registry;
  readonly leases: Leases;
  readonly lifecycle: Lifecycle;
  readonly selection: Selection;
  readonly heartbeats: Heartbeats;
  readonly flusher: TurnFlusher;
  /** Open streams. */
  readonly sessions: Set<PushSession>;
  /** No new work is taken. */
  closed: boolean;
  readonly createStreamId: () => string;
  /** For events whose author gives no id (OCC-08). */
  readonly createEventId: () => string;
  readonly report: (error: unknown, stage: string, name?: string) => void;
}

import type { Clock } from './clock.ts';
import type { Limits } from './limits.ts';
import type { Observer } from './observability/observer.ts';

/** What every part of one server is given: time, bounds, identifiers, and where problems go. */
export interface Environment {
  readonly clock: Clock;
  readonly limits: Limits;
  /** Part of derived subscription ids (SUB-08). */
  readonly namespace: string;
  /** No new work is taken. */
  closed: boolean;
  readonly createStreamId: () => string;
  /** For events whose author gives no id (OCC-08). */
  readonly createEventId: () => string;
  /** An upstream's id as it is used from the start, in every mode (DIALECT-06). */
  readonly eventIdOf: (authored: string) => string;
  /** Only if the operator gave a logger or telemetry. */
  readonly observer: Observer | undefined;
  readonly report: (error: unknown, stage: string, name?: string) => void;
}

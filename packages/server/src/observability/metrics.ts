import type { DeliveryMode } from '@mcp-events/protocol';
import type {
  TelemetryAttributes,
  TelemetryCounter,
  TelemetryHistogram,
  TelemetryMeter,
  TelemetryObservation,
} from './telemetryOptions.ts';

/** From a memory log to a disk that is busy, in seconds. */
const APPEND_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Up to the longest attempt that makes sense, in seconds. */
const ATTEMPT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What is looked at when metrics are collected. */
export interface Gauges {
  /** Live subscriptions, and how far the slowest of a type is behind its log. One pass over all of them. */
  subscriptions(): {
    readonly counts: readonly { readonly mode: DeliveryMode; readonly suspended: boolean; readonly count: number }[];
    readonly lags: readonly { readonly name: string; readonly mode: DeliveryMode; readonly events: number }[];
  };
  /** What waits, by name. */
  queues(): Readonly<Record<string, number>>;
}

/** The instruments of one server. Names and attributes are documented in docs/operations.md, which operators rely on. */
export class Metrics {
  readonly emits: TelemetryCounter;
  readonly appended: TelemetryCounter;
  readonly appendDuration: TelemetryHistogram;
  readonly delivered: TelemetryCounter;
  readonly attempts: TelemetryCounter;
  readonly attemptDuration: TelemetryHistogram;
  readonly retries: TelemetryCounter;
  readonly abandoned: TelemetryCounter;
  readonly deadLetters: TelemetryCounter;
  readonly suspensions: TelemetryCounter;
  readonly problems: TelemetryCounter;
  readonly #meter: TelemetryMeter;
  #stop: (() => void) | undefined;

  constructor(meter: TelemetryMeter) {
    this.#meter = meter;
    const counter = (name: string, unit: string, description: string): TelemetryCounter =>
      meter.createCounter(`mcp_events.${name}`, { unit, description });
    this.emits = counter('emits', '{event}', 'Events that authors emitted, by what became of them');
    this.appended = counter('appended', '{event}', 'Events that entered a log');
    this.delivered = counter('delivered', '{event}', 'Events acknowledged, written to a stream, or in an answer');
    this.attempts = counter('attempts', '{attempt}', 'Attempts to deliver to a callback, by outcome');
    this.retries = counter('retries', '{attempt}', 'Attempts that were not the first of their delivery');
    this.abandoned = counter('abandoned', '{delivery}', 'Deliveries that were given up');
    this.deadLetters = counter('dead_letters', '{event}', 'Dead letters that were kept, and delivered after all');
    this.suspensions = counter('suspensions', '{subscription}', 'Times a subscription was suspended');
    this.problems = counter('problems', '{problem}', 'Problems that were reported, by stage');
    this.appendDuration = meter.createHistogram('mcp_events.append.duration', {
      unit: 's',
      description: 'Time until an event was stored, as durably as its log is',
      advice: { explicitBucketBoundaries: APPEND_BUCKETS },
    });
    this.attemptDuration = meter.createHistogram('mcp_events.attempt.duration', {
      unit: 's',
      description: 'Time until a callback answered, or was given up on',
      advice: { explicitBucketBoundaries: ATTEMPT_BUCKETS },
    });
  }

  /** Looks at `gauges` whenever metrics are collected, until {@link close}. */
  watch(gauges: Gauges): void {
    const gauge = (name: string, unit: string, description: string): unknown =>
      this.#meter.createObservableGauge(`mcp_events.${name}`, { unit, description });
    const active = gauge('subscriptions', '{subscription}', 'Live subscriptions, by mode and state');
    const lag = gauge('lag', '{event}', 'Events between the log and the slowest subscription of a type');
    const queue = gauge('queue', '{item}', 'What waits, by queue');
    const look = (result: TelemetryObservation): void => {
      const { counts, lags } = gauges.subscriptions();
      for (const { mode, suspended, count } of counts) {
        result.observe(active, count, {
          'mcp_events.mode': mode,
          'mcp_events.state': suspended ? 'suspended' : 'active',
        });
      }
      for (const { name, mode, events } of lags) {
        result.observe(lag, events, { 'mcp_events.type': name, 'mcp_events.mode': mode });
      }
      for (const [name, length] of Object.entries(gauges.queues())) {
        result.observe(queue, length, { 'mcp_events.queue': name });
      }
    };
    const instruments = [active, lag, queue];
    this.#meter.addBatchObservableCallback(look, instruments);
    this.#stop = () => this.#meter.removeBatchObservableCallback(look, instruments);
  }

  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}

/** Attributes of what concerns one event type. */
export function ofType(name: string, more?: TelemetryAttributes): TelemetryAttributes {
  return { 'mcp_events.type': name, ...more };
}

import type { EventsOptions, Logger } from '@mcp-events/server';
import type { FaultCounts } from './faultCounts.ts';
import type { Random } from './random.ts';
import { throwSomething } from './thrownThings.ts';

/** How often what an operator gave for reporting misbehaves: of each call. Changed while it is in use. */
export interface ReporterFaultRates {
  throws: number;
  /** Calls back into the server that is calling it. */
  callsBack: number;
}

/** What a world itself is told by its server. */
export type OwnReporting = Required<Pick<EventsOptions, 'onError' | 'onWarning'>> & Pick<EventsOptions, 'logger'>;

type Telemetry = NonNullable<EventsOptions['telemetry']>;

/** A log, metrics and traces that throw, reject, and call back into the server while it calls them. */
export class ReporterFaults {
  readonly rates: ReporterFaultRates = { throws: 0, callsBack: 0 };
  readonly #random: Random;
  readonly #counts: FaultCounts;
  readonly #callBack: () => void;
  #isCallingBack = false;

  /** @param callBack calls something of the server's API */
  constructor(random: Random, counts: FaultCounts, callBack: () => void) {
    this.#random = random;
    this.#counts = counts;
    this.#callBack = callBack;
  }

  /** What the server is given for reporting. What the world itself is told comes first. */
  options({ onError, onWarning, logger }: OwnReporting): EventsOptions {
    const log = (level: keyof Logger) => (fields: object, message: string) => {
      logger?.[level](fields, message);
      return this.#called('logger');
    };
    return {
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      telemetry: this.#telemetry(),
      onError: (...args) => {
        onError(...args);
        return this.#called('onError');
      },
      onWarning: (...args) => {
        onWarning(...args);
        return this.#called('onWarning');
      },
    };
  }

  #called(what: string): void {
    const random = this.#random;
    if (!this.#isCallingBack && random.chance(this.rates.callsBack)) {
      this.#counts.add(`${what}: calls back`);
      this.#isCallingBack = true;
      try {
        this.#callBack();
      } finally {
        this.#isCallingBack = false;
      }
    }
    if (!random.chance(this.rates.throws)) return undefined;
    this.#counts.add(`${what}: throws`);
    // Nobody who reports has to be waited for; some answer all the same.
    return throwSomething(random, `the simulated ${what} failed`) as unknown as undefined;
  }

  /** As those of OpenTelemetry, as far as a server calls them. */
  #telemetry(): Telemetry {
    // Where it rejects, the promise is all that is answered.
    const called = <T>(what: string, value: T): T => (this.#called(what) as unknown as T | undefined) ?? value;
    const instrument = { add: () => this.#called('meter'), record: () => this.#called('meter') };
    const meter = {
      createCounter: () => called('meter', instrument),
      createHistogram: () => called('meter', instrument),
      createObservableGauge: () => called('meter', {}),
      addBatchObservableCallback: () => this.#called('meter'),
      removeBatchObservableCallback: () => this.#called('meter'),
    };
    const span = {
      spanContext: () => called('tracer', SPAN_CONTEXT),
      setAttributes: () => this.#called('tracer'),
      setStatus: () => this.#called('tracer'),
      end: () => this.#called('tracer'),
    };
    const tracer = { startSpan: () => called('tracer', span) };
    return {
      api: {
        trace: {
          getTracer: () => tracer,
          setSpan: () => called('tracer', {}),
          setSpanContext: () => called('tracer', {}),
          isSpanContextValid: () => called('tracer', true),
        },
        metrics: { getMeter: () => meter },
        context: { active: () => called('tracer', {}) },
        ROOT_CONTEXT: {},
        createTraceState: (text = '') => called('tracer', { serialize: () => text }),
      },
    };
  }
}

const SPAN_CONTEXT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };

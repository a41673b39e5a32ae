import type { CheckedEvent, Clock, EventTypeDefinition, Retention } from '@mcp-events/server';
import type { LossCauseFact } from '../history/facts.ts';
import type { LivePositions } from './livePositions.ts';
import type { Random } from './random.ts';
import { SimulatedFault } from './simulatedFault.ts';
import type { ProcessClock } from './virtualTime.ts';

export type Severity = 'high' | 'low';

/** How author functions behave at the moment. Changed while they are in use. */
export interface AuthorBehaviour {
  latencyMs: number;
  failure: number;
  /** Never answers. Default: 0. */
  hang?: number;
  /** Told that an author's function failed for a principal, or took as long as a failure, and for which event if for one. */
  onFailure: (type: string, principal: string | undefined, eventId?: string) => void;
}

export function authorFailed(type: string, principal: string | undefined, eventId: string | undefined): LossCauseFact {
  return {
    fact: 'lossCause',
    why: 'author',
    type,
    ...(principal === undefined ? {} : { principal }),
    ...(eventId === undefined ? {} : { eventId }),
  };
}

/** An author's function that takes so long is taken to have failed. */
export const SLOW_MS = 9_000;

/** An event type of the simulated author. */
export interface EventSource {
  readonly name: string;
  /** Made anew for each life of the server. */
  definition(clock: ProcessClock): EventTypeDefinition;
  /** Where events come from when they are not emitted. */
  readonly upstream?: Upstream;
  /** Where events stand that have no cursors. */
  readonly positions?: LivePositions;
}

const INPUT = {
  type: 'object',
  properties: { severity: {} },
};

const PAYLOAD = {
  type: 'object',
  properties: { severity: { type: 'string' } },
  required: ['severity'],
};

/** Found by look-up: no author function is asked. */
export function filteredSource(retention: Partial<Retention>): EventSource {
  return {
    name: 'filtered',
    definition: () => ({
      input: INPUT,
      payload: PAYLOAD,
      retention,
      filter: { severity: 'severity' },
      nextPollMs: 20_000,
    }),
  };
}

/** Found by an author function that takes its time, and fails now and then. */
export function matchedSource(
  retention: Partial<Retention>,
  behaviour: AuthorBehaviour,
  random: Random,
  name = 'matched',
): EventSource {
  return {
    name,
    definition: (clock) => ({
      input: INPUT,
      payload: PAYLOAD,
      retention,
      nextPollMs: 20_000,
      match: (context, { eventId, data }, { severity }) => {
        const isWanted =
          severity === undefined || (Array.isArray(severity) ? severity : [severity]).includes(data['severity']);
        const delayMs = random.delayMs(behaviour.latencyMs);
        const fails = random.chance(behaviour.failure);
        if (fails || delayMs > SLOW_MS) behaviour.onFailure(name, context.principal, eventId);
        if (fails) throw new SimulatedFault('the simulated match failed');
        return delayMs === 0 ? isWanted : clock.delay(delayMs).then(() => isWanted);
      },
    }),
  };
}

/** What an upstream answers to a question for what stands behind a position. */
export interface UpstreamPage {
  readonly events: readonly CheckedEvent[];
  readonly cursor: string;
  readonly hasMore: boolean;
  readonly truncated?: boolean;
}

/** Events of another system, which keeps them until it knows that it has lost some, and is asked for them. */
export class Upstream {
  /** `undefined` at the place of one that it has lost. */
  readonly events: (CheckedEvent | undefined)[] = [];
  /** For one cursor always the same events, as a check has to answer. */
  readonly pageSize: number;
  readonly #addressable: boolean;

  constructor(addressable: boolean, pageSize: number) {
    this.#addressable = addressable;
    this.pageSize = pageSize;
  }

  /** Returns the position after the event. */
  add(eventId: string, data: Record<string, unknown>, clock: Pick<Clock, 'now'>): number {
    const position = this.events.length + 1;
    const cursor = this.#addressable ? { cursor: String(position) } : {};
    this.events.push({ eventId, timestamp: new Date(clock.now()).toISOString(), data, ...cursor });
    return position;
  }

  /** An event of which it knows only that it is lost. Returns the position after it. */
  lose(): number {
    return this.events.push(undefined);
  }

  /** What is lost stands alone on a page, so that the page has a place for the gap. */
  pageFrom(from: number): UpstreamPage {
    const isKept = (event: CheckedEvent | undefined): event is CheckedEvent => event !== undefined;
    const asked = this.events.slice(from, from + this.pageSize);
    const lost = asked.findIndex((event) => !isKept(event));
    const read = lost === 0 ? asked.slice(0, 1) : lost === -1 ? asked : asked.slice(0, lost);
    const end = from + read.length;
    const page = { events: read.filter(isKept), cursor: String(end), hasMore: end < this.events.length };
    return lost === 0 ? { ...page, truncated: true } : page;
  }
}

export function checkedSource(upstream: Upstream, behaviour: AuthorBehaviour, random: Random): EventSource {
  return {
    name: 'checked',
    upstream,
    definition: (clock) => ({
      input: INPUT,
      payload: PAYLOAD,
      filter: { severity: 'severity' },
      nextPollMs: 20_000,
      check: async (_context, _args, cursor) => {
        await clock.delay(random.delayMs(behaviour.latencyMs));
        if (random.chance(behaviour.failure)) throw new SimulatedFault('the simulated upstream failed');
        return upstream.pageFrom(cursor === null ? upstream.events.length : Number(cursor));
      },
    }),
  };
}

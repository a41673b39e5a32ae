import type { CheckedEvent, EventContext, Retention } from '@mcp-events/server';
import { isWanted, mayRead, redacted } from './authoredEvent.ts';
import type { AuthorBehaviour, EventSource, Upstream } from './eventSources.ts';
import { SLOW_MS } from './eventSources.ts';
import type { Random } from './random.ts';
import { SimulatedFault } from './simulatedFault.ts';
import type { ProcessClock } from './virtualTime.ts';

const INPUT = { type: 'object', properties: { severity: {} } };

const PAYLOAD = {
  type: 'object',
  properties: { severity: { type: 'string' }, text: { type: 'string' }, tenant: { type: 'string' } },
  required: ['severity', 'text'],
};

const COMMON = { description: 'Of the simulated author', input: INPUT, payload: PAYLOAD, nextPollMs: 20_000 };

/** Author functions that take their time, fail, hang and change what they are given, as `behaviour` says at the moment. */
class Author {
  readonly #type: string;
  readonly #behaviour: AuthorBehaviour;
  readonly #random: Random;

  constructor(type: string, behaviour: AuthorBehaviour, random: Random) {
    this.#type = type;
    this.#behaviour = behaviour;
    this.#random = random;
  }

  /** What a function of the author's comes to; `context` tells for whom, `eventId` of which event, if of one. */
  answer<T>(clock: ProcessClock, context: EventContext, value: T, eventId?: string): T | Promise<T> {
    const random = this.#random;
    const delayMs = random.delayMs(this.#behaviour.latencyMs);
    const fails = random.chance(this.#behaviour.failure);
    const hangs = random.chance(this.#behaviour.hang ?? 0);
    if (fails || hangs || delayMs > SLOW_MS) this.#behaviour.onFailure(this.#type, context.principal, eventId);
    if (fails) throw new SimulatedFault(`the simulated author of ${this.#type} failed`);
    if (hangs) return new Promise(() => {});
    return delayMs === 0 ? value : clock.delay(delayMs).then(() => value);
  }
}

export interface TenantSourceOptions {
  readonly retention: Partial<Retention>;
  readonly behaviour: AuthorBehaviour;
  readonly random: Random;
  readonly upstream: Upstream;
  /** Whether there is a type whose events come from an outbox. */
  readonly hasOutbox: boolean;
}

/** Event types of an author with several tenants: by look-up, by an own decision, with own copies, and of an upstream. */
export function tenantSources({
  retention,
  behaviour,
  random,
  upstream,
  hasOutbox,
}: TenantSourceOptions): EventSource[] {
  const author = (type: string): Author => new Author(type, behaviour, random);
  const [matched, transformed] = [author('matched'), author('transformed')];
  return [
    {
      name: 'filtered',
      definition: () => ({ ...COMMON, retention, filter: { severity: 'severity' }, orderedWebhooks: true }),
    },
    ...(hasOutbox
      ? [{ name: 'outboxed', definition: () => ({ ...COMMON, retention, filter: { severity: 'severity' } }) }]
      : []),
    {
      name: 'matched',
      definition: (clock) => ({
        ...COMMON,
        retention,
        match: (context, { eventId, data }, { severity }) =>
          matched.answer(
            clock,
            context,
            mayRead(context.principal, data['tenant']) && isWanted(severity, data['severity']),
            eventId,
          ),
      }),
    },
    {
      name: 'transformed',
      definition: (clock) => ({
        ...COMMON,
        retention,
        filter: { severity: 'severity' },
        authorize: (context) => transformed.answer(clock, context, true),
        onSubscribe: (context) => transformed.answer(clock, context, undefined),
        onUnsubscribe: (context) => transformed.answer(clock, context, undefined),
        transform: (context, { eventId, data }) =>
          transformed.answer(clock, context, redacted(data, context.principal), eventId),
      }),
    },
    {
      name: 'checked',
      upstream,
      definition: (clock) => ({
        ...COMMON,
        filter: { severity: 'severity' },
        check: async (context, _args, cursor) => {
          await clock.delay(random.delayMs(behaviour.latencyMs));
          if (random.chance(behaviour.failure)) throw new SimulatedFault('the simulated upstream failed');
          const page = upstream.pageFrom(cursor === null ? upstream.events.length : Number(cursor));
          const isFor = ({ data }: CheckedEvent): boolean =>
            mayRead(context.principal, (data as { tenant?: string }).tenant);
          return { ...page, events: page.events.filter(isFor) };
        },
      }),
    },
  ];
}

import type { EventContext, Retention } from '@mcp-events/server';
import { dataHash } from '../history/dataHash.ts';
import type { EmittingFact } from '../history/facts.ts';
import type { AuthorBehaviour, EventSource, Severity, Upstream } from './eventSources.ts';
import { SLOW_MS } from './eventSources.ts';
import type { Random } from './random.ts';
import { SimulatedFault } from './simulatedFault.ts';
import type { ProcessClock } from './virtualTime.ts';

/** Who is served. */
export const PRINCIPALS = ['alice', 'bob', 'carol'] as const;

/** One event as its author has it. */
export interface AuthoredEvent {
  readonly eventId: string;
  readonly severity: Severity;
  /** The principals of this tenant may see it; all, without one. */
  readonly tenant?: string;
}

/** Which principals a tenant has. */
const TENANTS: Readonly<Record<string, readonly string[]>> = {
  north: ['alice'],
  south: ['bob', 'carol'],
};

export const TENANT_NAMES: readonly string[] = Object.keys(TENANTS);

/** The data of an event, as it is emitted. */
export function dataOf({ eventId, severity, tenant }: AuthoredEvent): Record<string, unknown> {
  return { severity, text: `what ${eventId} tells`, ...(tenant === undefined ? {} : { tenant }) };
}

/** What a history has to say of an event of a type: whom it is for and with which data, said without the server's code. */
export function expectationOf(
  type: string,
  event: AuthoredEvent,
): Pick<EmittingFact, 'values' | 'readers' | 'hash' | 'hashes'> {
  const data = dataOf(event);
  const isGuarded = type === 'matched' || type === 'checked';
  const readers = event.tenant === undefined || !isGuarded ? undefined : (TENANTS[event.tenant] ?? []);
  const redacted = PRINCIPALS.map((principal) => [principal, dataHash({ ...data, text: `for ${principal}` })] as const);
  return {
    values: { severity: event.severity },
    ...(readers === undefined ? {} : { readers }),
    hash: dataHash(data),
    ...(type === 'transformed' ? { hashes: Object.fromEntries(redacted) } : {}),
  };
}

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

  /** What a function of the author's comes to; `context` tells for whom. */
  answer<T>(clock: ProcessClock, context: EventContext, value: T): T | Promise<T> {
    const random = this.#random;
    const delayMs = random.delayMs(this.#behaviour.latencyMs);
    const fails = random.chance(this.#behaviour.failure);
    const hangs = random.chance(this.#behaviour.hang ?? 0);
    if (fails || hangs || delayMs > SLOW_MS) this.#behaviour.onFailure(this.#type, context.principal);
    if (fails) throw new SimulatedFault(`the simulated author of ${this.#type} failed`);
    if (hangs) return new Promise(() => {});
    return delayMs === 0 ? value : clock.delay(delayMs).then(() => value);
  }
}

function isWanted(wanted: unknown, severity: unknown): boolean {
  return wanted === undefined || (Array.isArray(wanted) ? wanted : [wanted]).includes(severity);
}

function mayRead(principal: string | undefined, tenant: unknown): boolean {
  return typeof tenant !== 'string' || (TENANTS[tenant] ?? []).includes(principal ?? '');
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
        match: (context, { data }, { severity }) =>
          matched.answer(
            clock,
            context,
            mayRead(context.principal, data['tenant']) && isWanted(severity, data['severity']),
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
        transform: (context, { data }) =>
          transformed.answer(clock, context, { ...data, text: `for ${context.principal}` }),
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
          const from = cursor === null ? upstream.events.length : Number(cursor);
          const page = upstream.events.slice(from, from + upstream.pageSize);
          const events = page.filter(({ data }) => mayRead(context.principal, (data as { tenant?: string }).tenant));
          const end = from + page.length;
          return { events, cursor: String(end), hasMore: end < upstream.events.length };
        },
      }),
    },
  ];
}

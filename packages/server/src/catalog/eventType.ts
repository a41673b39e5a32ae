import { isJsonObject } from '@mcp-events/protocol';
import type { DeliveryMode, EventTypeDescriptor } from '@mcp-events/protocol';
import { LONGEST_INTERVAL_MS } from '../limits.ts';
import { refuseUnknown } from '@mcp-events/protocol/options';
import { snapshotPayload } from '../occurrence/payload.ts';
import { isStorableText } from '../occurrence/storableText.ts';
import type { Filter } from '../subscription/filterIndex.ts';
import type { Feed } from '../feed/feed.ts';
import { defaultRetention } from '../storage/eventLog.ts';
import type { Retention } from '../storage/eventLog.ts';
import type { SelectionRules } from '../subscription/selection.ts';
import { checkDefinition } from './checkDefinition.ts';
import type { AnyDefinition } from './definition.ts';
import { compileSchema } from './schema.ts';
import type { CompiledSchema } from './schema.ts';
import type { Ending } from './schemaChange.ts';

const DEFAULT_NEXT_POLL_MS = 5_000;

/** A log bounded by age or size alone still needs a number that a ring can be laid out for. */
const MAX_RETAINED = 10_000_000;

/** A well-behaved client polls once per interval; three of them forgive one lost request and some delay (HOOK-06). */
const LEASE_INTERVALS = 3;

/** A definition checked and compiled: what one event type is at the moment. */
export interface CompiledType {
  readonly definition: AnyDefinition;
  readonly descriptor: EventTypeDescriptor;
  readonly input: CompiledSchema;
  readonly payload: CompiledSchema;
  readonly rules: SelectionRules;
  /** Of the log, for types that are emitted. */
  readonly retention: Retention;
  readonly nextPollMs: number;
  readonly leaseMs: number;
}

/** One event type while it is offered. An additive change replaces `compiled` and keeps the feed. */
export interface EventType {
  readonly name: string;
  compiled: CompiledType;
  readonly feed: Feed;
  /** A breaking change of which not everything is stored yet. */
  ending: Ending | undefined;
  /** The rules in force, read for each event. One function for all pumps of the type. */
  readonly rules: () => SelectionRules;
  /** Where failures of the author's `match` and `transform` go. */
  readonly reportSelection: (error: unknown) => void;
}

/**
 * Throws a `TypeError` that says what is wrong with the definition.
 *
 * @param offersWebhook whether this server delivers by webhook
 */
export function compileType(name: string, definition: AnyDefinition, offersWebhook: boolean): CompiledType {
  if (typeof name !== 'string' || name === '') throw new TypeError('an event type needs a name');
  const what = `event type ${JSON.stringify(name)}`;
  if (!isStorableText(name)) throw new TypeError(`the name of ${what} must be text without the character zero`);
  checkDefinition(definition, what);
  const input = compileSchema(definition.input ?? { type: 'object' }, {
    what: `the input schema of ${what}`,
    isUntrusted: true,
  });
  const payload = compileSchema(definition.payload, {
    what: `the payload schema of ${what}`,
    isUntrusted: false,
  });
  assertFilter(definition.filter ?? {}, input, payload, what);
  const nextPollMs = interval(definition.nextPollMs, DEFAULT_NEXT_POLL_MS, `nextPollMs of ${what}`);
  const leaseMs = interval(definition.leaseMs, LEASE_INTERVALS * nextPollMs, `leaseMs of ${what}`);
  const rules = {
    name,
    filter: definition.filter ?? {},
    match: definition.match,
    transform: definition.transform,
    validate: payload.validate,
  };
  const descriptor: EventTypeDescriptor = {
    name,
    description: describe(name, definition.description, what),
    delivery: [...deliveryModes(definition, offersWebhook, what)],
    inputSchema: input.json,
    payloadSchema: payload.json,
    // A copy: one that cannot be written would break the whole list, for everybody.
    ...(definition._meta === undefined ? {} : { _meta: snapshotPayload(definition._meta, `_meta of ${what}`).data }),
  };
  const retention = resolveRetention(definition, what);
  return { definition, descriptor, input, payload, rules, retention, nextPollMs, leaseMs };
}

/** Deployed clients refuse a whole list in which one type has no description (LIST-14). */
function describe(name: string, description: unknown, what: string): string {
  if (description === undefined) return `Events named ${name}`;
  if (typeof description === 'string') return description;
  throw new TypeError(`the description of ${what} must be text, not ${JSON.stringify(description)}`);
}

/** Modes the source allows, less the author's opt-outs (LIST-02, EMIT-02). */
function deliveryModes(definition: AnyDefinition, offersWebhook: boolean, what: string): readonly DeliveryMode[] {
  if (definition.check !== undefined && definition.replay === false) {
    throw new TypeError(`${what} has a check, which always replays; leave out replay: false`);
  }
  const possible: DeliveryMode[] = definition.replay === false ? ['push'] : ['poll', 'push'];
  if (offersWebhook) possible.push('webhook');
  if (definition.delivery === undefined) return possible;
  for (const mode of definition.delivery) {
    if (possible.includes(mode)) continue;
    const hint = mode === 'webhook' ? ' unless the webhooks option is given' : '';
    throw new TypeError(`${what} cannot offer delivery by ${JSON.stringify(mode)}${hint}`);
  }
  const offered = possible.filter((mode) => definition.delivery?.includes(mode));
  if (offered.length === 0) throw new TypeError(`${what} offers no delivery mode; name at least one`);
  return offered;
}

/** A misspelt name in a filter would silently match nothing, or everything. */
function assertFilter(filter: Filter, input: CompiledSchema, payload: CompiledSchema, what: string): void {
  const assertMember = ({ json }: CompiledSchema, member: string, side: string): void => {
    const { properties } = json;
    if (!isJsonObject(properties) || Object.hasOwn(properties, member)) return;
    throw new TypeError(
      `the filter of ${what} names ${JSON.stringify(member)}, which its ${side} schema does not have`,
    );
  };
  for (const [argument, field] of Object.entries(filter)) {
    assertMember(input, argument, 'input');
    assertMember(payload, field, 'payload');
  }
}

function resolveRetention(definition: AnyDefinition, what: string): Retention {
  const given: unknown = definition.retention ?? {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TypeError(`retention of ${what} must be an object, as in retention: { maxAgeMs: 3_600_000 }`);
  }
  refuseUnknown(given, Object.keys(defaultRetention), `retention of ${what}`);
  const retention = { ...defaultRetention, ...definition.retention };
  for (const [bound, value] of Object.entries(retention)) {
    if (typeof value === 'number' && value >= 1) continue;
    throw new TypeError(`retention.${bound} of ${what} must be a number of at least 1`);
  }
  const { maxCount } = retention;
  if (Number.isInteger(maxCount) && maxCount <= MAX_RETAINED) return retention;
  throw new TypeError(`retention.maxCount of ${what} must be a whole number up to ${MAX_RETAINED}`);
}

function interval(value: number | undefined, fallback: number, what: string): number {
  const ms = value ?? fallback;
  if (!(ms >= 1 && ms <= LONGEST_INTERVAL_MS)) {
    throw new TypeError(`${what} must be between 1 and ${LONGEST_INTERVAL_MS} milliseconds, not ${ms}`);
  }
  return ms;
}

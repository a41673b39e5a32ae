import * as z from 'zod';
import { jsonObject, optionalMember } from './json.ts';
import type { JsonSchema } from './json.ts';
import { resultShape } from './result.ts';
import type { EventsResult } from './result.ts';

/** How occurrences reach a client. */
export type DeliveryMode = 'poll' | 'push' | 'webhook';

/** An event type as listed by `events/list` (LIST-01). */
export interface EventTypeDescriptor {
  /** Unique on its server; a breaking change of a schema needs a new one (LIST-08). */
  name: string;
  /** For people and models. */
  description?: string;
  /** Usable modes, without duplicates; a server lists at least one (LIST-02). */
  delivery: DeliveryMode[];
  /** Schema of the subscription's `arguments`. */
  inputSchema: JsonSchema;
  /** Schema of an occurrence's `data`. */
  payloadSchema: JsonSchema;
  _meta?: Record<string, unknown>;
}

/** Parameters of `events/list`. */
export interface ListParams {
  /** A `nextCursor` returned before, opaque (LIST-04). */
  cursor?: string;
  _meta?: Record<string, unknown>;
}

/** Result of `events/list`. */
export interface ListResult extends EventsResult {
  /** One page of types. */
  events: EventTypeDescriptor[];
  /** Present, though possibly empty, while more pages exist (LIST-03, LIST-04). */
  nextCursor?: string;
}

const deliveryModes = ['poll', 'push', 'webhook'] as const;

/** Reads one delivery mode, and no unknown word. */
export const deliveryModeSchema: z.ZodType<DeliveryMode> = z.enum(deliveryModes);

// OP-33: words of later revisions are ignored, and a schema that was left out accepts everything.
const knownModes = z.array(z.unknown()).transform((words) => deliveryModes.filter((mode) => words.includes(mode)));
const schemaMember = jsonObject.nullish().transform((schema) => schema ?? {});

/** Reads one descriptor; unknown delivery words are dropped and a missing schema is read as `{}` (OP-33). */
export const eventTypeSchema: z.ZodType<EventTypeDescriptor> = z.looseObject({
  name: z.string(),
  description: optionalMember(z.string()),
  delivery: knownModes,
  inputSchema: schemaMember,
  payloadSchema: schemaMember,
  _meta: optionalMember(jsonObject),
});

/** Reads the parameters of `events/list`, which may be left out altogether. */
export const listParamsSchema: z.ZodType<ListParams> = z
  .looseObject({ cursor: z.string().optional(), _meta: jsonObject.optional() })
  .default({});

/** Reads one page of event types. */
export const listResultSchema: z.ZodType<ListResult> = z.looseObject({
  ...resultShape,
  events: z.array(eventTypeSchema),
  nextCursor: optionalMember(z.string()),
});

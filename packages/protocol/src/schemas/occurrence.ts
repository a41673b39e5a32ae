import * as z from 'zod';
import { jsonObject, optionalMember } from './json.ts';

/** One event as it stands in a poll result, a stream notification or a webhook body (OCC-01). */
export interface EventOccurrence {
  /** Unique within the server and event name; duplicates collapse by it (ORDER-04). Not empty. */
  eventId: string;
  /** Name of the subscribed event type (OCC-02). */
  name: string;
  /** When the event happened: ISO 8601 with a zone, the same on retry and replay (OCC-03). */
  timestamp: string;
  /** The payload; satisfies the type's `payloadSchema` (OCC-04). Untrusted, like a tool result (AUTH-06). */
  data: Record<string, unknown>;
  /** Position after this event (PUSH-06) or safe watermark (DELIV-11); push and webhook only, never in a poll result (OCC-05). */
  cursor?: string | null;
  /** Outside the `payloadSchema`; passed on unchanged (OCC-09). */
  _meta?: Record<string, unknown>;
  /** Reserved: a top-level `type` marks a control envelope (OCC-06, ENV-01). */
  type?: never;
}

/** An {@link EventOccurrence} as pushed or posted, where a missing cursor means null (CUR-04). */
export interface DeliveredOccurrence extends EventOccurrence {
  cursor: string | null;
}

/** Reads an occurrence. A top-level `type` is not part of one and is dropped (OCC-06). */
export const occurrenceSchema: z.ZodType<EventOccurrence> = z
  .looseObject({
    eventId: z.string().min(1),
    name: z.string(),
    timestamp: z.string(),
    data: jsonObject,
    cursor: z.string().nullish(),
    _meta: optionalMember(jsonObject),
  })
  .transform(({ type: _reserved, ...occurrence }) => occurrence);

/** Reads an occurrence of a stream or a webhook, where a missing cursor means null (CUR-04). */
export const deliveredOccurrenceSchema: z.ZodType<DeliveredOccurrence> = occurrenceSchema.transform((occurrence) => ({
  ...occurrence,
  cursor: occurrence.cursor ?? null,
}));

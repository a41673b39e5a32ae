import * as z from 'zod';
import { nullableCursor } from './json.ts';
import { occurrenceSchema } from './occurrence.ts';
import type { EventOccurrence } from './occurrence.ts';
import { resumableShape } from './params.ts';
import type { ResumableParams } from './params.ts';
import { resultShape } from './result.ts';
import type { EventsResult } from './result.ts';

/** Parameters of `events/poll` after reading. */
export interface PollParams extends ResumableParams {
  /** Upper bound of the batch, at least 1; absent means the server's own (POLL-04). */
  maxEvents?: number;
  /** How long the server may hold the answer, in milliseconds; long poll only (POLL-10, OP-18). */
  timeoutMs?: number;
}

/** Result of `events/poll` (POLL-03). */
export interface PollResult extends EventsResult {
  /** In feed order (ORDER-01), without cursors of their own (OCC-05). */
  events: EventOccurrence[];
  /** Position after the last returned event; null for types without replay. */
  cursor: string | null;
  /** Events between the given cursor and this batch may be lost (CUR-12). */
  truncated: boolean;
  /** More is available right now (POLL-05). */
  hasMore: boolean;
  /** Wait before the next poll, in milliseconds; the client applies its own floor (POLL-06). */
  nextPollMs: number;
}

/** Reads the parameters of `events/poll`; wrong types and numbers out of range are refused (OP-17). */
export const pollParamsSchema: z.ZodType<PollParams> = z.looseObject({
  ...resumableShape,
  maxEvents: z.int().min(1).optional(),
  timeoutMs: z.int().min(0).optional(),
});

/** Reads a poll result; a missing flag is false and a missing `nextPollMs` 0, which the client's floor raises. */
export const pollResultSchema: z.ZodType<PollResult> = z.looseObject({
  ...resultShape,
  events: z.array(occurrenceSchema),
  cursor: nullableCursor,
  truncated: z.boolean().default(false),
  hasMore: z.boolean().default(false),
  nextPollMs: z.number().default(0),
});

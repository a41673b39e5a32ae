import * as z from 'zod';
import { jsonObject, optionalMember } from './json.ts';

/** Members shared by all results of the extension. */
export interface EventsResult {
  /** Always `complete` in this extension (CAP-11); absent means the same and is filled in on reading (DIALECT-14). */
  resultType?: string;
  _meta?: Record<string, unknown>;
}

/** Shape of {@link EventsResult}. */
export const resultShape: {
  resultType: z.ZodType<string>;
  _meta: z.ZodType<Record<string, unknown> | undefined>;
} = {
  resultType: z.string().default('complete'),
  _meta: optionalMember(jsonObject),
};

/** An empty result, such as that of `events/unsubscribe` (UNSUB-01). */
export const emptyResultSchema: z.ZodType<EventsResult> = z.looseObject(resultShape);

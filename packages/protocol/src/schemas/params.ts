import * as z from 'zod';
import { jsonObject, nullableCursor } from './json.ts';

/** Members shared by the requests that address one subscription. */
export interface TargetParams {
  /** Name of the event type. */
  name: string;
  /** Arguments of the subscription; absent on the wire means `{}` (OP-04). */
  arguments: Record<string, unknown>;
  _meta?: Record<string, unknown>;
}

/** Members shared by the requests that start or continue delivery. */
export interface ResumableParams extends TargetParams {
  /** Position to continue from; null, or absent on the wire, means "from now" (CUR-02, CUR-03). */
  cursor: string | null;
  /** Oldest age of replayed events in milliseconds; ignored without a cursor (CUR-08, CUR-10). */
  maxAgeMs?: number;
}

/** Shape of {@link TargetParams}. Wrong JSON types are errors here, unknown members are not (OP-17). */
export const targetShape: {
  name: z.ZodType<string>;
  arguments: z.ZodType<Record<string, unknown>>;
  _meta: z.ZodType<Record<string, unknown> | undefined>;
} = {
  name: z.string(),
  // A fresh object each time: a shared default could be changed by one caller for all.
  arguments: jsonObject.default(() => ({})),
  _meta: jsonObject.optional(),
};

/** Shape of {@link ResumableParams}. */
export const resumableShape: typeof targetShape & {
  cursor: z.ZodType<string | null>;
  maxAgeMs: z.ZodType<number | undefined>;
} = {
  ...targetShape,
  cursor: nullableCursor,
  maxAgeMs: z.int().min(0).optional(),
};

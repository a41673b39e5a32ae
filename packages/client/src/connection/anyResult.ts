import { z } from 'zod';

/** Leaves results as they came: they are read tolerantly afterwards, member by member where a list is concerned. */
export const anyResult: z.ZodType<Record<string, unknown>> = z.record(z.string(), z.unknown());

import * as z from 'zod';

/** A JSON Schema in object form (2020-12 unless `$schema` says otherwise). */
export type JsonSchema = Record<string, unknown>;

/** Whether a parsed JSON value is an object: not null, not an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Any JSON object, passed through by reference. Not `z.record`: that one copies, and drops a member named
 * `__proto__`, which would make two different `arguments` one subscription (SUB-02).
 */
export const jsonObject: z.ZodType<Record<string, unknown>> = z.custom<Record<string, unknown>>(isJsonObject, {
  error: 'expected object',
});

/** A cursor where a missing one means null (CUR-03, CUR-04). */
export const nullableCursor: z.ZodType<string | null> = z.string().nullable().default(null);

/** An optional member of a result. Peers whose language writes absent values as null are understood. */
export function optionalMember<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return schema.nullish().transform((value) => value ?? undefined);
}

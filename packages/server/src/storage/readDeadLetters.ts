import { describeIssues, isJsonObject, lastErrorSchema } from '@mcp-events/protocol';
import * as z from 'zod';
import type { StoredDeadLetter } from './deadLetterStore.ts';

export type NumberedLetter = StoredDeadLetter & { readonly number: number };

/** Damaged letters that one report names. */
const MAX_NAMED = 10;

const storedLetterSchema: z.ZodType<NumberedLetter> = z.object({
  number: z.number(),
  subscriptionId: z.string(),
  principal: z.string(),
  name: z.string(),
  eventId: z.string(),
  timestamp: z.string(),
  dataJson: z.string().refine(isJsonObjectText, { error: 'expected the JSON of an object' }),
  // Not `z.record`, whose copy would lose a member named `__proto__`.
  _meta: z.custom<Record<string, unknown>>(isJsonObject, { error: 'expected object' }).optional(),
  cursor: z.string().nullable(),
  attempts: z.number(),
  reason: lastErrorSchema,
  abandonedAt: z.string(),
});

/**
 * Those of the letters a store gave back that can be read. What is wrong with the others is reported, all of them together
 * and without quoting them: one that is damaged keeps back no other (EMIT-11).
 */
export function readDeadLetters(
  found: readonly NumberedLetter[],
  report: (error: unknown, stage: string) => void,
): NumberedLetter[] {
  const letters: NumberedLetter[] = [];
  const damaged: string[] = [];
  let first: unknown;
  for (const letter of found as readonly unknown[]) {
    const parsed = storedLetterSchema.safeParse(letter);
    if (parsed.success) letters.push(parsed.data);
    else {
      const number = isJsonObject(letter) ? letter['number'] : undefined;
      first ??= number;
      if (damaged.length < MAX_NAMED) damaged.push(`${String(number)} (${describeIssues(parsed.error)})`);
    }
  }
  const count = found.length - letters.length;
  if (count === 0) return letters;
  const more = count > damaged.length ? ` and ${count - damaged.length} more` : '';
  report(
    new TypeError(
      `damaged dead letters are left out: ${damaged.join(', ')}${more}. Restore a backup of the storage, or forget them, as by ` +
        `discardDeadLetters({ number: ${String(first)} })`,
    ),
    'storage',
  );
  return letters;
}

function isJsonObjectText(text: string): boolean {
  try {
    return isJsonObject(JSON.parse(text));
  } catch {
    return false;
  }
}

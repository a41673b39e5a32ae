/**
 * A message of a server without its members that are null: these are read as absent, except where null says something.
 *
 * @param meaningful names of members for which null has a meaning of its own
 */
export function withoutNulls(message: Record<string, unknown>, meaningful: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(message).filter(([name, value]) => value !== null || meaningful.includes(name)),
  );
}

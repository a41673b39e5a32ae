/** Whether every storage gives it back as it was: well-formed text without the character zero. */
export function isStorableText(value: unknown): value is string {
  return typeof value === 'string' && !/[\0\p{Surrogate}]/u.test(value);
}

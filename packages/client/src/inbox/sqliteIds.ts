/** What drivers do not give back as it was: lone surrogates are replaced, and some stop at the character zero. */
const UNSAFE = /[\0\p{Surrogate}]/u;

/** An event id for a column of text. Servers choose ids, and two of them must never become one. */
export function toColumn(id: string): string {
  return id.startsWith('"') || UNSAFE.test(id) ? JSON.stringify(id) : id;
}

/** The event id that {@link toColumn} was given. */
export function fromColumn(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text;
}

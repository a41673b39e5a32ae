/** Hexadecimal digits that tell the runs of a server apart, and of the count. */
export const RUN_ID_LENGTH = 16;

/** Ids of one run. They must be unique, not unguessable, and a counter costs nothing per message. */
export function countedIds(prefix: string): () => string {
  let count = 0;
  return () => prefix + (++count).toString(16).padStart(RUN_ID_LENGTH, '0');
}

/**
 * A position in the commits of a branch.
 *
 * At rest it is the commit up to which everything was told. On the way through a longer stretch it is that commit, the
 * commit the stretch leads to, and how many of the commits between were told: merges make history a graph, in which a
 * single commit in the middle would not say which ones came before it.
 */
export interface CommitCursor {
  /** Null before the first commit of an empty repository. */
  readonly from: string | null;
  /** Present on the way. */
  readonly stretch?: { readonly to: string; readonly told: number };
}

const ROOT = 'root';
const HASH = '[0-9a-f]{40}(?:[0-9a-f]{24})?';
const FORM = new RegExp(`^(${ROOT}|${HASH})(?::(${HASH}):(0|[1-9]\\d{0,8}))?$`);

export function encodeCommitCursor({ from, stretch }: CommitCursor): string {
  const start = from ?? ROOT;
  return stretch === undefined ? start : `${start}:${stretch.to}:${stretch.told}`;
}

/** `undefined` for anything that is not of this form; whether the commits exist is another question. */
export function decodeCommitCursor(cursor: string): CommitCursor | undefined {
  const match = FORM.exec(cursor);
  if (match === null) return undefined;
  const [, start, to, told] = match;
  const from = start === ROOT || start === undefined ? null : start;
  return to === undefined ? { from } : { from, stretch: { to, told: Number(told) } };
}

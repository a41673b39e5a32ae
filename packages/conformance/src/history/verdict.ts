import type { Fact } from './facts.ts';

/** What can be wrong with a history. */
export type ViolationKind =
  /** An event was owed, and was neither handed to the application nor told as lost (G2). */
  | 'loss'
  /** The application got an event again that it had kept, or got twice without a crash in between (G4). */
  | 'duplicate'
  /** The application got an event after one that lies behind it in the log (G1). */
  | 'order'
  /** A cursor was promised that lies behind an event which was neither delivered nor told as lost (G3). */
  | 'cursor'
  /** A subscription was forgotten before its grant ended. */
  | 'grant'
  /** An event was delivered that does not exist, or that the subscription does not want. */
  | 'phantom'
  /** The log contradicts itself: a position was given twice, or against the order of the emits. */
  | 'log'
  /** A gap was told, and nothing had happened that could have lost anything. */
  | 'gap'
  /** An event arrived with other data than it has for this principal. */
  | 'data'
  /** Something arrived after the subscription had ended. */
  | 'ended'
  /** An event arrived again, and nothing had disturbed its arrival. */
  | 'repetition'
  /** An event did not arrive within the stated time, though nothing was disturbed. */
  | 'late'
  /** A subscription that was to go on where it was began from now. */
  | 'position'
  /** The history shows nothing: no event that was emitted, handed to an application, and judged at the end. */
  | 'empty';

/** A fact and its place in the history. */
export interface Evidence {
  readonly index: number;
  readonly fact: Fact;
}

export interface Violation {
  readonly kind: ViolationKind;
  readonly subscription?: string;
  readonly eventId?: string;
  readonly message: string;
  /** The facts that show it, in their order. */
  readonly evidence: readonly Evidence[];
}

/** How much a history holds, so that a verdict about nothing is seen to be one. */
export interface HistoryFigures {
  readonly emitted: number;
  /** Emits that were never answered. */
  readonly unanswered: number;
  readonly subscriptions: number;
  readonly handed: number;
  readonly gaps: number;
  /** Events of webhooks that came out of order after they had been told as lost, which is allowed. */
  readonly late: number;
  readonly cursors: number;
  readonly kills: number;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  readonly figures: HistoryFigures;
  /** In how many places of the history a violation of each kind would have been seen. */
  readonly examined: Readonly<Record<ViolationKind, number>>;
}

/** Kinds of violations that there was no place for: nothing is said of them, whatever it looks like. */
export function idleKinds(examined: Verdict['examined']): ViolationKind[] {
  return (Object.keys(examined) as ViolationKind[]).filter((kind) => examined[kind] === 0);
}

/** The same for several histories together. */
export function sumExamined(all: readonly Verdict['examined'][]): Verdict['examined'] {
  const kinds = Object.keys(all[0] ?? {}) as ViolationKind[];
  const sum = (kind: ViolationKind): number => all.reduce((total, examined) => total + examined[kind], 0);
  return Object.fromEntries(kinds.map((kind) => [kind, sum(kind)])) as Verdict['examined'];
}

/** What was looked at, and what nothing was there to look at for, as text. */
export function describeExamined(examined: Verdict['examined']): string {
  const counts = Object.entries(examined).flatMap(([kind, count]) => (count === 0 ? [] : [`${kind} ${count}`]));
  return `looked at: ${counts.join(', ')}; nothing to look at: ${idleKinds(examined).join(', ') || 'for no rule'}`;
}

/** A verdict as text: one line of figures, then each violation with its facts. */
export function describeVerdict({ violations, figures }: Verdict): string {
  const counts = Object.entries(figures).map(([name, count]) => `${name} ${count}`);
  return [counts.join(', '), ...violations.map(describeViolation)].join('\n');
}

function describeViolation({ kind, message, evidence }: Violation): string {
  const facts = evidence.map(({ index, fact }) => `    #${index} ${JSON.stringify(fact)}`);
  return [`${kind}: ${message}`, ...facts].join('\n');
}

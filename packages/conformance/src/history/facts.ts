/**
 * What was seen to happen in a run, as a list of facts in the order of their happening. A fact is plain JSON, so that a
 * process that may be killed at any moment can append each as one line to a file.
 *
 * Two rules make a history decidable whatever dies: what is about to be done is written before it (`emitting`, `begun`,
 * `handed`), and what was answered is written after the answer (`emitted`, `received`, `committed`). So a missing answer
 * means that nobody knows.
 */
export type Fact =
  | EmittingFact
  | EmittedFact
  | EmitFailedFact
  | BegunFact
  | SubscribedFact
  | ReceivedFact
  | GrantedFact
  | HandedFact
  | AcknowledgingFact
  | CommittedFact
  | EndedFact
  | SettledFact
  | StartedFact
  | KilledFact
  | LossCauseFact
  | DisturbedFact
  | CalmFact
  | ClockSetFact
  | RestoredFact
  | StoredFact;

/** Members of every fact. */
export interface FactBase {
  /** Milliseconds, of one clock for the whole history. For people, and to merge the files of several processes. */
  readonly at?: number;
  /** For people. */
  readonly note?: string;
}

/**
 * An author is about to emit. Until it is answered the event may exist or not: it need not be delivered, but once
 * anybody received it, it exists for everybody.
 */
export interface EmittingFact extends FactBase {
  readonly fact: 'emitting';
  /** Name of the event type. Each has an order of its own. */
  readonly type: string;
  /** Named by the author, unique in the history; the same again when an emit of unknown outcome is repeated. */
  readonly eventId: string;
  /** What subscriptions choose by: see {@link matches}. */
  readonly values?: Readonly<Record<string, FactValue>>;
  /** The only principals that may get it. Default: all. */
  readonly readers?: readonly string[];
  /** Hash of the data that is to arrive. Default: nothing is said of the data. */
  readonly hash?: string;
  /** The same for principals that get other data, by principal. */
  readonly hashes?: Readonly<Record<string, string>>;
}

export type FactValue = string | number | boolean | null;

/** The emit was answered: the event is in the log. */
export interface EmittedFact extends FactBase {
  readonly fact: 'emitted';
  readonly eventId: string;
  /** Position after the event, as `emit` resolved with it. */
  readonly cursor: string;
}

/**
 * The emit was refused by a server that lives: the event does not exist. An emit whose server died has no such fact, and
 * neither has one whose answer was lost.
 */
export interface EmitFailedFact extends FactBase {
  readonly fact: 'emitFailed';
  readonly eventId: string;
}

/**
 * A client is about to subscribe, or to go on after a stop or in another mode. From here on it relies on `cursor`:
 * everything after it has to come, or a gap has to be told. A refresh is no beginning, and neither is a poll that goes on
 * with the cursor of the answer before.
 */
export interface BegunFact extends FactBase {
  readonly fact: 'begun';
  /** What the application subscribed to, over all restarts and modes. */
  readonly subscription: string;
  /** The process in which the application handles its events. */
  readonly process: string;
  readonly type: string;
  readonly arguments?: Readonly<Record<string, FactValue | readonly FactValue[]>>;
  readonly mode: 'poll' | 'push' | 'webhook';
  /** `null`: from now, which is the first cursor that is received. Forgoes what was owed before. */
  readonly cursor: string | null;
  /** Who subscribes: see {@link EmittingFact.readers}. */
  readonly principal?: string;
  /**
   * The application asked to go on where it was: what was owed stays owed, and to begin from now instead is a violation.
   * To be taken from what the application asked for, never from the store that is under test.
   */
  readonly resumes?: boolean;
  /** What it wants is received, or handed out, within this time, as long as nothing is disturbed. Default: nothing is said of it. */
  readonly withinMs?: number;
  /** What was under way when something was disturbed is tried again within this time, and has to arrive after it. Default: 0. */
  readonly againWithinMs?: number;
  /**
   * What is emitted while something waits to be tried again may wait with it: the server has no more under way for one
   * subscription than it has room for, and these are few (G5). Default: false.
   */
  readonly waitsForRetries?: boolean;
}

/**
 * The application was told that its subscription has begun: whatever an author begins to emit from here on is owed,
 * wherever the first cursor stands.
 */
export interface SubscribedFact extends FactBase {
  readonly fact: 'subscribed';
  readonly subscription: string;
}

/**
 * A client took a message of the server: an answer, a notification, or a webhook that it acknowledged. What was sent and
 * not taken is no fact.
 */
export interface ReceivedFact extends FactBase {
  readonly fact: 'received';
  readonly subscription: string;
  /** Ids of the events in it, in their order. */
  readonly events?: readonly string[];
  /** Hashes of their data, in the same order. */
  readonly hashes?: readonly string[];
  /** The cursor in it: promised to be safe once the message is taken. */
  readonly cursor?: string | null;
  /**
   * It tells that events may be missing: `truncated`, or a gap. It covers what is at most at its cursor; a gap by webhook
   * covers everything emitted so far, because events before and after the lost ones may be under way. What of that still
   * arrives may come late, after events behind it.
   */
  readonly gap?: boolean;
  /** It came then, and the client kept it until an answer told it whose it was. Default: just now. */
  readonly arrivedMs?: number;
  /** The client had stored its events before it took them: each has to be handed out, whatever happens. Default: false. */
  readonly kept?: boolean;
  /**
   * It is of an earlier server, or of a subscription that was made anew since: where the one of now goes on need not know that
   * it was taken. Default: false.
   */
  readonly ofEarlier?: boolean;
}

/** The server promised to keep a webhook subscription until then. */
export interface GrantedFact extends FactBase {
  readonly fact: 'granted';
  readonly subscription: string;
  /** By the clock of the server; `null` for good. */
  readonly refreshBeforeMs: number | null;
  /** Before it was asked for: the server's clock may have been set since. Default: just now. */
  readonly askedMs?: number;
  /** The refresh was not answered, so nobody knows whether this one, or a later one of before, is in force. Default: false. */
  readonly perhaps?: boolean;
}

/** An event is given to the application. */
export interface HandedFact extends FactBase {
  readonly fact: 'handed';
  readonly subscription: string;
  readonly eventId: string;
  /** Of the data the application saw. */
  readonly hash?: string;
}

/**
 * The application is about to acknowledge an event: from here on nobody knows whether that is stored, until it is
 * {@link CommittedFact | answered}. After a kill the event may be given out again or not.
 */
export interface AcknowledgingFact extends FactBase {
  readonly fact: 'acknowledging';
  readonly subscription: string;
  readonly eventId: string;
}

/** The application's acknowledgement of an event, or its effect, is stored: it must not be given out again. */
export interface CommittedFact extends FactBase {
  readonly fact: 'committed';
  readonly subscription: string;
  readonly eventId: string;
}

/** Nothing more is owed to a subscription, until it begins again. */
export interface EndedFact extends FactBase {
  readonly fact: 'ended';
  readonly subscription: string;
  /**
   * `asked`: by the client. `told`: the server said so. `forgotten`: the server turned out not to know it any more,
   * which is what happens after a grant, and must not happen within one. `dropped`: the operator ended it, or what was stored
   * of it is damaged; the client may not know yet, and the server does not know it any more.
   */
  readonly how: 'asked' | 'told' | 'forgotten' | 'dropped';
  /** By the clock of the server at the latest, before what {@link ClockSetFact} adds to it. */
  readonly atMs?: number;
  /** The server answered that it has ended: nothing more may arrive. What is told is final in any case. */
  readonly final?: boolean;
  /** What was on its way may still arrive for so long. Default: 30,000. */
  readonly graceMs?: number;
  /** What the client had received before is handed out all the same: only what was emitted since must not be. Default: false. */
  readonly handsOutReceived?: boolean;
}

/**
 * Everything had its time, with no fault left: what is owed by now has been handed to the application, or told as lost.
 * Without such a fact a history says nothing of what was still to come when it ended.
 */
export interface SettledFact extends FactBase {
  readonly fact: 'settled';
  /** Default: every subscription that has begun and not ended. */
  readonly subscription?: string;
}

export interface StartedFact extends FactBase {
  readonly fact: 'started';
  readonly process: string;
}

/** The process is gone, with everything it did not store. An orderly stop is no such fact. */
export interface KilledFact extends FactBase {
  readonly fact: 'killed';
  readonly process: string;
}

/**
 * Something happened for which a gap may be told to the subscriptions it names: an endpoint refused, an author's function
 * failed, retention removed events. Without a cause a gap is a violation, once the history has a {@link CalmFact}.
 */
export interface LossCauseFact extends FactBase {
  readonly fact: 'lossCause';
  readonly why: string;
  /** Default: of any subscription that the other members name. */
  readonly subscription?: string;
  readonly type?: string;
  readonly principal?: string;
  /** In which the application of the subscription lives. */
  readonly process?: string;
  /** Concerns this event alone: a gap may be told for it, and stands for no other that is not lost as well. */
  readonly eventId?: string;
  /** Concerns each event that was emitted before it, and each of them may be told of at its place. Default: false. */
  readonly isOfEach?: boolean;
  /** Concerns those only that stand before this position, whenever they come back to it. */
  readonly upTo?: string;
  /** Beside {@link upTo}: and behind this one. */
  readonly beyond?: string;
  /** Concerns those only that are delivered to in this way. */
  readonly mode?: BegunFact['mode'];
}

/**
 * From here on something may be late or come again, until all is calm. With a subscription, or a process that has some: of
 * these, and once. With a process that has none, others rely on it: of all, and once.
 */
export interface DisturbedFact extends FactBase {
  readonly fact: 'disturbed';
  readonly subscription?: string;
  readonly process?: string;
  readonly why?: string;
  /**
   * The server waits for the client of this webhook subscription: until it is granted anew, nothing comes (`all`), or nothing
   * tells what became of the events emitted until here (`emitted`). Only after a {@link LossCauseFact} of the subscription.
   */
  readonly untilGranted?: 'all' | 'emitted';
}

/**
 * No fault is at work from here on, and every later one is told by a fact. Before the first such fact nothing is said of
 * needless gaps, of lateness and of repetition.
 */
export interface CalmFact extends FactBase {
  readonly fact: 'calm';
}

/** The time of day of a process differs from the clock of the history by so much from now on. */
export interface ClockSetFact extends FactBase {
  readonly fact: 'clockSet';
  readonly process: string;
  readonly offsetMs: number;
}

/**
 * The server's storage was replaced by an earlier copy of itself. What stands beyond the end of the copy is in the log no
 * more: whoever has not got it never will, and need not be told of it, unless it was promised a position beyond. Webhook
 * subscriptions are those of the copy.
 */
export interface RestoredFact extends FactBase {
  readonly fact: 'restored';
  readonly logs: readonly RestoredLog[];
}

export interface RestoredLog {
  readonly type: string;
  /** The epoch it goes on in. */
  readonly epoch: string;
  /** The epoch that it had when it was copied; positions up to `head` mean the same in both. */
  readonly from: string;
  readonly head: number;
}

/**
 * A server that is about to be killed has stored that a webhook subscription acknowledged these events: the next one does not
 * send them again, unless its client begins anew or its storage is replaced.
 */
export interface StoredFact extends FactBase {
  readonly fact: 'stored';
  readonly subscription: string;
  readonly events: readonly string[];
}

/** Whether an event is for a subscription, by what it wants and by who may see it. */
export function isFor(
  { arguments: wanted, principal }: Pick<BegunFact, 'arguments' | 'principal'>,
  { values, readers }: Pick<EmittingFact, 'values' | 'readers'>,
): boolean {
  if (readers !== undefined && principal !== undefined && !readers.includes(principal)) return false;
  return matches(wanted, values);
}

/** Whether a cause can have lost anything of a subscription, wherever it stands. */
export function concerns(cause: LossCauseFact, begun: BegunFact): boolean {
  if (cause.subscription !== undefined && cause.subscription !== begun.subscription) return false;
  if (cause.type !== undefined && cause.type !== begun.type) return false;
  if (cause.principal !== undefined && cause.principal !== begun.principal) return false;
  if (cause.mode !== undefined && cause.mode !== begun.mode) return false;
  return cause.process === undefined || cause.process === begun.process;
}

/** Whether a subscription with these arguments wants an event of these values: each argument equals its value, or lists it. */
export function matches(wanted: BegunFact['arguments'], values: EmittingFact['values']): boolean {
  for (const [name, value] of Object.entries(wanted ?? {})) {
    const actual = values?.[name];
    if (actual === undefined) return false;
    if (Array.isArray(value) ? !value.includes(actual) : value !== actual) return false;
  }
  return true;
}

import type { EventTable, KnownEvent } from './eventTable.ts';
import type { BegunFact, EndedFact, GrantedFact, ReceivedFact, RestoredFact } from './facts.ts';
import { KeptEvents } from './keptEvents.ts';
import { OpenGap } from './openGap.ts';
import type { Evidence, Violation, ViolationKind } from './verdict.ts';

/**
 * What the application did with an event. `attempted`: it was killed before it kept it; `undecided`: it may have kept it
 * before it was killed.
 */
interface Handing {
  state: 'handed' | 'acknowledging' | 'committed' | 'attempted' | 'undecided';
  evidence: Evidence;
}

/**
 * Follows one subscription through a history. Events it wants are looked at in the order of the log: everything before
 * `#next` is handed, told as lost, or reported.
 */
export class CheckedSubscription {
  readonly name: string;
  readonly violations: Violation[] = [];
  readonly #table: EventTable;
  readonly #type: string;
  readonly #wanted: readonly KnownEvent[];
  readonly #wantedIds: ReadonlySet<KnownEvent>;
  readonly #handings = new Map<KnownEvent, Handing>();
  /** Handed, and not kept yet: what a kill undoes. */
  readonly #uncommitted = new Set<KnownEvent>();
  /** Left out, by the event that was handed instead. */
  readonly #skipped = new Map<KnownEvent, Evidence>();
  /** Of these, those that came in order, so that no later gap can have been told for them. */
  readonly #untold = new Set<KnownEvent>();
  readonly #openGap = new OpenGap();
  process: string;
  live = true;
  handedCount = 0;
  /** Handed, with a place to compare. */
  ordered = 0;
  /** Events that a message or a handing named. */
  looked = 0;
  /** Cursors that went on from an earlier one. */
  promises = 0;
  grants = 0;
  /** Events that had to be there when all was settled. */
  owed = 0;
  gaps = 0;
  cursors = 0;
  /** Handed after they had been told as lost, and after others that stand behind them. */
  late = 0;
  /** Index in `#wanted` of the first event that is still owed; `undefined` before the first position is known. */
  #next: number | undefined;
  #firstOwed = 0;
  /** Of the application: the latest event handed in the life of its process. */
  #latest: { readonly position: number; readonly evidence: Evidence } | undefined;
  /** Received since the client last began, beyond its last cursor. */
  readonly #received = new Set<KnownEvent>();
  readonly #kept = new KeptEvents();
  /** The client is safe up to here, by what it received. */
  #safe: number | undefined;
  #begun: Evidence;
  #lostUpTo = -Infinity;
  /** By webhook, whatever was emitted before this fact may be lost. */
  #lostBeforeIndex = -1;
  /** When the server last came to know nothing of it any more by no fault of its own. */
  #droppedMs = -Infinity;
  #grant: (Evidence & { readonly refreshBeforeMs: number | null }) | undefined;
  /** The furthest the server's clock was ahead since then. */
  #clockAheadMs = 0;
  /** The application was told here that it is subscribed. */
  #subscribedIndex = Infinity;

  constructor(table: EventTable, fact: BegunFact, index: number) {
    this.#table = table;
    this.name = fact.subscription;
    this.process = fact.process;
    this.#type = fact.type;
    this.#wanted = table.wantedBy(fact);
    this.#wantedIds = new Set(this.#wanted);
    this.#begun = { index, fact };
  }

  begun(fact: BegunFact, index: number): void {
    this.live = true;
    this.process = fact.process;
    this.#begun = { index, fact };
    this.#grant = undefined;
    this.#received.clear();
    if (fact.cursor === null) {
      this.#safe = undefined;
      if (fact.resumes === true) return;
      this.#next = undefined;
      this.#subscribedIndex = Infinity;
      return;
    }
    const position = this.#table.positionOf(this.#type, fact.cursor);
    this.#safe = position;
    if (position !== undefined) this.#owedFrom(this.#indexAfter(position));
  }

  received(fact: ReceivedFact, index: number): void {
    const position = this.#table.positionOf(this.#type, fact.cursor);
    if (fact.gap === true) this.#lost(position, index);
    for (const eventId of fact.events ?? []) {
      const event = this.#require(eventId, { index, fact });
      this.#checkOrder(event, { index, fact });
      if (event !== undefined && fact.kept === true) this.#kept.keep(event, { index, fact });
      // What lies before the safe position is asked for by nobody.
      if (event !== undefined && !((event.position ?? Infinity) <= (this.#safe ?? -Infinity)))
        this.#received.add(event);
    }
    if (position === undefined) return;
    this.#promised(position, { index, fact });
    if (this.#openGap.positioned()) this.#lostUpTo = Math.max(this.#lostUpTo, position);
  }

  /** In a stream, and from poll to poll, nothing comes that stands before a cursor that was told. */
  #checkOrder(event: KnownEvent | undefined, evidence: Evidence): void {
    if (this.#mode === 'webhook' || !((event?.position ?? Infinity) <= (this.#safe ?? -Infinity))) return;
    const message = `${this.name} received ${event?.id}, which stands before a cursor that it was told`;
    this.#report('order', message, event, [this.#begun, evidence]);
  }

  subscribed(index: number): void {
    this.#subscribedIndex = Math.min(this.#subscribedIndex, index);
  }

  granted(
    { refreshBeforeMs, perhaps, askedMs = Infinity }: GrantedFact,
    evidence: Evidence,
    clockAheadMs: number,
  ): void {
    this.grants++;
    // Where there is none to be in doubt of, nothing was promised: the operator ended it, or the storage is an earlier one.
    if (perhaps === true && this.#grant === undefined) return;
    // The answer may have been under way by then.
    if (askedMs <= this.#droppedMs) return;
    this.#grant = { ...evidence, refreshBeforeMs };
    // As far as anybody knows the one before may be in force.
    this.#clockAheadMs = perhaps === true ? Math.max(this.#clockAheadMs, clockAheadMs) : clockAheadMs;
  }

  /** The server's clock was set: a grant is judged by the latest time it may have shown meanwhile. */
  clockSet(offsetMs: number): void {
    this.#clockAheadMs = Math.max(this.#clockAheadMs, offsetMs);
  }

  handed(eventId: string, evidence: Evidence): void {
    this.handedCount++;
    const event = this.#require(eventId, evidence);
    if (event === undefined) return;
    const before = this.#handings.get(event);
    if (before !== undefined && before.state !== 'attempted' && before.state !== 'undecided') {
      const kept = before.state === 'committed' ? 'kept' : 'given';
      const message = `${this.name} was given ${eventId} again, which it had been ${kept} before`;
      this.#report('duplicate', message, event, [before.evidence, evidence]);
      return;
    }
    this.#handings.set(event, { state: 'handed', evidence });
    this.#uncommitted.add(event);
    const { position } = event;
    if (position === undefined) return;
    this.ordered++;
    const overtaker =
      this.#skipped.get(event) ??
      (this.#latest !== undefined && position < this.#latest.position ? this.#latest.evidence : undefined);
    this.#skipped.delete(event);
    if (overtaker !== undefined) {
      // What a gap by webhook had covered may have been on its way, or waited at the receiver for one that is lost.
      if (this.#mode === 'webhook' && this.#isExcused(event)) {
        this.late++;
        return;
      }
      const message = `${this.name} was given ${eventId} after an event that stands behind it`;
      this.#report('order', message, event, [overtaker, evidence]);
      return;
    }
    this.#latest = { position, evidence };
    this.#advance(
      (next) => (next.position as number) < position,
      (next) => {
        this.#skipped.set(next, evidence);
        if (this.#mode !== 'webhook') this.#untold.add(next);
      },
    );
    this.#openGap.handed();
  }

  acknowledging(eventId: string): void {
    const event = this.#table.get(eventId);
    const handing = event && this.#handings.get(event);
    if (handing?.state === 'handed') handing.state = 'acknowledging';
  }

  committed(eventId: string, evidence: Evidence): void {
    const event = this.#table.get(eventId);
    const handing = event && this.#handings.get(event);
    if (event === undefined || handing === undefined) return;
    handing.state = 'committed';
    handing.evidence = evidence;
    this.#uncommitted.delete(event);
  }

  /** The application is gone, and with it what it did not keep. */
  killed(): void {
    this.#latest = undefined;
    for (const event of this.#uncommitted) {
      const handing = this.#handings.get(event);
      if (handing?.state === 'acknowledging') {
        handing.state = 'undecided';
        continue;
      }
      if (handing !== undefined) handing.state = 'attempted';
      if (event.position === undefined || this.#next === undefined) continue;
      this.#next = Math.min(this.#next, this.#indexAfter(event.position - 1));
    }
    this.#uncommitted.clear();
  }

  ended({ how, atMs }: EndedFact, evidence: Evidence): void {
    const grant = this.#grant;
    this.live = false;
    this.#grant = undefined;
    if (how === 'dropped') this.#droppedMs = evidence.fact.at ?? this.#droppedMs;
    if (how !== 'forgotten' || grant === undefined || atMs === undefined) return;
    if (grant.refreshBeforeMs !== null && grant.refreshBeforeMs <= atMs + this.#clockAheadMs) return;
    const message = `${this.name} was forgotten by the server before its grant ended`;
    const { index, fact } = grant;
    this.#report('grant', message, undefined, [{ index, fact }, evidence]);
  }

  /** The server knows of a webhook what it knew when the copy was made: perhaps nothing. */
  restored({ at }: RestoredFact): void {
    this.#grant = undefined;
    this.#droppedMs = at ?? this.#droppedMs;
    // The one in the copy may have begun before the one of now.
    if (this.#mode === 'webhook') this.#latest = undefined;
  }

  settled(evidence: Evidence): void {
    for (const [event, kept] of this.#kept.missing((one) => this.#isHanded(one))) {
      const message = `${this.name} was not given ${event.id}, which it had said to keep`;
      this.#report('loss', message, event, [event.answered ?? event.emitting, kept, evidence]);
    }
    if (!this.live) return;
    this.#advance(
      (next) => (next.answered ?? next.seen ?? next.emitting).index < evidence.index,
      (next) => this.#reportLoss(next, evidence),
    );
    if (this.#next !== undefined) this.owed = Math.max(this.owed, this.#next - this.#firstOwed);
  }

  /** No more facts follow: what was left out, never came, and no later gap covers either, is lost. */
  finish(): void {
    for (const [event, evidence] of this.#skipped) {
      if (event.gone || (this.#isExcused(event) && !this.#untold.has(event))) continue;
      this.#reportLoss(event, evidence);
    }
  }

  /** Passes over events that are dealt with; `miss` is called with those that are not. */
  #advance(isDue: (next: KnownEvent) => boolean, miss: (next: KnownEvent) => void): void {
    if (this.#next === undefined) return;
    let next: KnownEvent | undefined;
    while ((next = this.#wanted[this.#next]) !== undefined && isDue(next)) {
      this.#next++;
      if (!this.#isHanded(next) && !this.#isExcused(next)) miss(next);
    }
  }

  #isHanded(event: KnownEvent): boolean {
    const state = this.#handings.get(event)?.state;
    return state !== undefined && state !== 'attempted';
  }

  #isExcused(event: KnownEvent): boolean {
    const { gone, position, emitting } = event;
    if (gone || (position as number) <= this.#lostUpTo || this.#openGap.excuses(emitting.index)) return true;
    return emitting.index < this.#lostBeforeIndex;
  }

  #lost(position: number | undefined, index: number): void {
    this.gaps++;
    if (position !== undefined) this.#lostUpTo = Math.max(this.#lostUpTo, position);
    if (this.#mode === 'webhook') this.#lostBeforeIndex = index;
    else if (position === undefined) this.#openGap.told(index);
  }

  get #mode(): BegunFact['mode'] {
    return (this.#begun.fact as BegunFact).mode;
  }

  /** Whoever keeps this cursor must have, or know of, everything before it. */
  #promised(position: number, evidence: Evidence): void {
    this.cursors++;
    const isFirst = this.#safe === undefined;
    const first = this.#safe === undefined ? this.#start(position) : this.#indexAfter(this.#safe);
    if (isFirst) this.#owedFrom(first);
    else if (position <= (this.#safe as number)) return;
    else this.promises++;
    let event: KnownEvent | undefined;
    for (let i = first; (event = this.#wanted[i]) !== undefined; i++) {
      if ((event.position as number) > position) break;
      if (!this.#received.delete(event) && !this.#isHanded(event) && !this.#isExcused(event)) {
        const message = `${this.name} was promised a cursor behind ${event.id}, which it was not given`;
        this.#report('cursor', message, event, [this.#begun, event.answered ?? event.emitting, evidence]);
      }
    }
    this.#safe = position;
  }

  #owedFrom(first: number): void {
    if (this.#next !== undefined) return;
    this.#next = first;
    this.#firstOwed = first;
  }

  /** Where what is owed begins: behind the first cursor, or before it with what was emitted to a subscription that stood. */
  #start(position: number): number {
    const after = this.#indexAfter(position);
    const owed = this.#wanted.findIndex(({ emitting }) => emitting.index > this.#subscribedIndex);
    return owed === -1 ? after : Math.min(after, owed);
  }

  #require(eventId: string, evidence: Evidence): KnownEvent | undefined {
    this.looked++;
    const event = this.#table.get(eventId);
    if (event !== undefined && event.possible > 0) {
      // One without a place is in nobody's list.
      if (this.#wantedIds.has(event) || event.position === undefined) return event;
    }
    const what = event === undefined ? 'was never emitted' : event.possible > 0 ? 'is not for it' : 'was refused';
    const shown = event === undefined ? [evidence] : [this.#begun, event.emitting, evidence];
    this.#report('phantom', `${this.name} was given ${eventId}, which ${what}`, event, shown);
    return undefined;
  }

  #reportLoss(event: KnownEvent, evidence: Evidence): void {
    const message = `${this.name} was neither given ${event.id} nor told of a gap`;
    this.#report('loss', message, event, [this.#begun, event.answered ?? event.emitting, evidence]);
  }

  #report(kind: ViolationKind, message: string, event: KnownEvent | undefined, evidence: readonly Evidence[]): void {
    const ordered = evidence.toSorted((a, b) => a.index - b.index);
    this.violations.push({ kind, subscription: this.name, eventId: event?.id, message, evidence: ordered });
  }

  /** Of the first wanted event behind a position. */
  #indexAfter(position: number): number {
    let low = 0;
    let high = this.#wanted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#wanted[middle]?.position as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

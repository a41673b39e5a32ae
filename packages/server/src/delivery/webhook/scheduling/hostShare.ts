import { Fifo } from './fifo.ts';
import { TokenBucket } from './tokenBucket.ts';

/** What an attempt says about its endpoint: whether it answered at all, not whether it liked the delivery. `skipped`: none was made. */
export type HostOutcome = 'answered' | 'unreachable' | 'skipped';

/** Attempts under way for a principal at a host nothing is known of yet. */
const INITIAL_CONCURRENCY = 16;

/** Attempts that a host nobody is answered by keeps: one more than a single endpoint that hangs can hold. */
const LEAST_TRIALS = 2;

/**
 * One principal's part of a host. It grows by one for each answer and halves for each attempt that got none: endpoints
 * that hang hold a single attempt soon, and nothing of what others have at the same host (DELIV-20).
 */
export class FlowShare {
  running = 0;
  allowed: number;
  /** It was answered, and has not been down to a single attempt since: limited by itself and by the host's ceiling only. */
  proven = false;
  /** The queue of its host in which its flow waits. Places in others are of before. */
  parkedIn: unknown;

  constructor(most: number) {
    this.allowed = Math.min(INITIAL_CONCURRENCY, most);
  }

  /** Down to a single attempt: it waits behind those that nothing is known of. */
  get failing(): boolean {
    return !this.proven && this.allowed === 1;
  }
}

/**
 * What all principals together may have under way to one host, whatever its port: a ceiling, and within it a part for those
 * the host has not answered, which halves for each silence and grows by one for each answer of the host to anybody. So a
 * dead host costs two attempts at a time, however many principals send to it, and one that answers keeps half of its places
 * for those it answers.
 */
export class HostShare<Waiting extends { readonly share: FlowShare }> {
  readonly bucket: TokenBucket;
  readonly most: number;
  running = 0;
  /** Flows that exist. */
  flows = 0;
  readonly #mostTrials: number;
  #trials: number;
  #trialsRunning = 0;
  /** What waits for room: of those that were answered, that nothing is known of, and that failed. */
  readonly #proven: Fifo<Waiting> = new Fifo();
  readonly #unknown: Fifo<Waiting> = new Fifo();
  readonly #failing: Fifo<Waiting> = new Fifo();
  /** Whose turn is next where both wait. */
  #provenNext = true;

  constructor(concurrency: number, perSecond: number, nowMs: number) {
    this.bucket = new TokenBucket(perSecond, nowMs);
    this.most = concurrency;
    this.#mostTrials = Math.ceil(concurrency / 2);
    this.#trials = Math.min(INITIAL_CONCURRENCY, concurrency);
  }

  /** Whether the host has room for one more attempt of this flow, which has some left itself. */
  hasRoomFor({ proven }: FlowShare): boolean {
    return this.running < this.most && (proven || this.#trialsRunning < this.#trials);
  }

  /** Sets a flow aside until {@link next} gives it. */
  park(flow: Waiting): void {
    const queue = this.#queueOf(flow.share);
    flow.share.parkedIn = queue;
    queue.push(flow);
  }

  /** What is known of a flow may have changed while it waits: it then waits with those it is like now. */
  sort(flow: Waiting): void {
    const { parkedIn } = flow.share;
    if (parkedIn !== undefined && parkedIn !== this.#queueOf(flow.share)) this.park(flow);
  }

  /** The flow that is to go on now; `undefined` when none waits, or there is no room for it. */
  next(): Waiting | undefined {
    if (this.running >= this.most) return undefined;
    const trials = this.#trialsRunning < this.#trials ? this.#waitingTrials : undefined;
    const queue = trials === undefined || (this.#provenNext && isWaitedIn(this.#proven)) ? this.#proven : trials;
    this.#provenNext = queue !== this.#proven;
    if (!isWaitedIn(queue)) return undefined;
    const flow = queue.shift();
    if (flow !== undefined) flow.share.parkedIn = undefined;
    return flow;
  }

  /** An attempt begins. @returns to be given back to {@link settled} */
  begin(share: FlowShare): { readonly isTrial: boolean } {
    this.running++;
    share.running++;
    const isTrial = !share.proven;
    if (isTrial) this.#trialsRunning++;
    return { isTrial };
  }

  /** An attempt is over. */
  settled(share: FlowShare, { isTrial }: { readonly isTrial: boolean }, outcome: HostOutcome): void {
    this.running--;
    share.running--;
    if (isTrial) this.#trialsRunning--;
    if (outcome === 'answered') {
      share.allowed = Math.min(this.most, share.allowed + 1);
      share.proven = true;
      if (this.#trials < this.#mostTrials) this.#trials++;
    } else if (outcome === 'unreachable') {
      share.allowed = Math.max(1, Math.floor(share.allowed / 2));
      if (share.allowed === 1) share.proven = false;
      if (isTrial) this.#trials = Math.max(Math.min(LEAST_TRIALS, this.#mostTrials), Math.floor(this.#trials / 2));
    }
  }

  get #waitingTrials(): Fifo<Waiting> | undefined {
    if (isWaitedIn(this.#unknown)) return this.#unknown;
    return isWaitedIn(this.#failing) ? this.#failing : undefined;
  }

  #queueOf(share: FlowShare): Fifo<Waiting> {
    if (share.proven) return this.#proven;
    return share.failing ? this.#failing : this.#unknown;
  }
}

/** Whether a flow waits here: those that wait elsewhere by now are taken off its front. */
function isWaitedIn<Waiting extends { readonly share: FlowShare }>(queue: Fifo<Waiting>): boolean {
  let flow: Waiting | undefined;
  while ((flow = queue.peek()) !== undefined && flow.share.parkedIn !== queue) queue.shift();
  return flow !== undefined;
}

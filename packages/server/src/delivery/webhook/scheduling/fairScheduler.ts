import type { Clock } from '../../../clock.ts';
import { Fifo } from './fifo.ts';
import { FlowShare, HostShare } from './hostShare.ts';
import type { HostOutcome } from './hostShare.ts';
import { TokenBucket } from './tokenBucket.ts';

/** Bounds on attempts under way and on their rate. */
export interface SchedulingLimits {
  /** Attempts under way at the same time, over all hosts. Default 1,024. */
  readonly concurrency: number;
  /**
   * Of one host, whatever its port. Each principal's part of it starts lower, grows with the answers it gets, and sinks to a
   * single attempt while it gets none; those the host has not answered have half of it together, at most. Default 64.
   */
  readonly hostConcurrency: number;
  /** Of one principal. Default 512. */
  readonly principalConcurrency: number;
  /** Attempts per second to one host. Default: no limit. */
  readonly hostPerSecond: number;
  /** Attempts per second for one principal. Default: no limit. */
  readonly principalPerSecond: number;
}

export const defaultSchedulingLimits: SchedulingLimits = {
  concurrency: 1_024,
  hostConcurrency: 64,
  principalConcurrency: 512,
  hostPerSecond: Infinity,
  principalPerSecond: Infinity,
};

/** Something to be sent. */
export interface Job {
  /** Sends it. Settles when the attempt is over, and neither rejects nor throws. */
  run(): Promise<HostOutcome>;
  /** Whether it is still wanted, asked when its turn comes. */
  readonly cancelled: boolean;
}

interface PrincipalShare {
  /** Payload bytes its deliveries hold, from the first attempt to the last. */
  heldBytes: number;
  readonly bucket: TokenBucket;
  /** Flows with something to send to a host that can take it. */
  readonly ready: Fifo<Flow>;
  running: number;
  /** Flows that exist. */
  flows: number;
  /** Whether it stands in the round of principals. */
  inRound: boolean;
}

/** What one principal sends to one host. */
export interface Flow {
  readonly key: string;
  readonly principalName: string;
  readonly hostName: string;
  readonly principal: PrincipalShare;
  readonly host: HostShare<Flow>;
  /** Its part of the host. */
  readonly share: FlowShare;
  readonly jobs: Fifo<Job>;
  /** Subscriptions that use it. */
  users: number;
  /** Whether it stands in its principal's or its host's queue. */
  queued: boolean;
}

/**
 * Flows that nobody uses any more and that are remembered, with their principals, hosts and rates: nobody gets a fresh burst
 * by subscribing again.
 */
const MAX_UNUSED_FLOWS = 10_000;

/**
 * Decides which attempt is made next: in turn between principals, and for each principal in turn between its hosts
 * (deficit round robin with a quantum of one attempt). A host or principal at its limit is set aside until it has
 * room, so however many attempts wait for it, they delay nobody else's (G5). Each decision costs constant time.
 */
export class FairScheduler {
  readonly #clock: Clock;
  readonly #limits: SchedulingLimits;
  readonly #flows = new Map<string, Flow>();
  /** Of these, those without users; the longest unused one first. */
  readonly #unused = new Set<Flow>();
  readonly #principals = new Map<string, PrincipalShare>();
  readonly #hosts = new Map<string, HostShare<Flow>>();
  readonly #round = new Fifo<PrincipalShare>();
  #running = 0;
  #woken = false;
  /** Timers of flows that a rate limit holds back. */
  readonly #delays = new Set<unknown>();
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(clock: Clock, limits: SchedulingLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Attempts under way. */
  get running(): number {
    return this.#running;
  }

  /** Attempts that wait for their turn; those that are not wanted any more count until it comes. */
  get waiting(): number {
    let waiting = 0;
    for (const { jobs } of this.#flows.values()) waiting += jobs.length;
    return waiting;
  }

  /** The flow of a subscription, until it is given back with {@link leave}. */
  join(principalName: string, hostName: string): Flow {
    const key = JSON.stringify([principalName, hostName]);
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      const principal = this.#principal(principalName);
      const host = this.#host(hostName);
      const share = new FlowShare(this.#limits.hostConcurrency);
      flow = { key, principalName, hostName, principal, host, share, jobs: new Fifo(), users: 0, queued: false };
      principal.flows++;
      host.flows++;
      this.#flows.set(key, flow);
    }
    if (flow.users++ === 0) this.#unused.delete(flow);
    return flow;
  }

  leave(flow: Flow): void {
    if (--flow.users > 0) return;
    this.#unused.add(flow);
    if (this.#unused.size > MAX_UNUSED_FLOWS) this.#forget(this.#unused.values().next().value as Flow);
  }

  /** Queues an attempt behind those of the same principal to the same host. */
  add(flow: Flow, job: Job): void {
    flow.jobs.push(job);
    this.#ready(flow);
    this.#wake();
  }

  /** How long the rate limits hold back what this flow would send now; 0 when they do not (STATUS-05). */
  throttledMs(flow: Flow): number {
    const nowMs = this.#clock.monotonicMs();
    return Math.max(flow.host.bucket.waitMs(nowMs), flow.principal.bucket.waitMs(nowMs));
  }

  /** Starts nothing any more. Resolves when the attempts under way are over. */
  close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#delays) this.#clock.clearTimeout(timer);
    this.#delays.clear();
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  #principal(name: string): PrincipalShare {
    let principal = this.#principals.get(name);
    if (principal === undefined) {
      const bucket = new TokenBucket(this.#limits.principalPerSecond, this.#clock.monotonicMs());
      principal = { bucket, ready: new Fifo(), running: 0, flows: 0, inRound: false, heldBytes: 0 };
      this.#principals.set(name, principal);
    }
    return principal;
  }

  #host(name: string): HostShare<Flow> {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = new HostShare(this.#limits.hostConcurrency, this.#limits.hostPerSecond, this.#clock.monotonicMs());
      this.#hosts.set(name, host);
    }
    return host;
  }

  #forget(flow: Flow): void {
    this.#unused.delete(flow);
    if (flow.share.running > 0) {
      // Its host and principal count it.
      this.#unused.add(flow);
      return;
    }
    this.#flows.delete(flow.key);
    if (--flow.principal.flows === 0) this.#principals.delete(flow.principalName);
    if (--flow.host.flows === 0) this.#hosts.delete(flow.hostName);
  }

  #ready(flow: Flow): void {
    if (flow.queued) return;
    flow.queued = true;
    flow.principal.ready.push(flow);
    this.#enterRound(flow.principal);
  }

  #enterRound(principal: PrincipalShare): void {
    if (principal.inRound || principal.running >= this.#limits.principalConcurrency) return;
    principal.inRound = true;
    this.#round.push(principal);
  }

  /** Once per turn: what one emit queues for thousands of subscriptions is looked at together. */
  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    queueMicrotask(() => {
      this.#woken = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    const nowMs = this.#clock.monotonicMs();
    while (!this.#closed && this.#running < this.#limits.concurrency) {
      const principal = this.#round.shift();
      if (principal === undefined) return;
      principal.inRound = false;
      const flow = principal.ready.shift();
      if (flow === undefined) continue;
      const job = this.#nextJob(flow);
      if (job === undefined) {
        flow.queued = false;
        // The room it was let in for is another's.
        this.#unpark(flow.host);
      } else if (flow.share.running >= flow.share.allowed) {
        // It goes on when one of its own attempts is over.
        flow.queued = false;
        this.#unpark(flow.host);
      } else if (!flow.host.hasRoomFor(flow.share)) flow.host.park(flow);
      else {
        const waitMs = Math.max(flow.host.bucket.waitMs(nowMs), principal.bucket.waitMs(nowMs));
        if (waitMs > 0) this.#delay(flow, waitMs);
        else this.#start(flow, job);
      }
      if (principal.ready.length > 0) this.#enterRound(principal);
    }
  }

  /** The first job that is still wanted, left at its place. */
  #nextJob(flow: Flow): Job | undefined {
    let job: Job | undefined;
    while ((job = flow.jobs.peek()) !== undefined && job.cancelled) flow.jobs.shift();
    return job;
  }

  #start(flow: Flow, job: Job): void {
    const { principal, host } = flow;
    flow.jobs.shift();
    flow.queued = false;
    host.bucket.take();
    principal.bucket.take();
    this.#running++;
    principal.running++;
    const begun = host.begin(flow.share);
    if (flow.jobs.length > 0) this.#ready(flow);
    // There may be room for more: an answer makes some, and so does a flow that was let in and cannot go on.
    this.#unpark(host);
    const over = (outcome: HostOutcome): void => {
      this.#running--;
      principal.running--;
      if (this.#running === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
      host.settled(flow.share, begun, outcome);
      host.sort(flow);
      // Those that waited for the room before the one who had it.
      this.#unpark(host);
      if (flow.jobs.length > 0) this.#ready(flow);
      if (principal.ready.length > 0) this.#enterRound(principal);
      this.#wake();
    };
    // A place that is never given back would be lost for good, and a throw here would keep the others waiting.
    try {
      void job.run().then(over, () => over('skipped'));
    } catch {
      over('skipped');
    }
  }

  /** Rate limits hold a flow back, not its host or principal: both may have bursts left for others by then. */
  #delay(flow: Flow, waitMs: number): void {
    const timer = this.#clock.setTimeout(() => {
      this.#delays.delete(timer);
      flow.queued = false;
      this.#ready(flow);
      this.#wake();
    }, waitMs);
    this.#delays.add(timer);
  }

  #unpark(host: HostShare<Flow>): void {
    let flow: Flow | undefined;
    while ((flow = host.next()) !== undefined) {
      flow.queued = false;
      this.#ready(flow);
      // One whose principal has to wait does not use the room, which would then stay empty.
      if (flow.principal.inRound) return;
    }
  }
}

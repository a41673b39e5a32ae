import { deriveSubscriptionId, pollParamsSchema } from '@mcp-events/protocol';
import type { PollParams, PollResult } from '@mcp-events/protocol';
import type { CompiledType } from '../catalog/eventType.ts';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { waitForEvent } from '../delivery/longPoll.ts';
import { collectBatch } from '../delivery/poll.ts';
import type { Lease } from '../subscription/leases.ts';
import { Pollers } from '../subscription/pollers.ts';
import { PollSubscription } from '../subscription/pollSubscription.ts';
import type { SelectionRules } from '../subscription/selection.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { boundedCursor } from './bounds.ts';
import { admit, parseParams } from './target.ts';
import type { Target } from './target.ts';

/**
 * Polls of one subscription that may be held at the same time. A client holds one; anonymous clients share their
 * subscription. More are answered at once, which a client takes like a hold that ended (POLL-12).
 */
const MAX_HELD_POLLS = 1_000;

/** Answers `events/poll` (POLL-01 to POLL-13). */
export async function handlePoll(
  core: Core,
  caller: Caller,
  params: unknown,
  signal: AbortSignal,
): Promise<PollResult> {
  const parsed = parseParams(pollParamsSchema, params);
  const request = { ...parsed, cursor: boundedCursor(parsed.cursor) };
  const { key, lease, target, details } = await leaseOf(core, caller, request);
  const { compiled } = target;
  let { leaseMs } = compiled;
  lease.polls++;
  lease.pollers.asked(request.cursor, core.clock.monotonicMs());
  try {
    await lease.ready;
    const result = await answer(core, target, request, details, lease.subscription, signal);
    leaseMs = leaseAfter(compiled, result.nextPollMs);
    if (lease.subscription.terminated !== undefined) throw lease.subscription.terminated;
    const nowMs = core.clock.monotonicMs();
    const { cursor, hasMore, nextPollMs } = result;
    lease.pollers.answered({ cursor, fromMs: hasMore ? nowMs : nowMs + nextPollMs, untilMs: nowMs + leaseMs });
    return result;
  } finally {
    lease.polls--;
    if (core.leases.get(key) === lease) core.leases.renew(key, lease, leaseMs);
  }
}

/**
 * @param details of this request: who asks now decides what is read, whoever made the lease
 * @param holder the lease's subscription
 */
async function answer(
  core: Core,
  { type, compiled }: Target,
  request: PollParams,
  details: SubscriptionDetails,
  holder: PollSubscription,
  signal: AbortSignal,
): Promise<PollResult> {
  const notBeforeMs = request.maxAgeMs === undefined ? undefined : core.clock.now() - request.maxAgeMs;
  const maxEvents = Math.min(request.maxEvents ?? core.limits.defaultEventsPerPoll, core.limits.maxEventsPerPoll);
  const { selection, clock } = core;
  const { feed, reportSelection: report } = type;
  // The rules of the definition that admitted the request, whatever it is replaced by meanwhile.
  const rules = (): SelectionRules => compiled.rules;
  const common = { subscription: details, feed, rules, selection, clock, report, signal };
  const first = await collectBatch({ ...common, cursor: request.cursor, notBeforeMs, maxEvents });
  let batch = first;
  const holdMs = Math.min(request.timeoutMs ?? 0, core.limits.maxPollHoldMs);
  const nothing = batch.events.length === 0 && !batch.truncated && !batch.hasMore;
  const mayHold = holdMs > 0 && holder.heldPolls < MAX_HELD_POLLS && !holder.ended;
  if (mayHold && nothing && request.cursor !== null && batch.cursor !== null) {
    const { cursor } = batch;
    await waitForEvent({ ...common, rules: type.rules, holder, cursor, holdMs });
    // What has ended has its own answer, or the server closes and its sources cannot be read any more.
    if (!holder.ended) batch = await collectBatch({ ...common, cursor, notBeforeMs, maxEvents });
  }
  const { cursor, truncated, hasMore } = batch;
  holder.startCursor ??= first.from;
  holder.lastAnswer = { cursor, atMs: clock.now() };
  if (batch.events.length > 0) core.observer?.delivered(type.name, 'poll', batch.events.length);
  const nextPollMs = Math.ceil(batch.nextPollMs ?? compiled.nextPollMs);
  return { resultType: 'complete', events: [...batch.events], cursor, truncated, hasMore, nextPollMs };
}

/**
 * The upstream may ask for longer intervals than its type has: the lease has to outlast them, unless the author set it
 * (HOOK-06). It grows in powers of two, because an upstream may name any number and leases are sorted by their time.
 */
function leaseAfter({ definition, leaseMs, nextPollMs }: CompiledType, askedMs: number): number {
  if (definition.leaseMs !== undefined || askedMs <= nextPollMs) return leaseMs;
  return leaseMs * 2 ** Math.ceil(Math.log2(askedMs / nextPollMs));
}

function leaseKey(caller: Caller, target: Target): string {
  return JSON.stringify([caller.principal ?? null, target.type.name, target.argumentsKey]);
}

/**
 * The error of an ended subscription is told once to each client that polled it (TERM-01); a poll after that asks for a new
 * one.
 */
function liveLease({ leases, clock }: Core, key: string, cursor: string | null): Lease | undefined {
  const lease = leases.get(key);
  const error = lease?.subscription.terminated;
  if (lease === undefined || error === undefined) return lease;
  if (lease.pollers.tell(cursor, clock.monotonicMs())) throw error;
  leases.delete(key);
  return undefined;
}

/** The caller's lease, or a new one once authorized. */
function leaseOf(
  core: Core,
  caller: Caller,
  request: PollParams,
): Promise<{ key: string; lease: Lease; target: Target; details: SubscriptionDetails }> {
  const { leases } = core;
  return admit(core, caller, 'poll', request, {
    idFor: (target) => {
      const key = leaseKey(caller, target);
      const known = liveLease(core, key, request.cursor);
      return known?.subscription.id ?? pollSubscriptionId(core, caller, target);
    },
    admit: (target, details) => {
      const key = leaseKey(caller, target);
      // Authorizing took time: another poll of the same key may have made the lease meanwhile.
      const known = leases.get(key);
      if (known !== undefined) {
        // For the hook at its end.
        known.subscription.context = details.context;
        return { key, lease: known, target, details };
      }
      const lease = newLease(core, target, key, details);
      leases.renew(key, lease, target.compiled.leaseMs);
      return { key, lease, target, details };
    },
  });
}

function pollSubscriptionId({ namespace }: Core, { principal }: Caller, { type, rawArguments }: Target): string {
  return deriveSubscriptionId({ namespace, principal, name: type.name, arguments: rawArguments });
}

function newLease(core: Core, { compiled }: Target, key: string, details: SubscriptionDetails): Lease {
  const { registry, lifecycle, leases } = core;
  let begun = false;
  const subscription = new PollSubscription(details, () => {
    registry.remove(subscription);
    if (begun) lifecycle.end(compiled.definition, subscription);
  });
  // Before onSubscribe, so that a refused subscription provisions nothing (HOOK-08).
  registry.add(subscription, core.reservedPlaces(details.principal, details.name, details.id));
  const begin = async (): Promise<void> => {
    try {
      await lifecycle.begin(compiled.definition, subscription);
      begun = true;
      // It may have ended while the hook ran: then nobody else calls the counterpart.
      if (subscription.ended) lifecycle.end(compiled.definition, subscription);
    } catch (error) {
      // It may be late: what has taken this one's place by now is not concerned.
      if (leases.get(key) === lease) leases.delete(key);
      subscription.expire();
      throw error;
    }
  };
  const lease: Lease = { subscription, ready: begin(), polls: 0, pollers: new Pollers(), expiresAtMs: 0 };
  lease.ready.catch(() => {});
  return lease;
}

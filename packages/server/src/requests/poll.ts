import { deriveSubscriptionId, pollParamsSchema } from '@mcp-events/protocol';
import type { PollResult } from '@mcp-events/protocol';
import type { Caller } from '../context.ts';
import type { Core } from '../core.ts';
import { waitForEvent } from '../delivery/longPoll.ts';
import { collectBatch, toPollEntry } from '../delivery/poll.ts';
import type { Lease } from '../subscription/leases.ts';
import { PollSubscription } from '../subscription/pollSubscription.ts';
import type { SubscriptionDetails } from '../subscription/subscription.ts';
import { parseParams, resolveTarget, subscriptionDetails } from './target.ts';
import type { Target } from './target.ts';

/** Answers `events/poll` (POLL-01 to POLL-13). */
export async function handlePoll(
  core: Core,
  caller: Caller,
  params: unknown,
  signal: AbortSignal,
): Promise<PollResult> {
  const request = parseParams(pollParamsSchema, params);
  const target = resolveTarget(core, 'poll', request);
  const { type, compiled } = target;
  const isHeld = (request.timeoutMs ?? 0) > 0;
  const lease = await renewedLease(core, caller, target, isHeld ? core.limits.maxPollHoldMs : 0);
  const { subscription } = lease;
  const notBeforeMs = request.maxAgeMs === undefined ? undefined : core.clock.now() - request.maxAgeMs;
  const maxEvents = Math.min(request.maxEvents ?? core.limits.defaultEventsPerPoll, core.limits.maxEventsPerPoll);
  const report = (error: unknown): void => core.report(error, 'match or transform', type.name);
  const { selection, clock } = core;
  const common = { subscription, feed: type.feed, rules: compiled.rules, selection, notBeforeMs, maxEvents, report };
  let batch = await collectBatch({ ...common, cursor: request.cursor });
  const holdMs = Math.min(request.timeoutMs ?? 0, core.limits.maxPollHoldMs);
  const nothing = batch.events.length === 0 && !batch.truncated && !batch.hasMore;
  if (holdMs > 0 && nothing && request.cursor !== null && batch.cursor !== null) {
    const { feed } = type;
    const rules = (): typeof compiled.rules => type.compiled.rules;
    await waitForEvent({ subscription, feed, rules, selection, clock, report, cursor: batch.cursor, holdMs, signal });
    if (subscription.terminated !== undefined) throw endedError(core, target, caller, lease);
    // Ended without a cause: the server closes, and its sources cannot be read any more.
    if (!subscription.ended) batch = await collectBatch({ ...common, cursor: batch.cursor });
  }
  const { cursor, truncated, hasMore } = batch;
  const nextPollMs = batch.nextPollMs ?? compiled.nextPollMs;
  return { resultType: 'complete', events: batch.events.map(toPollEntry), cursor, truncated, hasMore, nextPollMs };
}

function leaseKey(caller: Caller, target: Target): string {
  return JSON.stringify([caller.principal ?? null, target.type.name, target.argumentsKey]);
}

/** The error of an ended subscription is told once; a poll after that asks for a new one. */
function endedError(core: Core, target: Target, caller: Caller, lease: Lease): Error {
  const key = leaseKey(caller, target);
  if (core.leases.get(key) === lease) core.leases.delete(key);
  return lease.subscription.terminated as Error;
}

/** The caller's lease with its full time, or a new one once authorized and begun. */
async function renewedLease(core: Core, caller: Caller, target: Target, holdMs: number): Promise<Lease> {
  const { leases, lifecycle } = core;
  const { compiled } = target;
  const key = leaseKey(caller, target);
  const known = leases.get(key);
  if (known?.subscription.terminated !== undefined) throw endedError(core, target, caller, known);
  const id = known?.subscription.id ?? pollSubscriptionId(core, caller, target);
  const details = subscriptionDetails(caller, target, 'poll', id);
  await lifecycle.authorize(compiled.definition, details);
  // Authorizing took time: another poll of the same key may have made the lease meanwhile.
  const lease = leases.get(key) ?? newLease(core, target, key, details);
  // A poll that may be held counts as long as that.
  leases.renew(key, lease, compiled.leaseMs + holdMs);
  await lease.ready;
  return lease;
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
  registry.add(subscription);
  const begin = async (): Promise<void> => {
    try {
      await lifecycle.begin(compiled.definition, subscription);
      begun = true;
      // It may have ended while the hook ran: then nobody else calls the counterpart.
      if (subscription.ended) lifecycle.end(compiled.definition, subscription);
    } catch (error) {
      registry.remove(subscription);
      leases.delete(key);
      throw error;
    }
  };
  const ready = begin();
  ready.catch(() => {});
  return { subscription, ready, expiresAtMs: 0 };
}

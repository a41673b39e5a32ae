import type { EventsClient, Gap, Subscription, SubscribeOptions } from '@mcp-events/client';
import { isEventsClientError } from '@mcp-events/client';
import type { SqliteInbox } from '@mcp-events/client/sqlite';
import type { DatabaseSyncInstance } from '@photostructure/sqlite';
import { dataHash } from '../history/dataHash.ts';
import type { Random } from '../simulation/random.ts';
import type { ClientConfig, Followed } from './clientConfig.ts';
import type { Effects } from './effects.ts';
import { isPassing, textOf } from './passingFailures.ts';
import { pause } from './processShell.ts';
import type { ProcessShell } from './processShell.ts';
import type { RecordedPositions } from './recordedPositions.ts';
import { saysRevoked } from './revocation.ts';

/** Failures that no fault explains. */
const UNEXPECTED = new Set(['TAKEN_OVER', 'HANDLER_FAILED', 'HANDLER_MISUSED', 'PARKED_FULL', 'STORE_CORRUPT']);

/** Nothing is under way for longer when nothing is disturbed: an attempt ends before that. */
export const GRACE_MS = 3_000;

/** A process that is killed with an event in its hands counts as an attempt, and that says nothing about the event. */
const MAX_ATTEMPTS = 10_000;

/** How long an application takes for one event: mostly nothing. */
const WORK_MS = [0, 0, 0, 0, 0, 0, 0, 0, 5, 150] as const;

export interface Follower {
  readonly shell: ProcessShell<ClientConfig>;
  readonly events: EventsClient;
  readonly inbox: SqliteInbox<DatabaseSyncInstance>;
  readonly effects: Effects;
  readonly positions: RecordedPositions;
  /** Where the application begins this time. */
  readonly cursor: string | null;
  /** It goes on with what an earlier life began. */
  readonly resumes: boolean;
}

/** An event that is emitted while nothing is disturbed is with the application by then. */
export const WITHIN_MS = 15_000;

/** Follows a subscription until the process stops. */
export async function follow(follower: Follower, followed: Followed): Promise<void> {
  const { shell, events, cursor, resumes } = follower;
  let terminated: Error | undefined;
  const { subscription: name, type, arguments: args, delivery, by } = followed;
  const told = (error: Error): void => {
    if (isEventsClientError(error) && UNEXPECTED.has(error.code)) complain(follower, name, error);
  };
  const options: SubscribeOptions = {
    ...(delivery === undefined ? {} : { delivery }),
    onError: told,
    onTerminated: (error) => {
      terminated = error;
      if (!saysRevoked(error)) complain(follower, name, error);
    },
    ...(by === 'loop' ? { onGap: (gap: Gap) => gapTold(follower, name, gap) } : {}),
  };
  shell.facts.record({
    fact: 'begun',
    subscription: name,
    process: shell.config.name,
    type,
    arguments: args,
    // Of those that change, the one whose gaps say least.
    mode: delivery ?? 'webhook',
    cursor,
    principal: shell.config.principal,
    resumes,
    withinMs: WITHIN_MS,
  });
  const { signal } = shell.stopping;
  try {
    const subscription = await shell.insist(
      () => events.subscribe(type, args, options),
      (error) => !signal.aborted && !(isEventsClientError(error) && UNEXPECTED.has(error.code)),
    );
    shell.facts.record({ fact: 'subscribed', subscription: name });
    const work = workOf(shell.random(name));
    await (by === 'loop' ? read(follower, subscription, work) : handle(follower, name, subscription, work));
  } catch (error) {
    if (!signal.aborted && terminated === undefined) complain(follower, name, error);
  }
  if (signal.aborted) return;
  // What had arrived before is handed out first.
  if (terminated === undefined) shell.facts.complain(`${name} ended by itself`);
  else shell.facts.record({ fact: 'ended', subscription: name, how: 'told', graceMs: GRACE_MS });
}

async function read({ shell, positions }: Follower, subscription: Subscription, work: Work): Promise<void> {
  for (;;) {
    const { done, value } = await shell.insist(
      () => subscription.next(),
      (error) => !shell.stopping.signal.aborted && isPassing(error),
    );
    if (done === true) return;
    positions.handed(value.eventId, dataHash(value.data));
    await work();
  }
}

function handle(follower: Follower, name: string, subscription: Subscription, work: Work): Promise<void> {
  const { shell, inbox, effects } = follower;
  return subscription.process<DatabaseSyncInstance, void>(
    { prepare: work, handle: ({ eventId, data }) => effects.write(eventId, dataHash(data)) },
    {
      inbox,
      maxAttempts: MAX_ATTEMPTS,
      onGap: (gap) => gapTold(follower, name, gap),
      onParked: ({ event, reason }) => shell.facts.complain(`${name} parked ${event.eventId}: ${reason}`),
    },
  );
}

type Work = () => Promise<void> | undefined;

function workOf(random: Random): Work {
  return () => {
    const ms = random.pick(WORK_MS);
    return ms === 0 ? undefined : pause(ms);
  };
}

function gapTold({ shell }: Follower, subscription: string, { cursor, reason }: Gap): void {
  shell.facts.record({ fact: 'received', subscription, cursor, gap: true, note: reason });
}

function complain({ shell }: Follower, subscription: string, error: unknown): void {
  shell.facts.complain(`${subscription} was told: ${textOf(error)}`);
}

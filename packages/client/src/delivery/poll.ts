import {
  type EventOccurrence,
  Methods,
  occurrenceSchema,
  type PollResult,
  pollResultSchema,
} from '@mcp-events/protocol';
import { sleep } from '../clock.ts';
import { asError, EventsClientError } from '../errors.ts';
import { RECENT_IDS_COUNT } from '../subscription/recentIds.ts';
import type { DeliveryContext, DeliveryOutcome } from './deliveryLoop.ts';
import { withoutNulls } from './withoutNulls.ts';

/** What a held poll may take beyond its own hold time before the request is given up (POLL-14). */
const ANSWER_TIME_MS = 60_000;

/**
 * A few more events than asked for are taken as they come, since some servers look at their own limit only; with more than
 * this, ids would be forgotten within one answer, and what comes twice would be handed out twice.
 */
const MAX_EVENTS = RECENT_IDS_COUNT;

/** Longer waits than this are not believed (1 day): a slip in the unit would end delivery without a word. */
const LONGEST_WAIT_MS = 24 * 60 * 60_000;

/** Empty answers that promise more and move the cursor are a server searching; past this many the floor applies. */
const MAX_EMPTY_IN_A_ROW = 100;

/** Polls again and again. One request at a time, and none while events wait for the application (POLL-09). */
export async function pollLoop(context: DeliveryContext): Promise<DeliveryOutcome> {
  const { buffer, clock, signal, pollFloorMs } = context;
  let emptyInARow = 0;
  let hasBegun = false;
  for (;;) {
    await buffer.whenEmpty(signal);
    if (signal.aborted) return { kind: 'stopped' };
    const before = buffer.resumeCursor;
    let result: Answer;
    try {
      result = await poll(context, before);
    } catch (error) {
      return signal.aborted ? { kind: 'stopped' } : { kind: 'failed', error: asError(error) };
    }
    // The signal may have ended this loop while the answer was on its way; another loop owns the buffer then.
    if (signal.aborted) return { kind: 'stopped' };
    const { events, cursor, truncated, hasMore, nextPollMs } = result;
    if (!hasBegun) buffer.began(before, events.length === 0 ? cursor : null);
    hasBegun = true;
    // In front of the batch, whose cursor only counts after its events. CUR-14: not for types without cursors.
    if (truncated && cursor !== null) buffer.gap({ reason: 'truncated', cursor: events.length === 0 ? cursor : null });
    const fresh = buffer.batch(events, cursor, 'poll');
    context.onActive();
    context.onHealthy();
    emptyInARow = fresh > 0 ? 0 : emptyInARow + 1;
    // POLL-07: "more" must show as events or as progress, or a broken server is asked as fast as it answers.
    const moved = fresh > 0 || buffer.resumeCursor !== before;
    if (hasMore && moved && emptyInARow <= MAX_EMPTY_IN_A_ROW) continue;
    await sleep(clock, Math.max(pollFloorMs, Math.min(nextPollMs, LONGEST_WAIT_MS)), signal);
  }
}

/** A poll result; what cannot be read of its events is undefined, in its place. */
interface Answer extends Omit<PollResult, 'events'> {
  events: (EventOccurrence | undefined)[];
}

async function poll(context: DeliveryContext, cursor: string | null): Promise<Answer> {
  const { name, arguments: args, maxAgeMs, maxEvents, longPollMs } = context;
  const params = {
    name,
    arguments: args,
    cursor,
    ...(maxAgeMs !== undefined && { maxAgeMs }),
    ...(maxEvents !== undefined && { maxEvents }),
    ...(longPollMs !== undefined && { timeoutMs: longPollMs }),
  };
  const answer = await context.connection.request(Methods.poll, params, {
    signal: context.signal,
    ...(longPollMs !== undefined && { timeoutMs: longPollMs + ANSWER_TIME_MS }),
  });
  const { events } = answer;
  const result = pollResultSchema.safeParse({ ...withoutNulls(answer, ['cursor']), events: [] });
  if (!result.success || !Array.isArray(events)) {
    throw new EventsClientError(
      'MALFORMED_ANSWER',
      `The server's answer to ${Methods.poll} of "${name}" is not a poll result.`,
    );
  }
  const asked = maxEvents ?? MAX_EVENTS;
  if (events.length > Math.max(asked, MAX_EVENTS)) {
    throw new EventsClientError(
      'MALFORMED_ANSWER',
      `The server answered ${Methods.poll} of "${name}" with ${events.length} events where at most ${asked} were asked for.`,
    );
  }
  return { ...result.data, events: events.flatMap((entry) => occurrenceOf(entry, context)) };
}

/** One unreadable entry must not cost the others, nor block the subscription at its position for ever. */
function occurrenceOf(entry: unknown, context: DeliveryContext): (EventOccurrence | undefined)[] {
  const occurrence = occurrenceSchema.safeParse(entry);
  if (occurrence.success && occurrence.data.name === context.name) return [occurrence.data];
  context.onWarning(
    `Ignored an entry of ${Methods.poll} of "${context.name}" that is not what the protocol describes.`,
  );
  // An event of another type is no event of this subscription; of what cannot be read nobody knows.
  return occurrence.success ? [] : [undefined];
}

import { internalError } from '@mcp-events/server';
import type { CheckResult, Clock, EventHandle } from '@mcp-events/server';
import * as z from 'zod';
import type { CounterFile, Tick } from '../counterFile.ts';
import type { EventTypes } from './eventTypes.ts';

/** Asks a durable upstream, so events are replayed across restarts. */
export function offerCounterTick(types: EventTypes, counter: CounterFile, clock: Clock): Pick<EventHandle, 'wake'> {
  let failing = false;
  const counterTick = types.offer(
    'counter.tick',
    {
      description: 'The counter counted on. The append tool makes it.',
      input: z.object({ modulo: z.int().min(1).describe('Only values that this number divides').optional() }),
      payload: z.object({ value: z.int() }),
      match: (_context, { data }, { modulo }) => modulo === undefined || data.value % modulo === 0,
      check: async ({ limit }, _args, cursor): Promise<CheckResult<{ value: number }>> => {
        if (failing) {
          // Checks of one turn fail together: those of all streams, when they were woken.
          clock.setImmediate(() => (failing = false));
          throw internalError('The source of counter.tick fails, as it was asked to');
        }
        if (cursor === null) return { events: [], cursor: counter.end };
        const page = await counter.read(cursor, limit);
        const toEvent = (tick: Tick & { cursor: string }): CheckResult<{ value: number }>['events'][number] => ({
          eventId: counter.eventIdOf(tick),
          timestamp: tick.at,
          data: { value: tick.value },
          cursor: tick.cursor,
        });
        return {
          events: page.ticks.map(toEvent),
          cursor: page.cursor,
          hasMore: page.hasMore,
          truncated: page.gap,
        };
      },
    },
    {
      fail: () => {
        failing = true;
        counterTick.wake();
      },
      lose: async () => {
        await counter.lose(new Date(clock.now()));
        counterTick.wake();
        return undefined;
      },
    },
  );
  return counterTick;
}

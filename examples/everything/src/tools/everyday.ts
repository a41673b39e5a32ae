import { forbidden } from '@mcp-events/server';
import type { Clock, EventHandle, Events } from '@mcp-events/server';
import * as z from 'zod';
import type { Access } from '../access.ts';
import type { CounterFile } from '../counterFile.ts';
import { offerAddedType } from '../types/emittedTypes.ts';
import type { EventTypes } from '../types/eventTypes.ts';
import { tool } from './tool.ts';
import type { Tool } from './tool.ts';

export interface EverydayContext {
  readonly events: Events;
  readonly types: EventTypes;
  readonly access: Access;
  readonly counter: CounterFile;
  readonly counterTick: Pick<EventHandle, 'wake'>;
  readonly clock: Clock;
}

/** One call is one request: enough for any demonstration, and over soon. */
const MOST_AT_ONCE = 10_000;

const count = z.int().min(1).max(MOST_AT_ONCE);

const name = z.string().min(1).describe('Name of an event type');

const principal = z.string().min(1);

const emitInput = z.object({
  name,
  data: z.record(z.string(), z.unknown()).describe('What the payload schema of the type asks for'),
  eventId: z.string().describe('Default: a random one. With count, -1, -2 and so on is appended').optional(),
  timestamp: z.string().describe('When it happened, ISO 8601 with a zone. Default: now').optional(),
  count: count.describe('How often. Default: once').optional(),
});

/** What anybody may do who wants to see something happen. */
export function everydayTools({ events, types, access, counter, counterTick, clock }: EverydayContext): Tool[] {
  return [
    tool(
      'emit',
      'Emits an event of any type but counter.tick (see append); answers with how many, eventId and cursor of the last.',
      emitInput,
      async ({ name, data, eventId, timestamp, count }) => {
        const type = types.require(name);
        for (let i = 1; i < (count ?? 1); i++) await type.emit(data, { timestamp, eventId: numbered(eventId, i) });
        const last = count === undefined ? eventId : numbered(eventId, count);
        return JSON.stringify({ count: count ?? 1, ...(await type.emit(data, { timestamp, eventId: last })) });
      },
    ),
    tool(
      'append',
      'Makes the counter behind counter.tick count on by n; answers with its new value.',
      z.object({ n: count }),
      async ({ n }) => {
        const value = await counter.append(n, new Date(clock.now()));
        counterTick.wake();
        return String(value);
      },
    ),
    tool(
      'revoke',
      'Takes an event type away from a principal and ends its live subscriptions; answers with how many.',
      z.object({ principal, name }),
      async ({ principal, name }) => {
        types.require(name);
        access.revoke(principal, name);
        return String(await events.terminate({ principal, name }, forbidden('revoked')));
      },
    ),
    tool(
      'grant',
      'Gives a revoked event type back to a principal.',
      z.object({ principal, name }),
      ({ principal, name }) => {
        types.require(name);
        access.grant(principal, name);
        return 'granted';
      },
    ),
    tool('add_type', 'Offers a new event type with a text as payload.', z.object({ name }), ({ name }) => {
      offerAddedType(types, name);
      return 'added';
    }),
    tool(
      'change_type',
      'Changes the payload schema of an event type: by an optional member, or so that subscriptions end.',
      z.object({ name, breaking: z.boolean() }),
      ({ name, breaking }) => {
        types.require(name).change(breaking);
        return 'changed';
      },
    ),
    tool('remove_type', 'Withdraws an event type.', z.object({ name }), ({ name }) => {
      types.require(name).remove();
      return 'removed';
    }),
  ];
}

function numbered(eventId: string | undefined, index: number): string | undefined {
  return eventId === undefined ? undefined : `${eventId}-${index}`;
}

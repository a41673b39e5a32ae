import { forbidden } from '@mcp-events/server';
import type { Events } from '@mcp-events/server';
import * as z from 'zod';
import type { EventTypes } from '../types/eventTypes.ts';
import { tool } from './tool.ts';
import type { Tool } from './tool.ts';

export interface ControlContext {
  readonly events: Events;
  readonly types: EventTypes;
  readonly quota: number;
  readonly generation: number;
  readonly restart: () => number;
}

const PREFIX = 'events_conformance_';

const nothing = z.object({});
const byName = z.object({ name: z.string().describe('Name of an event type') });
const byId = z.object({ id: z.string().describe('Id of a subscription') });
const byTarget = z.object({
  principal: z.string().describe('Default: nobody in particular').optional(),
  name: z.string().describe('Name of an event type'),
  url: z.string().describe('Callback of a webhook subscription; without it, poll and push are meant').optional(),
});

/** Conditions that a healthy server never shows, for suites that grade how they are told. */
export function controlTools({ events, types, quota, generation, restart }: ControlContext): Tool[] {
  const control = <Input extends z.ZodObject>(
    name: string,
    description: string,
    input: Input,
    run: (input: z.infer<Input>) => string | Promise<string>,
  ): Tool => tool(`${PREFIX}${name}`, description, input, run);
  return [
    control('yield_error', 'The source of an event type fails once.', byName, ({ name }) => {
      types.require(name).fail();
      return 'failed';
    }),
    control('yield_gap', 'Events of a type get lost.', byName, async ({ name }) => {
      await types.require(name).lose();
      return 'lost';
    }),
    control('terminate', 'Ends all subscriptions of a type; answers with how many.', byName, ({ name }) => {
      types.require(name);
      return String(events.terminate({ name }, forbidden('terminated')));
    }),
    control('subscription_exists', 'Whether a subscription is live.', byTarget, ({ principal, name, url }) => {
      if (url !== undefined) return webhookNotAvailable();
      return String(events.subscriptions({ name }).some((subscription) => subscription.principal === principal));
    }),
    control('quota', 'The limit on live subscriptions of one principal.', nothing, () =>
      JSON.stringify({ name: 'subscriptionsPerPrincipal', max: quota }),
    ),
    control('restart', 'Restarts the server in about 100 ms; answers with its next generation.', nothing, () =>
      String(restart()),
    ),
    control('generation', 'How often the server was started.', nothing, () => String(generation)),
    control('subscribe_as', 'Subscribes a callback.', byTarget, webhookNotAvailable),
    control('subscription_state', 'State of a webhook subscription.', byId, webhookNotAvailable),
    control('webhook_gap', 'Tells a callback of a gap.', byId, webhookNotAvailable),
    control('webhook_terminate', 'Ends a webhook subscription.', byId, webhookNotAvailable),
    control('allow_callback_origin', 'Trusts callbacks.', z.object({ origin: z.string() }), webhookNotAvailable),
  ];
}

function webhookNotAvailable(): never {
  throw new Error('not available: webhook delivery is not implemented yet');
}

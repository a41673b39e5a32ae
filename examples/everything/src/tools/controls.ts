import { randomBytes } from 'node:crypto';
import { forbidden } from '@mcp-events/server';
import type { Events, SubscriptionInfo } from '@mcp-events/server';
import * as z from 'zod';
import type { CallbackOrigins } from '../callbackOrigins.ts';
import { callAs } from '../callAs.ts';
import type { Answer } from '../callAs.ts';
import type { EventTypes } from '../types/eventTypes.ts';
import { tool } from './tool.ts';
import type { Tool } from './tool.ts';

export interface ControlContext {
  readonly events: Events;
  readonly types: EventTypes;
  readonly origins: CallbackOrigins;
  /** How this server answers requests. */
  readonly answer: Answer;
  readonly quota: number;
  readonly generation: number;
  readonly restart: () => number;
}

const PREFIX = 'events_conformance_';

const nothing = z.object({});
const byName = z.object({ name: z.string().describe('Name of an event type') });
const byId = z.object({ id: z.string().describe('Id of a subscription') });
const subscriber = z.object({
  principal: z.string().min(1),
  name: z.string().describe('Name of an event type'),
  url: z.string().describe('Callback of a webhook subscription'),
});
const anySubscriber = z.object({
  principal: z.string().describe('Default: nobody in particular').optional(),
  name: z.string().describe('Name of an event type'),
  url: z.string().describe('Callback of a webhook subscription; without it, poll and push are meant').optional(),
});

/** Conditions that a healthy server never shows, for suites that grade how they are told. */
export function controlTools(context: ControlContext): Tool[] {
  const { events, types, origins, answer, quota, generation, restart } = context;
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
    control('terminate', 'Ends all subscriptions of a type; answers with how many.', byName, async ({ name }) => {
      types.require(name);
      return String(await events.terminate({ name }, forbidden('terminated')));
    }),
    control('subscription_exists', 'Whether a subscription is live.', anySubscriber, ({ principal, name, url }) =>
      String(events.subscriptions({ name }).some((found) => found.principal === principal && found.url === url)),
    ),
    control('quota', 'An event type and how often one principal may subscribe to it.', nothing, () =>
      JSON.stringify({ name: 'alert.fired', max: quota, limit: 'subscriptionsPerPrincipal' }),
    ),
    control('restart', 'Restarts the server in about 100 ms; answers with its next generation.', nothing, () =>
      String(restart()),
    ),
    control('generation', 'How often the server was started.', nothing, () => String(generation)),
    control(
      'subscribe_as',
      'Subscribes a callback in the name of a principal; answers with the id.',
      subscriber,
      async ({ principal, name, url }) => {
        // Nobody learns the secret, so nobody can verify what arrives.
        const delivery = { mode: 'webhook', url, secret: `whsec_${randomBytes(32).toString('base64')}` };
        const { id } = await callAs<{ id: string }>(answer, principal, 'events/subscribe', { name, delivery });
        return id;
      },
    ),
    control('subscription_state', 'Whether a subscription is active, suspended or absent.', byId, ({ id }) => {
      const [found] = events.subscriptions({ id });
      if (found === undefined) return 'absent';
      return found.suspended === true ? 'suspended' : 'active';
    }),
    control(
      'webhook_gap',
      'Events get lost for a webhook subscription, and for all others of its type; answers with the cursor told.',
      byId,
      async ({ id }) => {
        const { principal, name, arguments: args } = webhookSubscription(events, id);
        const told = await types.require(name).lose();
        if (told !== undefined) return told;
        // A checked source does not know the positions that are told; whoever starts now gets the same.
        const now = { name, arguments: args, cursor: null };
        return (await callAs<{ cursor: string }>(answer, principal, 'events/poll', now)).cursor;
      },
    ),
    control('webhook_terminate', 'Ends a webhook subscription.', byId, async ({ id }) => {
      webhookSubscription(events, id);
      await events.terminate({ id }, forbidden('terminated'));
      return 'terminated';
    }),
    control(
      'allow_callback_origin',
      'Callbacks of an origin may be plain HTTP and at any address from now on; answers with the origin.',
      z.object({ origin: z.string().describe('Scheme, host and port') }),
      ({ origin }) => {
        origins.makeReachable(origin);
        return origin;
      },
    ),
  ];
}

function webhookSubscription(events: Events, id: string): SubscriptionInfo {
  const [found] = events.subscriptions({ id });
  if (found?.mode === 'webhook') return found;
  throw new Error(`there is no webhook subscription ${JSON.stringify(id)}`);
}

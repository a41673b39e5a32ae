import { EventsClient, type EventsClientOptions, type ReceivedEvent, type Subscription } from '../../src/index.ts';
import { FakeClock, settle } from './fakeClock.ts';
import { RawServer } from './rawServer.ts';

/** A raw server, a fake clock and an events client on them. */
export interface World {
  server: RawServer;
  clock: FakeClock;
  events: EventsClient;
  warnings: string[];
}

/** Jitter at its upper bound, so that waits are exact: 1 s, 2 s, 4 s ... */
export const noJitter = (): number => 1;

export async function world(
  options: EventsClientOptions & { server?: RawServer; clock?: FakeClock } = {},
): Promise<World> {
  const { server = new RawServer(), clock = new FakeClock(), ...rest } = options;
  const warnings: string[] = [];
  const events = new EventsClient(() => server.client(), {
    clock,
    random: noJitter,
    onWarning: (message) => warnings.push(message),
    ...rest,
  });
  return { server, clock, events, warnings };
}

/** Collects what a subscription hands out, in the background, until it ends. */
export class Reader {
  readonly ids: string[] = [];
  readonly events: ReceivedEvent<unknown>[] = [];
  error: Error | undefined;
  done = false;

  constructor(subscription: Subscription<unknown>) {
    void this.#read(subscription);
  }

  async #read(subscription: Subscription<unknown>): Promise<void> {
    try {
      for await (const event of subscription) {
        this.events.push(event);
        this.ids.push(event.eventId);
      }
    } catch (error) {
      this.error = error as Error;
    }
    this.done = true;
  }
}

export { settle };

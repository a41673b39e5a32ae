import { internalError } from '@mcp-events/server';
import type { EventHandle, Events, EventTypeDefinition } from '@mcp-events/server';
import * as z from 'zod';
import type { Access } from '../access.ts';

/** Makes the source of an event type misbehave on purpose. */
export interface Faults {
  /** The source fails once and recovers. */
  fail(): void;
  /** Events get lost. Settles with the position after them, where the source knows it. */
  lose(): Promise<string | undefined>;
}

/** An event type of this server, whatever it is about. */
export interface OfferedType extends Faults {
  readonly emit: EventHandle['emit'];
  /** Grows the schemas, or breaks the payload's. */
  change(breaking: boolean): void;
  remove(): void;
}

/** A definition with the payload schema open to changes. */
type Definition<Input, Args, Payload> = EventTypeDefinition<Input, Args, Payload> & {
  readonly payload: z.ZodType<Payload> & z.ZodObject;
};

/** The event types on offer, by name, for tools that only know names. */
export class EventTypes {
  readonly #events: Events;
  readonly #access: Access;
  readonly #byName = new Map<string, OfferedType>();

  constructor(events: Events, access: Access) {
    this.#events = events;
    this.#access = access;
  }

  /** Defines an event type. `faults` is for sources that emitting does not feed. */
  offer<Input, Args, Payload>(
    name: string,
    definition: Definition<Input, Args, Payload>,
    faults?: Faults,
  ): EventHandle<Input, Args, Payload> {
    const { authorize } = definition;
    let current: Definition<Input, Args, Payload> = {
      nextPollMs: 1_000,
      ...definition,
      authorize: (context, args) =>
        this.#access.allows(context.principal, name) && (authorize === undefined || authorize(context, args)),
    };
    const handle = this.#events.define(name, current);
    let changes = 0;
    this.#byName.set(name, {
      emit: (data, options) => handle.emit(data as Payload, options),
      fail: () => handle.reportFailure(internalError(`The source of ${name} fails, as it was asked to`)),
      lose: async () => {
        const cursor = definition.replay === false ? null : await handle.reportLoss();
        if (cursor !== null) return cursor;
        throw new Error(`not available: ${name} keeps no events, so there is no position that could be lost`);
      },
      ...faults,
      change: (breaking) => {
        changes++;
        const payload = breaking ? broken(current.payload, changes) : grown(current.payload, changes);
        current = { ...current, payload: payload as unknown as typeof current.payload };
        handle.update(current);
      },
      remove: () => {
        handle.remove();
        this.#byName.delete(name);
      },
    });
    return handle;
  }

  /** Throws an error for people. */
  require(name: string): OfferedType {
    const type = this.#byName.get(name);
    if (type !== undefined) return type;
    throw new Error(
      `there is no event type ${JSON.stringify(name)}; it must be one of ${[...this.#byName.keys()].join(', ')}`,
    );
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }
}

/** Old consumers understand the new form (TERM-04). */
function grown(payload: z.ZodObject, change: number): z.ZodObject {
  return payload.extend({ [`addedByChange${change}`]: z.string().optional() });
}

/** Old consumers may miss members, and one has another value (TERM-03). What was emitted before still fits. */
function broken(payload: z.ZodObject, change: number): z.ZodObject {
  return payload.partial().extend({ brokenByChange: z.literal(change).optional() });
}

import { invalidParams, notFound } from '@mcp-events/protocol';
import type { EventTypeDescriptor } from '@mcp-events/protocol';
import type { MaybePromise } from '../maybePromise.ts';
import type { EventType } from './eventType.ts';

/** The event types on offer, in the order they were defined. */
export class Catalog {
  readonly #types = new Map<string, EventType>();
  /** Order of definition, never given twice: places in the list that the removal of others does not shift. */
  readonly #orders = new Map<string, number>();
  #nextOrder = 0;
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  get(name: string): EventType | undefined {
    return this.#types.get(name);
  }

  /** Throws NotFound (ERR-02). */
  require(name: string): EventType {
    const type = this.#types.get(name);
    if (type === undefined) throw notFound('event', `There is no event type ${JSON.stringify(name.slice(0, 200))}`);
    return type;
  }

  set(type: EventType): void {
    this.#types.set(type.name, type);
    if (!this.#orders.has(type.name)) this.#orders.set(type.name, this.#nextOrder++);
  }

  delete(name: string): void {
    this.#types.delete(name);
    this.#orders.delete(name);
  }

  all(): EventType[] {
    return [...this.#types.values()];
  }

  /**
   * One page of what the caller sees of the types, if anything (LIST-03, LIST-13). The cursor names the last type of
   * the page before, so types that come and go in between shift nothing.
   */
  async list(
    cursor: string | undefined,
    describe: (type: EventType) => MaybePromise<EventTypeDescriptor | undefined>,
  ): Promise<{ events: EventTypeDescriptor[]; nextCursor?: string }> {
    const [lastOrder, lastName] = cursor === undefined ? [-1, ''] : decodeListCursor(cursor);
    // A type that was removed and defined again stands at the end now: going on from there would leave out what lies between.
    const after = Math.min(this.#orders.get(lastName) ?? lastOrder, lastOrder);
    const rest = [...this.#orders].filter(([, order]) => order > after);
    const events: EventTypeDescriptor[] = [];
    let last: readonly [order: number, name: string] | undefined;
    for (const [name, order] of rest) {
      const type = this.#types.get(name);
      // It may have been removed while somebody was asked about another.
      const descriptor = type && (await describe(type));
      if (descriptor === undefined) continue;
      if (last !== undefined && events.length === this.#pageSize) {
        return { events, nextCursor: JSON.stringify(last) };
      }
      events.push(descriptor);
      last = [order, name];
    }
    return { events };
  }
}

/** Order and name of the last type delivered. The name counts where types were defined in another order. */
function decodeListCursor(cursor: string): readonly [order: number, name: string] {
  try {
    const parsed: unknown = JSON.parse(cursor);
    if (Array.isArray(parsed) && Number.isSafeInteger(parsed[0]) && parsed[0] >= 0 && typeof parsed[1] === 'string') {
      return [parsed[0] as number, parsed[1]];
    }
  } catch {
    // Not one of ours.
  }
  throw invalidParams('cursor: not a cursor of events/list; start again without one');
}

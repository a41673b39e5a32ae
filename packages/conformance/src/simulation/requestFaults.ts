import { Methods, Notifications } from '@mcp-events/protocol';
import type { FaultCounts } from './faultCounts.ts';
import type { Random } from './random.ts';

/** What a schedule may do to the requests of one machine. Changed while they are under way. */
export interface RequestFaultState {
  /** Methods that do not get through, while others do. */
  blocked: ReadonlySet<string>;
  /** How: the connection ends, or something on the way answers with an error. */
  blockedBy: 'drop' | 'error';
  /** Of each event of a stream, or of a poll: it cannot be read. */
  unreadable: number;
}

export const NO_REQUEST_FAULTS: RequestFaultState = { blocked: new Set(), blockedBy: 'drop', unreadable: 0 };

/** All that subscriptions ask of a server. */
export const ALL_METHODS: readonly string[] = [Methods.list, Methods.subscribe, Methods.stream, Methods.poll];

/** What is between one machine and its server, beside the weather, and belongs to neither: a proxy that blocks, or spoils. */
export class RequestFaults {
  readonly state: RequestFaultState = { ...NO_REQUEST_FAULTS };
  /** Whether a request has another mode to turn to when this one is blocked. Otherwise it passes. */
  mayTurn: (params: Readonly<Record<string, unknown>>) => boolean = () => true;
  readonly #random: Random;
  readonly #counts: FaultCounts;
  readonly #onUnreadable: () => void;

  constructor(random: Random, counts: FaultCounts, onUnreadable: () => void) {
    this.#random = random;
    this.#counts = counts;
    this.#onUnreadable = onUnreadable;
  }

  /** Whether nothing is at work that may cost, or delay for longer than another mode takes to begin, what is sent. */
  get areHarmless(): boolean {
    const { blocked, unreadable } = this.state;
    return unreadable === 0 && !blocked.has(Methods.poll);
  }

  /** How a request fails on its way; `undefined` for one that gets through. */
  blocks(method: string, params: Readonly<Record<string, unknown>>): RequestFaultState['blockedBy'] | undefined {
    const { blocked, blockedBy } = this.state;
    if (!blocked.has(method) || !this.mayTurn(params)) return undefined;
    this.#counts.add(`requests: blocked by ${blockedBy}`);
    return blockedBy;
  }

  /** A notification as it arrives. */
  notification<T extends { method: string; params?: Record<string, unknown> }>(message: T): T {
    const { method, params = {} } = message;
    if (method !== Notifications.event || !this.#spoils()) return message;
    return { ...message, params: this.#unreadable(params) };
  }

  /** An answer as it arrives. */
  answer(method: string, result: unknown): unknown {
    if (method !== Methods.poll || this.state.unreadable === 0) return result;
    const { events } = result as { readonly events?: readonly Record<string, unknown>[] };
    if (events === undefined) return result;
    return { ...(result as object), events: events.map((event) => (this.#spoils() ? this.#unreadable(event) : event)) };
  }

  #spoils(): boolean {
    const { unreadable } = this.state;
    return unreadable > 0 && this.#random.chance(unreadable);
  }

  /** What is spoilt is what an event cannot do without; its position stays as it is. */
  #unreadable(event: Readonly<Record<string, unknown>>): Record<string, unknown> {
    this.#counts.add('requests: unreadable event');
    this.#onUnreadable();
    return {
      ...event,
      ...this.#random.pick([{ eventId: 7 }, { timestamp: null }, { data: 'text' }, { name: undefined }]),
    };
  }
}

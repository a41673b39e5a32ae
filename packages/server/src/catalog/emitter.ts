import type { Environment } from '../environment.ts';
import type { FeedEvent, OccurrenceInput } from '../occurrence/feedEvent.ts';
import { LiveFeed } from '../feed/liveFeed.ts';
import { LogFeed } from '../feed/logFeed.ts';
import { canonicalJson } from '../occurrence/canonicalJson.ts';
import { object, refuseUnknown } from '@mcp-events/protocol/options';
import { assertEventId } from '../occurrence/eventId.ts';
import { snapshotPayload } from '../occurrence/payload.ts';
import { isStorableText } from '../occurrence/storableText.ts';
import { isoTimestamp } from '../occurrence/timestamp.ts';
import type { Note } from '../storage/eventLog.ts';
import type { EmittedEvent, EmitOptions } from './eventHandle.ts';
import type { EventType } from './eventType.ts';

/** An event that is ready for its feed. */
export interface PreparedEvent {
  readonly input: OccurrenceInput;
  /** For retention. */
  readonly byteLength: number;
  /** The author named the event. */
  readonly unique: boolean;
}

/** Another event has the id, and is retained. */
export class EventIdTaken extends TypeError {}

const EMIT_OPTIONS = ['eventId', 'timestamp', 'target', '_meta'] as const satisfies readonly (keyof EmitOptions)[];

/** Throws a `TypeError`: a misspelt target would tell everybody what is meant for one. */
export function checkEmitOptions(options: unknown, what: string): void {
  object(options, `the options of ${what}`);
  refuseUnknown(options as object, EMIT_OPTIONS, `the options of ${what}`);
}

/** Turns what an author emits into an occurrence, and refuses what subscribers must never see. */
export class Emitter {
  readonly #environment: Environment;
  readonly #name: string;
  readonly #warn: (message: string) => void;
  /** For messages; made once, because most emits need none. */
  readonly #what: string;
  readonly #dataOfWhat: string;
  #nowMs: number | undefined;
  #now = '';

  constructor(environment: Environment, name: string, warn: (message: string) => void) {
    this.#environment = environment;
    this.#name = name;
    this.#warn = warn;
    this.#what = `an event of ${name}`;
    this.#dataOfWhat = `data of ${this.#what}`;
  }

  async emit(offered: () => EventType, data: unknown, options: EmitOptions): Promise<EmittedEvent> {
    checkEmitOptions(options, this.#what);
    const type = offered();
    const { observer } = this.#environment;
    if (observer === undefined) return this.append(type, this.prepare(type, data, options));
    const observed = observer.emitting(this.#name, options._meta);
    return observed.until(async () =>
      this.append(type, this.prepare(type, data, { ...options, _meta: observed.meta })),
    );
  }

  /** Checks and completes an event. Throws a `TypeError` that says what is wrong with it. */
  prepare({ feed, compiled }: EventType, data: unknown, options: EmitOptions): PreparedEvent {
    const { clock, closed, createEventId, eventIdOf, limits } = this.#environment;
    const what = this.#what;
    if (closed) throw new TypeError(`${what} was emitted after close()`);
    if (!(feed instanceof LogFeed || feed instanceof LiveFeed)) {
      throw new TypeError(
        `${this.#name} has a check: return its events there, and call wake() when there are new ones`,
      );
    }
    const payload = snapshotPayload(data, this.#dataOfWhat);
    const meta = options._meta === undefined ? undefined : snapshotPayload(options._meta, `_meta of ${what}`);
    // Retention counts it as well: what is kept is bounded by all of its bytes.
    const byteLength = payload.byteLength + (meta?.byteLength ?? 0);
    if (byteLength > limits.maxPayloadBytes) {
      throw new TypeError(
        `data and _meta of ${what} have ${byteLength} bytes; at most ${limits.maxPayloadBytes} are sent`,
      );
    }
    if (payload.byteLength > limits.payloadWarningBytes) {
      this.#warn(
        `data of ${what} has ${payload.byteLength} bytes; send what identifies the event, not the full record`,
      );
    }
    try {
      compiled.payload.validate(payload.data);
    } catch (error) {
      throw new TypeError(`data of ${what} violates its payload schema: ${(error as Error).message}`, { cause: error });
    }
    const { eventId, target, timestamp } = options;
    if (eventId !== undefined) assertEventId(eventId, what);
    if (target !== undefined && !isStorableText(target)) throw new TypeError(`target of ${what} must be text`);
    const authoredId = eventId === undefined ? undefined : eventIdOf(eventId);
    const input: OccurrenceInput = {
      eventId: authoredId ?? createEventId(),
      name: this.#name,
      timestamp: timestamp === undefined ? this.#nowIso(clock.now()) : isoTimestamp(timestamp, what),
      dataJson: payload.json,
      _meta: meta?.data,
      target,
    };
    return { input, byteLength, unique: authoredId !== undefined };
  }

  /**
   * Rejects with {@link EventIdTaken}, or with what the log says.
   *
   * @param note stored with the event: both or neither. Types without replay have no log that could store it.
   */
  async append({ feed }: EventType, { input, byteLength, unique }: PreparedEvent, note?: Note): Promise<EmittedEvent> {
    if (!(feed instanceof LogFeed)) return emitted(await (feed as LiveFeed).append(input));
    if (!unique) return emitted(await feed.append(input, { byteLength, unique, note }));
    const isSame = ({ dataJson, target }: FeedEvent): boolean =>
      target === input.target && isSamePayload(dataJson, input.dataJson);
    const stored = await feed.append(input, { byteLength, unique, note, isSame });
    if (isSame(stored)) return emitted(stored);
    throw new EventIdTaken(`eventId ${JSON.stringify(input.eventId)} of ${this.#what} was used for another event`);
  }

  /** As `append`, for an event that was prepared some time ago. */
  move(type: EventType, prepared: PreparedEvent, note: Note): Promise<EmittedEvent> {
    const { observer } = this.#environment;
    if (observer === undefined) return this.append(type, prepared, note);
    const { input } = prepared;
    const observed = observer.emitting(this.#name, input._meta);
    return observed.until(() => this.append(type, { ...prepared, input: { ...input, _meta: observed.meta } }, note));
  }

  /** Formatted once per millisecond, which under load brings many events. */
  #nowIso(nowMs: number): string {
    if (nowMs !== this.#nowMs) {
      this.#nowMs = nowMs;
      this.#now = new Date(nowMs).toISOString();
    }
    return this.#now;
  }
}

function emitted({ eventId, cursor }: { eventId: string; cursor: string | null }): EmittedEvent {
  return { eventId, cursor };
}

/** Whatever the order of members: an upstream that is asked again may write the same in another one. */
function isSamePayload(stored: string, given: string | undefined): boolean {
  if (stored === given || given === undefined) return stored === given;
  try {
    return canonicalJson(JSON.parse(stored)) === canonicalJson(JSON.parse(given));
  } catch {
    // Too deep to be compared, or what was stored is damaged.
    return false;
  }
}

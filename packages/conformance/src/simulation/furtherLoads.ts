import { Methods } from '@mcp-events/protocol';
import type { CalmPeriods } from './calmPeriods.ts';
import type { Composition } from './composition.ts';
import type { Emitter } from './emitter.ts';
import type { EventSource } from './eventSources.ts';
import { EMITTED_REGIONS } from './furtherSources.ts';
import type { FurtherSources } from './furtherSources.ts';
import { LivePushSubscriber } from './livePushSubscriber.ts';
import type { LossReports } from './lossReports.ts';
import { PollSubscriber } from './pollSubscriber.ts';
import { PushSubscriber } from './pushSubscriber.ts';
import type { Random } from './random.ts';
import type { ServerLives } from './serverLives.ts';
import type { Subscriber, SubscriberContext } from './subscriber.ts';
import { WebhookSubscriber } from './webhookSubscriber.ts';
import type { WorldRecord } from './worldRecord.ts';

/** Events of a long log, more of which would cost too much, and how many of them are emitted at once. */
const LONG_EVENTS = 1_200;
const AT_ONCE = 30;

/** Of one dispatch, in several turns. */
const CROWD = 2_001;

/** Events that fill the buffer of a stream that is not read, but for the largest. */
const UNREAD_EVENTS = 12;

/** Longer than a request is on its way in calm weather. */
const CONNECT_MS = 1_000;

/** Room for all that is emitted at once. */
const LARGE_BUFFER_BYTES = 100_000;

/** Attempts that one event fails with while others are taken, and when another one is emitted, between two of them. */
const REFUSALS = 3;
const BETWEEN_REFUSALS_MS = 32_000;

/** A position is stored after that time, when nothing is disturbed. */
const STORED_MS = 5_000;

export interface FurtherLoadsOptions {
  readonly world: WorldRecord;
  readonly composition: Composition;
  readonly further: FurtherSources;
  /** Event types of every schedule. */
  readonly sources: readonly EventSource[];
  readonly context: SubscriberContext;
  readonly lives: ServerLives;
  readonly emitter: Emitter;
  readonly lossReports: LossReports;
  readonly calm: CalmPeriods;
  /** The server is killed, and another one started. */
  readonly crash: () => Promise<void>;
}

/** Loads that not every schedule has: they happen between the steps of it, and once all is calm. */
export class FurtherLoads {
  readonly subscribers: readonly Subscriber[];
  readonly #options: FurtherLoadsOptions;
  readonly #random: Random;
  readonly #crowded: PushSubscriber | undefined;
  #requests = 0;

  constructor(options: FurtherLoadsOptions) {
    this.#options = options;
    const { context, further } = options;
    this.#random = context.random;
    // Two events at the same time may be too much for a small buffer, and a match fails now and then.
    const bufferBytes = options.composition.settings.options.limits?.streamBufferBytes ?? 0;
    const mayLose = further.isLiveMatched || bufferBytes < LARGE_BUFFER_BYTES;
    this.subscribers = further.wishes.map(({ mode, ...wish }) => {
      const positions = further.sources.find(({ name }) => name === wish.type)?.positions;
      if (positions !== undefined) return new LivePushSubscriber(wish, context, positions, mayLose);
      return mode === 'poll' ? new PollSubscriber(wish, context) : new PushSubscriber(wish, context);
    });
    this.#crowded = this.subscribers.find(
      (subscriber): subscriber is PushSubscriber =>
        subscriber instanceof PushSubscriber && subscriber.wish.type === 'filtered',
    );
  }

  /** Between two steps of a schedule. */
  async step(others: readonly Subscriber[]): Promise<void> {
    const random = this.#random;
    for (const subscriber of this.subscribers) {
      if (random.chance(0.2)) subscriber.act();
      if (random.chance(0.03)) subscriber.suffer();
    }
    for (const source of this.#options.further.sources) if (random.chance(0.2)) this.#emit(source);
    if (random.chance(0.04)) this.#webhook(others)?.refuseOne(random.int(1, 6));
    if (this.#options.composition.hasSlowReaders && random.chance(0.08)) await this.#readSlowly(others);
  }

  /** In one of the last rounds, when all is calm and each type has emitted an event. */
  async lastLoads(others: readonly Subscriber[]): Promise<void> {
    const { world, composition, sources, further, crash } = this.#options;
    for (const source of further.sources) this.#emit(source);
    if (composition.isLong) await this.#emitMany();
    if (composition.isCrowded) await this.#gatherCrowd();
    const { last } = composition;
    if (last === 'nothing') return;
    if (last === 'crash and refusal') await this.#crashLongBefore();
    for (const each of others) if (each instanceof WebhookSubscriber) each.refuseOne(REFUSALS);
    for (const source of sources) this.#emit(source);
    await world.time.advance(BETWEEN_REFUSALS_MS);
    for (const source of sources) this.#emit(source);
    if (last !== 'refusal and crash') return;
    await world.time.advance(STORED_MS + 1_000);
    world.faults.add('composition: crash behind a refusal');
    await crash();
  }

  /** Webhooks come back as they were stored, and nobody refreshes them until all is calm again. */
  async #crashLongBefore(): Promise<void> {
    const { world, calm, crash } = this.#options;
    world.faults.add('composition: refusal behind a crash');
    // Refreshes are answered by the server that is killed.
    await this.#connected();
    await crash();
    await world.time.advance(calm.overMs - world.time.nowMs);
    calm.look();
  }

  /** What each webhook has acknowledged long enough ago to be stored: it must not come again. Before a kill in a calm. */
  recordStored(others: readonly Subscriber[], calmSinceMs: number): void {
    const { world } = this.#options;
    const untilMs = world.time.nowMs - STORED_MS;
    for (const each of others) {
      if (!(each instanceof WebhookSubscriber)) continue;
      const events = each.acknowledgedBetween(calmSinceMs, untilMs);
      if (events.length === 0) continue;
      world.faults.add('composition: acknowledged and stored');
      world.record({ fact: 'stored', subscription: each.wish.subscription, events });
    }
  }

  /** Of all types but those of a log that is long: what does not fit a stream's buffer is lost or read from the log. */
  async #readSlowly(others: readonly Subscriber[]): Promise<void> {
    const { world, sources, further } = this.#options;
    const random = this.#random;
    const streams = [...others, ...this.subscribers].filter((each) => each instanceof PushSubscriber);
    const stream = streams.length === 0 ? undefined : random.pick(streams);
    const source = [...sources, ...further.sources].find(({ name }) => name === stream?.wish.type);
    if (stream === undefined || source === undefined) return;
    world.faults.add('composition: stream not read');
    stream.act();
    await world.time.settle();
    stream.stall();
    for (let n = 0; n < UNREAD_EVENTS; n++) this.#emit(source);
    // Heartbeats go on meanwhile.
    await world.time.advance(random.pick([100, 31_000, 61_000]));
    stream.unstall();
    if (random.chance(0.5)) await world.time.settle();
  }

  #webhook(others: readonly Subscriber[]): WebhookSubscriber | undefined {
    const webhooks = others.filter((each) => each instanceof WebhookSubscriber);
    return webhooks.length === 0 ? undefined : this.#random.pick(webhooks);
  }

  async #emitMany(): Promise<void> {
    const { world, further } = this.#options;
    const source = further.sources.find(({ name }) => name === 'long');
    if (source === undefined) return;
    world.faults.add('composition: long log');
    await this.#connected();
    for (let n = 0; n < LONG_EVENTS; n++) {
      this.#emit(source);
      if (n % AT_ONCE === 0) await world.time.settle();
    }
    await world.time.settle();
  }

  /** The one whose history is told stands behind all the others, and so is served in a later turn than the first. */
  async #gatherCrowd(): Promise<void> {
    const { world, lives, sources, lossReports } = this.#options;
    const source = sources.find(({ name }) => name === this.#crowded?.wish.type);
    const server = lives.current;
    if (source === undefined || server === undefined) return;
    world.faults.add('composition: crowd');
    const gone = new AbortController();
    for (let n = 0; n < CROWD; n++) {
      const request = {
        id: `crowd-${++this.#requests}`,
        method: Methods.stream,
        params: { name: source.name, arguments: {}, cursor: null },
        principal: `crowd ${n % 3}`,
        signal: gone.signal,
        notify: async () => {},
      };
      server.request(request).catch((error: unknown) => world.complain(`one of a crowd was told: ${String(error)}`));
    }
    await world.time.settle();
    this.#crowded?.recover();
    await this.#connected();
    this.#emit(source);
    lossReports.report(source);
    this.#emit(source);
    await world.time.settle();
    gone.abort();
    await world.time.settle();
  }

  /** Streams are open by then, and have read what is there: what comes later is dispatched to them. */
  async #connected(): Promise<void> {
    await this.#options.world.time.advance(CONNECT_MS);
  }

  #emit(source: EventSource): void {
    const { emitter } = this.#options;
    const random = this.#random;
    const event = { eventId: emitter.nextId(), severity: random.pick(['high', 'high', 'low'] as const) };
    const labels = source.name === 'located' ? { region: random.pick(EMITTED_REGIONS) } : undefined;
    emitter.emit(source, labels === undefined ? event : { ...event, labels });
  }
}

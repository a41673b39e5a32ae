import { EventsClient, eventsClientCapabilities } from '@mcp-events/client';
import { fileStore } from '@mcp-events/client/node';
import type { ClientDeliveryMode, Gap, ReceivedEvent, Subscription } from '@mcp-events/client';
import { WebhookReceiver } from '@mcp-events/client/receiver';
import { sqliteInbox } from '@mcp-events/client/sqlite';
import type { SqliteDatabase, SqliteInbox } from '@mcp-events/client/sqlite';
import { createWebhookSecret } from '@mcp-events/protocol';
import { Client } from '@modelcontextprotocol/client';
import { dataHash } from '../history/dataHash.ts';
import type { BegunFact, Fact } from '../history/facts.ts';
import type { DatabaseUser, HandlerDatabase } from './handlerDatabase.ts';
import type { Network } from './network.ts';
import { virtualPath } from './patchedFiles.ts';
import type { Random } from './random.ts';
import type { RequestFaults } from './requestFaults.ts';
import { SimulatedFault } from './simulatedFault.ts';
import { SimulatedTransport } from './simulatedTransport.ts';
import type { FileAccess, VirtualFiles } from './virtualFiles.ts';
import type { ArrivedRequest, RequestAnswer } from './virtualSocket.ts';
import { ProcessClock } from './virtualTime.ts';
import type { TimeOfDay, VirtualTime } from './virtualTime.ts';

/** What an application subscribes to. */
export interface Interest {
  readonly subscription: string;
  readonly type: string;
  readonly arguments: NonNullable<BegunFact['arguments']>;
  /** Forced; the client's own choice without. */
  readonly delivery: ClientDeliveryMode | undefined;
  readonly maxEvents: number | undefined;
  readonly longPollMs: number | undefined;
}

/** How an application behaves at the moment. Changed while it runs. */
export interface ApplicationBehaviour {
  /** For one event. */
  workMs: number;
  /** Of the receiver. */
  answerMs: number;
  lostAnswer: number;
  /** Of each call of a handler. */
  handlerFailure: number;
}

/** What stays of an application while its processes come and go. */
export interface Machine {
  readonly name: string;
  readonly principal: string;
  readonly files: VirtualFiles;
  /** Its events are handled in transactions of this one. Without it they are read in a loop. */
  readonly database: HandlerDatabase | undefined;
  /** Whether the database is the store of the client as well, and not a file. */
  readonly storesInDatabase: boolean;
  readonly timeOfDay: TimeOfDay;
  readonly interests: readonly Interest[];
  readonly behaviour: ApplicationBehaviour;
  /** On the way to the server. */
  readonly requests: RequestFaults;
  /** Of its webhooks, the latest one last. */
  readonly secrets: string[];
  readonly usesWebhooks: boolean;
  readonly ttlMs: number | null | undefined;
  /** Most events that wait for the application. */
  readonly maxBufferedEvents: number | undefined;
  /** By subscription: the cursor of the latest event it acknowledged. `undefined` for one that never began. */
  readonly cursors: Map<string, string | null>;
  /** Subscriptions that are over for good, by the server's word. */
  readonly over: Set<string>;
  lives: number;
}

export interface ApplicationContext {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly random: Random;
  readonly record: (fact: Fact) => void;
  readonly complain: (message: string) => void;
  /** Whether an error comes of the faults that are at work. */
  readonly expects: (error: unknown) => boolean;
  /** It was given an event. */
  readonly onHanded: (subscription: string, eventId: string) => void;
  /** It dies in the middle of what it does. */
  readonly onDeath: () => void;
}

/** Longest that what is emitted may take to an application, when nothing is disturbed. */
const WITHIN_MS = 120_000;

/** A process that dies with an event in its hands counts as an attempt, which says nothing about the event. */
const MAX_ATTEMPTS = Infinity;

/** An application waits so long before it tries again what failed. */
const AGAIN_MS = 5_000;

/** One life of an application: the real client, on a clock, files and a network that end with it. */
export class Application {
  readonly machine: Machine;
  readonly clock: ProcessClock;
  readonly access: FileAccess;
  readonly processName: string;
  readonly #context: ApplicationContext;
  readonly #events: EventsClient;
  readonly #inbox: SqliteInbox<SqliteDatabase> | undefined;
  readonly #receiver: WebhookReceiver;
  readonly #transports = new Set<SimulatedTransport>();
  readonly #subscriptions = new Map<string, Subscription>();
  alive = true;
  #isStopping = false;

  constructor(machine: Machine, context: ApplicationContext) {
    this.machine = machine;
    this.#context = context;
    const { time, random } = context;
    this.clock = new ProcessClock(time, machine.timeOfDay);
    this.access = { files: machine.files, clock: this.clock, isAlive: () => this.alive };
    this.processName = `${machine.name}.${++machine.lives}`;
    this.#receiver = new WebhookReceiver({ clock: this.clock });
    const { usesWebhooks, ttlMs, maxBufferedEvents, database, storesInDatabase } = machine;
    this.#inbox = database?.open(this.#userOfDatabase(), sqliteInbox);
    const webhook = {
      receiver: this.#receiver,
      url: `http://${machine.name}.test/${machine.name}`,
      ...(ttlMs === undefined ? {} : { ttlMs }),
      rotateSecretAfterMs: 900_000,
      createSecret: () => {
        const secret = createWebhookSecret((count) => Uint8Array.from({ length: count }, () => random.int(0, 255)));
        machine.secrets.push(secret);
        return secret;
      },
    };
    this.#events = new EventsClient(() => this.#connect(), {
      store: (storesInDatabase && this.#inbox) || fileStore(virtualPath(this.processName, 'cursors.json')),
      clock: this.clock,
      random: () => random.next(),
      ...(usesWebhooks ? { webhook } : {}),
      ...(maxBufferedEvents === undefined ? {} : { maxBufferedEvents }),
    });
  }

  start(): void {
    const { record } = this.#context;
    record({ fact: 'started', process: this.machine.name, at: this.#context.time.nowMs });
    // What the life before had committed, and had no time to tell of.
    this.#committed();
    for (const interest of this.machine.interests) {
      if (!this.machine.over.has(interest.subscription)) this.#insist(() => this.#follow(interest));
    }
  }

  /** The process is gone from one moment to the next. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.clock.kill();
    this.machine.database?.kill();
    for (const transport of this.#transports) transport.kill();
  }

  /** Ends in an orderly way; resolves when the client is closed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#events.close();
  }

  /** At the end of a run: what still waits for answers is told that none will come. */
  dispose(): void {
    for (const transport of this.#transports) transport.onclose?.();
  }

  cutStreams(): void {
    for (const transport of this.#transports) transport.cutStreams();
  }

  /** Gives a subscription up; it may be begun again by another life. */
  async cancel(name: string): Promise<void> {
    const subscription = this.#subscriptions.get(name);
    if (subscription === undefined) return;
    this.#subscriptions.delete(name);
    this.machine.cursors.delete(name);
    this.machine.over.add(name);
    this.#record({ fact: 'ended', subscription: name, how: 'asked' });
    await subscription.cancel();
    this.#record({ fact: 'ended', subscription: name, how: 'asked' });
  }

  /** Takes what is posted to its callbacks. */
  arrive(request: ArrivedRequest, answer: RequestAnswer): void {
    const { random, time } = this.#context;
    const { answerMs, lostAnswer } = this.machine.behaviour;
    const { path, headers, body } = request;
    const posted = new Request(`http://${this.machine.name}.test${path}`, { method: 'POST', headers, body });
    const delayMs = random.delayMs(answerMs);
    const isLost = random.chance(lostAnswer);
    if (delayMs > 0 || isLost) this.#disturbed('answer');
    this.#receiver
      .handle(posted)
      .then(async (response) => {
        const text = await response.text();
        time.active();
        if (response.status >= 300) this.#disturbed(`answered ${response.status}`);
        if (delayMs > 0) await this.clock.delay(delayMs);
        if (!this.alive) return;
        if (isLost) answer.reset();
        else answer.respond(response.status, { 'content-type': 'application/json' }, text);
      })
      .catch((error: unknown) => this.#context.complain(`the receiver failed: ${String(error)}`));
  }

  #disturbed(why: string): void {
    const { name } = this.machine;
    this.#record({ fact: 'lossCause', process: name, why });
    this.#record({ fact: 'disturbed', process: name, why });
  }

  async #connect(): Promise<Client> {
    const { network } = this.#context;
    const client = new Client(
      { name: this.machine.name, version: '1.0.0' },
      { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
    );
    const transport = new SimulatedTransport(
      network,
      this.machine.principal,
      `${this.processName}-${this.#transports.size}`,
      this.machine.requests,
    );
    this.#transports.add(transport);
    await client.connect(transport);
    return client;
  }

  async #follow(interest: Interest): Promise<void> {
    const { subscription: name, type, arguments: args, delivery, maxEvents, longPollMs } = interest;
    const { cursors, principal } = this.machine;
    const known = cursors.get(name);
    this.#record({
      fact: 'begun',
      subscription: name,
      process: this.machine.name,
      type,
      arguments: args,
      principal,
      // Of those that change, the one whose gaps say least.
      mode: delivery ?? (this.machine.usesWebhooks ? 'webhook' : 'push'),
      cursor: known ?? null,
      resumes: known !== undefined,
      withinMs: WITHIN_MS,
    });
    const subscription = await this.#untilDone(() =>
      this.#events.subscribe(type, args, {
        ...(delivery === undefined ? {} : { delivery }),
        ...(maxEvents === undefined ? {} : { maxEvents }),
        ...(longPollMs === undefined ? {} : { longPollMs }),
        onGap: (gap) => this.#gap(name, gap),
        onTerminated: (error) => this.#terminated(name, error),
        onError: (error) => this.#failed(name, error),
      }),
    );
    if (subscription === undefined) return;
    this.#subscriptions.set(name, subscription);
    if (known === undefined) cursors.set(name, null);
    this.#record({ fact: 'subscribed', subscription: name });
    await (this.#inbox === undefined ? this.#read(name, subscription) : this.#handle(name, subscription, this.#inbox));
  }

  #userOfDatabase(): DatabaseUser {
    return {
      isAlive: () => this.alive,
      onUse: () => this.#context.time.active(),
      onCommit: () => this.#committed(),
      die: () => this.#context.onDeath(),
    };
  }

  /** Has its events handled, each in the transaction that stores the position after it. */
  async #handle(name: string, subscription: Subscription, inbox: SqliteInbox<SqliteDatabase>): Promise<void> {
    const { behaviour } = this.machine;
    const { random } = this.#context;
    const write = ({ eventId, data }: ReceivedEvent, db: SqliteDatabase): void => {
      db.prepare('INSERT INTO written (subscription, event_id, hash) VALUES (?, ?, ?)').run(
        name,
        eventId,
        dataHash(data),
      );
      if (random.chance(behaviour.handlerFailure)) throw new SimulatedFault('the simulated handler failed');
    };
    const handler = {
      prepare: async (): Promise<void> => {
        this.#positioned(name, subscription);
        const workMs = random.delayMs(behaviour.workMs);
        if (workMs > 0) await this.clock.delay(workMs);
      },
      handle: (event: ReceivedEvent, { db }: { db: SqliteDatabase }) => write(event, db),
    };
    const parked = (eventId: string): void => this.#context.complain(`${name} parked ${eventId}`);
    try {
      await subscription.process<SqliteDatabase, void>(handler, {
        inbox,
        maxAttempts: MAX_ATTEMPTS,
        onParked: ({ event }) => parked(event.eventId),
      });
    } catch (error) {
      // A database that fails is no reason to end.
      if (this.alive && !this.#isStopping && !this.#isFinal(error)) throw error;
    }
  }

  /** What handlers wrote counts as given to the application, and kept by it, once it is committed. */
  #committed(): void {
    for (const { subscription, eventId, hash } of this.machine.database?.untold() ?? []) {
      this.#record({ fact: 'handed', subscription, eventId, hash });
      this.#record({ fact: 'committed', subscription, eventId });
      this.#context.onHanded(subscription, eventId);
    }
  }

  async #read(name: string, subscription: Subscription): Promise<void> {
    const { random } = this.#context;
    let inHand: string | undefined;
    for (;;) {
      if (inHand !== undefined) this.#record({ fact: 'acknowledging', subscription: name, eventId: inHand });
      const next = await this.#untilDone(() => subscription.next());
      if (next === undefined && this.machine.over.has(name)) await this.#expectNothing(name, subscription);
      if (next === undefined || !this.#subscriptions.has(name)) return;
      // Asked for the next one, it has stored that the one before is done.
      if (inHand !== undefined && (next.done !== true || this.#canStore())) {
        this.#record({ fact: 'committed', subscription: name, eventId: inHand });
      }
      this.#positioned(name, subscription);
      if (next.done === true) return;
      const { eventId, data } = next.value;
      this.#record({ fact: 'handed', subscription: name, eventId, hash: dataHash(data) });
      if (this.alive) this.#context.onHanded(name, eventId);
      inHand = eventId;
      const workMs = random.delayMs(this.machine.behaviour.workMs);
      if (workMs > 0) await this.clock.delay(workMs);
    }
  }

  /** It may have moved on since the last time it was looked at. */
  #positioned(name: string, { cursor }: Subscription): void {
    if (cursor === null || cursor === this.machine.cursors.get(name)) return;
    this.machine.cursors.set(name, cursor);
    this.#record({ fact: 'received', subscription: name, cursor });
  }

  /** Once it threw what ended it, there is nothing any more. */
  async #expectNothing(name: string, subscription: Subscription): Promise<void> {
    if (this.#isStopping) return;
    const next = await this.#untilDone(() => subscription.next());
    if (next?.done === false) this.#context.complain(`${name} was given ${next.value.eventId} after it threw its end`);
  }

  /** A stop keeps what was acknowledged, if the disk lets it. */
  #canStore(): boolean {
    const { writeFailure, syncFailure } = this.machine.files.behaviour;
    return writeFailure === 0 && syncFailure === 0;
  }

  #gap(name: string, { reason, cursor }: Gap): void {
    this.#record({ fact: 'received', subscription: name, cursor, gap: true, note: reason });
  }

  #terminated(name: string, error: Error): void {
    this.machine.over.add(name);
    // TERM-07: it is told at once, and what was received before is still handed out.
    const note = error.message;
    this.#record({ fact: 'ended', subscription: name, how: 'told', handsOutReceived: true, note });
    if (!this.#context.expects(error)) this.#context.complain(`${name} was ended: ${error.message}`);
  }

  #failed(name: string, error: Error): void {
    if (!this.alive || this.#context.expects(error)) return;
    this.#context.complain(`${name} was told: ${error.stack}`);
  }

  /** Does it until it succeeds, or the process ends; `undefined` then, and when the subscription is over. */
  async #untilDone<T>(step: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        const result = await step();
        return this.alive ? result : await new Promise(() => {});
      } catch (error) {
        if (!this.alive) return new Promise(() => {});
        if (this.#isStopping) return undefined;
        if (this.#context.expects(error)) {
          if (this.#isFinal(error)) return undefined;
          await this.clock.delay(AGAIN_MS);
          continue;
        }
        throw error;
      }
    }
  }

  /** What ended a subscription ends it again. */
  #isFinal(error: unknown): boolean {
    return (error as { code?: unknown }).code === TERMINATED_CODE;
  }

  #insist(run: () => Promise<void>): void {
    run().catch((error: unknown) => {
      const { stack } = error as Error;
      if (this.alive) this.#context.complain(`${this.machine.name} failed: ${stack ?? String(error)}`);
    });
  }

  #record(fact: Fact): void {
    if (this.alive) this.#context.record({ ...fact, at: this.#context.time.nowMs });
  }
}

/** Forbidden, as the simulated operator ends subscriptions. */
const TERMINATED_CODE = -32_024;

import { fileInboxStore } from '@mcp-events/client/node';
import { WebhookInbox, WebhookReceiver } from '@mcp-events/client/receiver';
import type { InboxItem, RegisteredCallback } from '@mcp-events/client/receiver';
import { decodeWebhookSecret, Methods, signWebhook } from '@mcp-events/protocol';
import type { SubscribeResult } from '@mcp-events/protocol';
import { dataHash } from '../history/dataHash.ts';
import type { Fact } from '../history/facts.ts';
import type { Network } from './network.ts';
import { virtualPath } from './patchedFiles.ts';
import type { Random } from './random.ts';
import { ProcessClock } from './virtualTime.ts';
import type { TimeOfDay } from './virtualTime.ts';
import type { FileAccess, VirtualFiles } from './virtualFiles.ts';
import type { ArrivedRequest, RequestAnswer } from './virtualSocket.ts';
import type { WorldRecord } from './worldRecord.ts';

/** What stays of it while its processes come and go. */
export interface InboxMachine {
  readonly name: string;
  readonly principal: string;
  readonly type: string;
  readonly files: VirtualFiles;
  readonly timeOfDay: TimeOfDay;
  readonly secret: string;
  /** Of the latest answer to a subscribe request: nothing before it is still to come. */
  cursor: string | null;
  /** The server said that it has ended. */
  isOver: boolean;
  lives: number;
}

export interface InboxContext {
  readonly world: WorldRecord;
  readonly network: Network;
  readonly random: Random;
  /** It answered that it has a message: its server will not send that again. */
  readonly onAccepted: () => void;
}

const TTL_MS = 600_000;
const REFRESH_MS = 200_000;
const AGAIN_MS = 5_000;

/** Of what is accepted, so often its server sends the event once more, under another id of the message. */
const REPEATED = 0.2;

/** Forbidden: the subscription is ended for good. */
const FORBIDDEN = -32_024;

/**
 * One life of an application that has no client: it subscribes by requests of its own, takes webhooks with a receiver, and
 * keeps them in an inbox in a file until they are dealt with.
 */
export class InboxApplication {
  readonly machine: InboxMachine;
  readonly processName: string;
  readonly access: FileAccess;
  readonly #context: InboxContext;
  readonly #clock: ProcessClock;
  readonly #receiver: WebhookReceiver;
  readonly #abort = new AbortController();
  #registered: RegisteredCallback | undefined;
  #requests = 0;
  alive = true;

  constructor(machine: InboxMachine, context: InboxContext) {
    this.machine = machine;
    this.#context = context;
    this.processName = `${machine.name}.${++machine.lives}`;
    this.#clock = new ProcessClock(context.world.time, machine.timeOfDay);
    this.access = { files: machine.files, clock: this.#clock, isAlive: () => this.alive };
    this.#receiver = new WebhookReceiver({ clock: this.#clock });
  }

  start(): void {
    const { name, type, principal, cursor, isOver } = this.machine;
    this.#record({ fact: 'started', process: name });
    // Without a position it goes on with what its server has of the life before; after the end, with what it has kept.
    if (!isOver && (cursor !== null || this.machine.lives === 1)) {
      const resumes = cursor !== null;
      this.#record({
        fact: 'begun',
        subscription: name,
        process: name,
        type,
        principal,
        mode: 'webhook',
        cursor,
        resumes,
      });
    }
    this.#run().catch((error: unknown) => {
      if (this.alive) this.#context.world.complain(`${name} failed: ${(error as Error).stack ?? String(error)}`);
    });
  }

  /** The process is gone from one moment to the next. */
  kill(): void {
    this.alive = false;
    this.#clock.kill();
    this.#abort.abort();
  }

  /** Takes what is posted to it. */
  arrive(request: ArrivedRequest, answer: RequestAnswer): void {
    const { path, headers, body } = request;
    const { name } = this.machine;
    const { world } = this.#context;
    this.#receiver
      .handle(new Request(`http://${name}.test${path}`, { method: 'POST', headers, body }))
      .then(async (response) => {
        const text = await response.text();
        world.time.active();
        if (!this.alive) return;
        if (response.status >= 300) this.#disturbed(`answered ${response.status}`);
        answer.respond(response.status, { 'content-type': 'application/json' }, text);
        if (response.status !== 204) return;
        this.#kept(body);
        this.#context.onAccepted();
        this.#repeat(request);
      })
      .catch((error: unknown) => world.complain(`the receiver of ${name} failed: ${String(error)}`));
  }

  /** It has stored what it accepts. */
  #kept(body: string): void {
    const { eventId } = JSON.parse(body) as { readonly eventId?: unknown };
    if (typeof eventId !== 'string') return;
    this.#record({ fact: 'received', subscription: this.machine.name, events: [eventId], kept: true });
  }

  async #run(): Promise<void> {
    const inbox = await this.#untilDone(() =>
      WebhookInbox.open({ store: fileInboxStore(virtualPath(this.processName, 'inbox.log')), clock: this.#clock }),
    );
    this.#registered = this.#receiver.register({
      path: this.machine.name,
      secret: this.machine.secret,
      accept: inbox.accept,
      repeated: inbox.accept,
    });
    void this.#keepSubscribed();
    await this.#read(inbox);
  }

  async #read(inbox: WebhookInbox): Promise<void> {
    const { name } = this.machine;
    let items = inbox[Symbol.asyncIterator]();
    let inHand: string | undefined;
    /** Could not be acknowledged, so it is handed out once more, to the same process. */
    let again: string | undefined;
    for (;;) {
      if (inHand !== undefined && inHand !== again) {
        this.#record({ fact: 'acknowledging', subscription: name, eventId: inHand });
      }
      const next = await items.next().catch(() => undefined);
      if (!this.alive) return;
      if (next === undefined) {
        again = inHand;
        await this.#clock.delay(AGAIN_MS);
        items = inbox[Symbol.asyncIterator]();
        continue;
      }
      if (next.done === true) return;
      const item: InboxItem = next.value;
      if (item.kind === 'event' && item.event.eventId === again) continue;
      if (inHand !== undefined) this.#record({ fact: 'committed', subscription: name, eventId: inHand });
      inHand = undefined;
      again = undefined;
      if (item.kind === 'gap') this.#record({ fact: 'received', subscription: name, cursor: item.cursor, gap: true });
      else if (item.kind === 'terminated') this.#ended(item.error.message);
      else {
        inHand = item.event.eventId;
        this.#record({ fact: 'handed', subscription: name, eventId: inHand, hash: dataHash(item.event.data) });
      }
    }
  }

  async #keepSubscribed(): Promise<void> {
    const { machine } = this;
    while (this.alive && !machine.isOver) {
      const result = await this.#subscribe();
      if (!this.alive) return;
      if (result !== undefined) {
        const { id, cursor, truncated } = result;
        this.#registered?.bind(id);
        const isFirst = machine.cursor === null;
        machine.cursor = cursor;
        const gap = truncated ? { gap: true } : {};
        if (isFirst || truncated) this.#record({ fact: 'received', subscription: machine.name, cursor, ...gap });
      }
      await this.#clock.delay(result === undefined ? AGAIN_MS : REFRESH_MS);
    }
  }

  async #subscribe(): Promise<SubscribeResult | undefined> {
    const { name, type, principal, secret, cursor } = this.machine;
    const params = {
      name: type,
      arguments: {},
      delivery: { mode: 'webhook', url: `http://${name}.test/${name}`, secret },
      cursor,
      ttlMs: TTL_MS,
    };
    const request = {
      id: `${this.processName}-${++this.#requests}`,
      method: Methods.subscribe,
      params,
      principal,
      signal: this.#abort.signal,
      notify: async () => {},
    };
    try {
      return (await this.#context.network.request(request)) as SubscribeResult;
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (code === FORBIDDEN && this.alive) this.#ended(message);
      return undefined;
    }
  }

  /** A server may send an event again as another message; here it does so however often it was acknowledged. */
  #repeat({ path, headers, body }: ArrivedRequest): void {
    const { random, world } = this.#context;
    if (!random.chance(REPEATED) || !body.includes('"eventId"')) return;
    this.#clock.setTimeout(
      () => {
        world.faults.add('webhooks: sent again as another message');
        const id = `again_${random.int(0, 1e9)}`;
        const timestampSeconds = Math.floor(this.#clock.now() / 1_000);
        const key = decodeWebhookSecret(this.machine.secret);
        const signed = {
          ...headers,
          'webhook-id': id,
          'webhook-timestamp': String(timestampSeconds),
          'webhook-signature': signWebhook(key, { id, timestampSeconds, body: Buffer.from(body, 'latin1') }),
        };
        const posted = new Request(`http://${this.machine.name}.test${path}`, {
          method: 'POST',
          headers: signed,
          body: Buffer.from(body, 'latin1'),
        });
        void this.#receiver.handle(posted).then(() => world.time.active());
      },
      random.pick([1, 100, 3_000]),
    );
  }

  async #untilDone<T>(step: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await step();
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (!PASSING.includes(code)) throw error;
        await this.#clock.delay(AGAIN_MS);
      }
    }
  }

  #ended(note: string): void {
    this.machine.isOver = true;
    this.#record({ fact: 'ended', subscription: this.machine.name, how: 'told', note });
  }

  #disturbed(why: string): void {
    const { name: process } = this.machine;
    this.#record({ fact: 'lossCause', process, why });
    this.#record({ fact: 'disturbed', process, why });
  }

  #record(fact: Fact): void {
    if (this.alive) this.#context.world.record(fact);
  }
}

/** What disks fail with. */
const PASSING: readonly unknown[] = ['ENOSPC', 'EIO', 'EMFILE'];

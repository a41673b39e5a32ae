import { type EventOrder, Methods, ORDER_META_KEY } from '@mcp-events/protocol';
import type { FakeClock } from './fakeClock.ts';
import { ModelServer } from './modelServer.ts';
import { occurrence, pending, type RawRequest, RpcFailure } from './rawServer.ts';
import { signedPost } from './signedPost.ts';

const TTL_MS = 60_000;
const MAX_OUTSTANDING = 6;

interface Delivery {
  n: number;
  webhookId: string;
  order: EventOrder | undefined;
  /** Frozen at the first attempt. */
  body?: object;
}

/**
 * Whether events tell their order, by their own cursors; and whether a durable process that is replaced remembers what
 * was acknowledged beyond the watermark.
 */
export interface Ordering {
  told: boolean;
  remembers: boolean;
}

/** One webhook subscription of the model. */
interface Lane {
  secret: string;
  expiresAtMs: number;
  /** Everything up to here is acknowledged or given up. */
  watermark: number;
  /** Acknowledged or given up beyond the watermark. */
  settled: Set<number>;
  /** The last one sent. */
  sent: number;
  previous: string | null;
  outstanding: Delivery[];
}

/** A correct server with webhooks: deliveries in any order, each until it is acknowledged, with a watermark over them. */
export class WebhookModelServer extends ModelServer {
  readonly #clock: FakeClock;
  /** The live subscriptions by callback URL. */
  readonly lanes = new Map<string, Lane>();
  /** Where posts arrive. */
  endpoint: ((request: Request) => Promise<Response>) | undefined;
  subscribeFails: number | undefined;
  unsubscribeFails = false;
  readonly #ordering: Ordering;
  /** Given up, and told. */
  readonly lost = new Set<number>();
  #messages = 0;

  constructor(clock: FakeClock, ordering: Ordering) {
    super();
    this.#clock = clock;
    this.#ordering = ordering;
    this.on(Methods.subscribe, (request) => {
      if (this.subscribeFails !== undefined) throw new RpcFailure(this.subscribeFails);
      void this.#subscribe(request);
      return pending;
    });
    this.on(Methods.unsubscribe, ({ params }) => {
      if (this.unsubscribeFails) throw new RpcFailure(-32603);
      this.#expire();
      if (!this.lanes.delete(params['delivery'].url)) throw new RpcFailure(-32023, { kind: 'subscription' });
      return {};
    });
  }

  /** Makes one attempt with one of the deliveries under way or the next one; `noticed` is whether the answer gets through. */
  async post(pick: number, noticed: boolean): Promise<void> {
    this.#expire();
    const lanes = [...this.lanes];
    const [url, lane] = lanes[pick % Math.max(1, lanes.length)] ?? [];
    if (url === undefined || lane === undefined) return;
    this.#sendNext(lane);
    const delivery = lane.outstanding[pick % Math.max(1, lane.outstanding.length)];
    if (delivery !== undefined) await this.#attempt(url, lane, delivery, noticed);
  }

  /** Tries everything that is under way, the oldest first. */
  async retry(): Promise<void> {
    this.#expire();
    for (const [url, lane] of this.lanes) {
      this.#sendNext(lane);
      for (const delivery of [...lane.outstanding]) await this.#attempt(url, lane, delivery, true);
    }
  }

  /** Gives one of the deliveries under way up, if the client can be told. */
  async abandon(pick: number): Promise<void> {
    this.#expire();
    for (const [url, lane] of this.lanes) {
      const { n } = lane.outstanding[pick % Math.max(1, lane.outstanding.length)] ?? {};
      if (n === undefined) continue;
      const trial = { ...lane, settled: new Set(lane.settled) };
      settle(trial, n);
      const gap = { type: 'gap', cursor: `c${trial.watermark}` };
      if ((await this.#post(url, lane.secret, this.#messageId(), gap))?.ok !== true) continue;
      this.lost.add(n);
      settle(lane, n);
    }
  }

  /**
   * The process is replaced. A durable one goes on by itself, behind its watermark, and remembers what is acknowledged
   * beyond if it is of that kind; another has forgotten everything.
   */
  async restart(durable: boolean): Promise<void> {
    await this.crash();
    if (!durable) this.lanes.clear();
    for (const lane of this.lanes.values()) {
      lane.sent = lane.watermark;
      if (!this.#ordering.remembers) lane.settled.clear();
      lane.previous = null;
      lane.outstanding = [];
    }
  }

  async #subscribe({ id, params }: RawRequest): Promise<void> {
    const { url, secret } = params['delivery'];
    const challenge = this.#messageId();
    const echo = await this.#post(url, secret, `msg_verification_${challenge}`, { type: 'verification', challenge });
    if (echo?.ok !== true || ((await echo.json()) as { challenge: string }).challenge !== challenge) {
      this.fail(id, { code: -32027, message: 'no echo', data: { reason: 'challenge_failed' } });
      return;
    }
    this.#expire();
    const start = this.positionOf(params['cursor']);
    const expiresAtMs = this.#clock.now() + TTL_MS;
    const fresh = { watermark: start, settled: new Set<number>(), sent: start, previous: null, outstanding: [] };
    const lane: Lane = Object.assign(this.lanes.get(url) ?? fresh, { secret, expiresAtMs });
    this.lanes.set(url, lane);
    const refreshBefore = new Date(expiresAtMs).toISOString();
    this.answer(id, { id: idOf(url), refreshBefore, cursor: `c${lane.watermark}`, truncated: false });
  }

  #sendNext(lane: Lane): void {
    do {
      if (lane.outstanding.length >= MAX_OUTSTANDING || lane.sent >= this.emitted) return;
      lane.sent += 1;
    } while (lane.settled.has(lane.sent));
    const position = `c${lane.sent}`;
    const order = this.#ordering.told ? { position, previous: lane.previous } : undefined;
    lane.previous = position;
    lane.outstanding.push({ n: lane.sent, webhookId: this.#messageId(), order });
  }

  async #attempt(url: string, lane: Lane, delivery: Delivery, noticed: boolean): Promise<void> {
    const { n, webhookId, order } = delivery;
    delivery.body ??= {
      ...occurrence(`e${n}`),
      cursor: `c${lane.watermark === n - 1 ? n : lane.watermark}`,
      ...(order && { _meta: { [ORDER_META_KEY]: order } }),
    };
    const answer = await this.#post(url, lane.secret, webhookId, delivery.body);
    if (answer?.ok === true && noticed) settle(lane, n);
  }

  async #post(url: string, secret: string, webhookId: string, body: object): Promise<Response | undefined> {
    return this.endpoint?.(signedPost({ url, secret, webhookId, subscriptionId: idOf(url), body }, this.#clock));
  }

  #messageId(): string {
    return `msg_${(this.#messages += 1)}`;
  }

  #expire(): void {
    for (const [url, { expiresAtMs }] of this.lanes) if (expiresAtMs <= this.#clock.now()) this.lanes.delete(url);
  }
}

function idOf(url: string): string {
  return `sub_${url.slice(url.lastIndexOf('/') + 1)}`;
}

function settle(lane: Lane, n: number): void {
  lane.settled.add(n);
  lane.outstanding = lane.outstanding.filter((delivery) => delivery.n !== n);
  while (lane.settled.delete(lane.watermark + 1)) lane.watermark += 1;
}

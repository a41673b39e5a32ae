import { type EventOrder, Methods } from '@mcp-events/protocol';
import type { FakeClock } from './fakeClock.ts';
import type { FakeReceiver } from './fakeReceiver.ts';
import { ModelServer } from './modelServer.ts';
import { type RawRequest, RpcFailure } from './rawServer.ts';

const TTL_MS = 60_000;
const MAX_OUTSTANDING = 6;

interface Delivery {
  n: number;
  order: EventOrder | undefined;
  /** Frozen at the first attempt. */
  cursor?: string;
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
  receiver: FakeReceiver | undefined;
  subscribeFails: number | undefined;
  unsubscribeFails = false;
  /** Whether events tell their order. */
  ordered: boolean;
  /** Given up, and told. */
  readonly lost = new Set<number>();
  /** Number of the process: places name it, as they must not repeat. */
  #process = 0;

  constructor(clock: FakeClock, ordered: boolean) {
    super();
    this.#clock = clock;
    this.ordered = ordered;
    this.on(Methods.subscribe, (request) => this.#subscribe(request));
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
      const callback = this.receiver?.at(url);
      if (!callback?.secrets.includes(lane.secret)) continue;
      if ((await callback.gap(`c${trial.watermark}`)) !== 'accepted') continue;
      this.lost.add(n);
      settle(lane, n);
    }
  }

  /** The process is replaced. A durable one goes on by itself, behind its watermark; another has forgotten everything. */
  async restart(durable: boolean): Promise<void> {
    await this.crash();
    this.#process += 1;
    if (!durable) this.lanes.clear();
    for (const lane of this.lanes.values()) {
      lane.sent = lane.watermark;
      lane.settled.clear();
      lane.previous = null;
      lane.outstanding = [];
    }
  }

  #subscribe({ params }: RawRequest): object {
    if (this.subscribeFails !== undefined) throw new RpcFailure(this.subscribeFails);
    this.#expire();
    const { url, secret } = params['delivery'];
    const start = this.positionOf(params['cursor']);
    const expiresAtMs = this.#clock.now() + TTL_MS;
    const fresh: Lane = {
      secret,
      expiresAtMs,
      watermark: start,
      settled: new Set(),
      sent: start,
      previous: null,
      outstanding: [],
    };
    const lane = Object.assign(this.lanes.get(url) ?? fresh, { secret, expiresAtMs });
    this.lanes.set(url, lane);
    const refreshBefore = new Date(expiresAtMs).toISOString();
    return { id: `sub_${url}`, refreshBefore, cursor: `c${lane.watermark}`, truncated: false };
  }

  #sendNext(lane: Lane): void {
    if (lane.outstanding.length >= MAX_OUTSTANDING || lane.sent >= this.emitted) return;
    lane.sent += 1;
    const position = `${this.#process}.${lane.sent}`;
    const order = this.ordered ? { position, previous: lane.previous } : undefined;
    lane.previous = position;
    lane.outstanding.push({ n: lane.sent, order });
  }

  async #attempt(url: string, lane: Lane, delivery: Delivery, noticed: boolean): Promise<void> {
    const { n, order } = delivery;
    delivery.cursor ??= `c${lane.watermark === n - 1 ? n : lane.watermark}`;
    const callback = this.receiver?.at(url);
    if (!callback?.secrets.includes(lane.secret)) return;
    const answer = await callback.event(`e${n}`, delivery.cursor, order);
    if (answer === 'accepted' && noticed) settle(lane, n);
  }

  #expire(): void {
    for (const [url, { expiresAtMs }] of this.lanes) if (expiresAtMs <= this.#clock.now()) this.lanes.delete(url);
  }
}

function settle(lane: Lane, n: number): void {
  lane.settled.add(n);
  lane.outstanding = lane.outstanding.filter((delivery) => delivery.n !== n);
  while (lane.settled.delete(lane.watermark + 1)) lane.watermark += 1;
}

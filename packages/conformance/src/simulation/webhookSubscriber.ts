import {
  createWebhookSecret,
  decodeWebhookSecret,
  Methods,
  missingOf,
  ORDERED_META_KEY,
  orderOf,
  verifyWebhook,
  WEBHOOK_ID_HEADER,
  WEBHOOK_SIGNATURE_HEADER,
  WEBHOOK_TIMESTAMP_HEADER,
} from '@mcp-events/protocol';
import type { SubscribeResult } from '@mcp-events/protocol';
import { AnsweredEnd } from './answeredEnd.ts';
import { NoAnswer } from './network.ts';
import { PlacedEvents } from './placedEvents.ts';
import type { ServerProcess } from './serverProcess.ts';
import { Subscriber } from './subscriber.ts';
import type { SubscriberContext, Wish } from './subscriber.ts';
import type { ArrivedRequest, RequestAnswer } from './virtualSocket.ts';

/** A secret, until when the server may go on signing with it, by its own clock. */
interface Secret {
  readonly text: string;
  untilMs: number;
  /** The same by a clock that nobody sets. */
  untilPassedMs: number;
}

/** A post that was signed in time may be under way for so long. */
const UNDER_WAY_MS = 120_000;

/** Nothing is disturbed: so long may an event take. */
const WITHIN_MS = 30_000;

/** So few deliveries may all wait to be tried again, and what is emitted then with them. */
const FEW_OUTSTANDING = 5;

/** How its endpoint behaves at the moment. */
export interface EndpointBehaviour {
  latencyMs: number;
  /** Statuses other than 2xx, as often as this. */
  failure: number;
  /** Takes the message, and the answer is lost. */
  lostAnswer: number;
  hang: number;
}

/** What the server was configured with. */
export interface ServerRules {
  /** How long it may go on signing with a secret that was replaced. */
  readonly rotationGraceMs: number;
  /** Longest wait before an attempt that is made again. */
  readonly longestRetryMs: number;
  /** Deliveries of one subscription that may be under way together, those that wait for their retry included. */
  readonly outstanding: number;
}

interface Body {
  readonly type?: string;
  readonly eventId?: string;
  readonly timestamp?: string;
  readonly data?: unknown;
  readonly cursor?: string | null;
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** Where a message comes from. */
interface Origin {
  readonly server: ServerProcess | undefined;
  /** When it came, if it waited since then. */
  readonly arrivedMs?: number;
  /** It came for a subscription that the server has made anew since. */
  readonly isForgotten?: boolean;
}

interface EarlyBody {
  readonly body: Body;
  readonly origin: Origin;
  /** It was taken, and its server does not know. */
  isAnswerLost?: boolean;
}

/** When it asks again for what was not answered. */
const AGAIN_MS = 60_000;

/**
 * Subscribes for a callback URL, refreshes in time (or not), and is the endpoint as well. Hands on events in the order
 * they tell, and waits for a missing one until a gap was told and it cannot come any more.
 */
export class WebhookSubscriber extends Subscriber {
  readonly mode = 'webhook';
  readonly behaviour: EndpointBehaviour = { latencyMs: 0, failure: 0, lostAnswer: 0, hang: 0 };
  readonly #ttlMs: number | null;
  readonly #rules: ServerRules;
  #order = new PlacedEvents((eventId) => this.#release(eventId));
  #gapTold = false;
  /** What came before the first answer, which tells of a gap before it (CLIENT-10). */
  #early: EarlyBody[] = [];
  #answered = false;
  /** The one that is in force, then the one before it. */
  #secrets: Secret[] = [];
  /** A refresh is under way, or was not answered: it may have made the subscription anew, which its answer tells (RECV-14). */
  #isRefreshing = false;
  /** The server answered that there is no subscription any more. */
  #isOver = false;
  /** Aborted with a restart: what an earlier process asked for is no matter of this one. */
  #life = new AbortController();
  #busy = false;
  /** An earlier process may have left a live subscription, which would not look at the cursor (SUB-11). */
  #mayBeLive = false;
  /** How often the server got an earlier storage. */
  #restorations = 0;
  #refreshBeforeMs: number | null | undefined;
  #settling = false;
  /** It had begun, and was to go on once what may exist is ended. */
  #beginsAnew = false;
  /** Events come one at a time, as the server granted: they are handed on as they come, which has to be in order. */
  #isOrdered = false;
  /** Posts that are neither answered nor given up, of the subscription as it stands. */
  readonly #open = new Map<RequestAnswer, { readonly isEnd: boolean }>();
  /** When its acknowledgements arrived, by event. */
  readonly #acknowledgedMs = new Map<string, number>();
  /** One event that it refuses so often, whatever becomes of others; without an id, the next that it has not seen. */
  #refusal: { eventId?: string; left: number } | undefined;
  readonly #end: AnsweredEnd;

  constructor(wish: Wish, context: SubscriberContext, ttlMs: number | null, rules: ServerRules) {
    super(wish, context);
    this.#rules = rules;
    this.#ttlMs = ttlMs;
    this.#end = new AnsweredEnd(() => context.time.nowMs);
    context.network.endpoints.set(wish.subscription, (request, answer) => this.#arrive(request, answer));
  }

  protected override get withinMs(): number {
    return WITHIN_MS;
  }

  protected override get againWithinMs(): number {
    return this.#rules.longestRetryMs;
  }

  protected override get waitsForRetries(): boolean {
    // In order, one that is tried again holds up those behind it.
    return this.wish.ordered?.granted === true || this.#rules.outstanding <= FEW_OUTSTANDING;
  }

  /** Whether nothing follows before what is missing was told. */
  get isOrdered(): boolean {
    return this.#isOrdered;
  }

  act(): void {
    if (this.#busy) return;
    this.#lapse();
    if (this.#mayBeLive) this.#unsubscribe();
    else this.#subscribe();
  }

  suffer(): void {
    const { random } = this.context;
    const fate = random.weighted({ endpoint: 5, restart: 1, leave: 1 });
    if (fate === 'endpoint') {
      Object.assign(this.behaviour, {
        latencyMs: random.pick([0, 100, 8_000]),
        failure: random.pick([0, 0, 0.3, 1]),
        lostAnswer: random.pick([0, 0.3]),
        hang: random.pick([0, 0, 0.3]),
      });
    } else if (fate === 'restart') {
      this.restart();
      this.#life.abort();
      this.#life = new AbortController();
      this.#busy = false;
      this.#mayBeLive = true;
      this.#secrets = [];
      this.#reset();
    } else if (this.begun && !this.#busy) {
      this.ended('asked');
      this.#mayBeLive = true;
      this.#reset();
    }
  }

  /** Of types whose events are kept in a log; those of an upstream may be asked for again. */
  acknowledgedBetween(fromMs: number, untilMs: number): string[] {
    if (!this.begun || this.#isRefreshing || this.wish.type === 'checked') return [];
    return [...this.#acknowledgedMs].flatMap(([eventId, atMs]) => (atMs >= fromMs && atMs <= untilMs ? [eventId] : []));
  }

  /** Refuses one of the events that are still to come, so often, and takes the others meanwhile. */
  refuseOne(times: number): void {
    this.#refusal = { left: times };
  }

  recover(): void {
    this.#settling = true;
    this.#refusal = undefined;
    Object.assign(this.behaviour, { latencyMs: 0, failure: 0, lostAnswer: 0, hang: 0 });
    this.act();
  }

  /**
   * The server has an earlier storage, and with it secrets that were replaced since, and what was ended since: that would
   * not look at the cursor of who begins anew (SUB-11).
   */
  restored(): void {
    this.#restorations++;
    this.ageIsUnknown();
    if (!this.begun) this.#mayBeLive = true;
    for (const secret of this.#secrets) secret.untilMs = Infinity;
    this.#end.forget();
  }

  /** Its operator was answered that the server has ended it, for what was asked at that time. */
  endAnswered(askedMs: number): void {
    if (this.#end.ended(askedMs)) this.context.count('terminated: for good');
  }

  #reset(): void {
    this.#beginsAnew = false;
    this.#refreshBeforeMs = undefined;
    this.#gapTold = false;
    this.#early = [];
    this.#answered = false;
    this.#isRefreshing = false;
    this.#open.clear();
    this.#acknowledgedMs.clear();
    this.#order = new PlacedEvents((eventId) => this.#release(eventId));
  }

  #release(eventId: string): void {
    if (!this.#isOrdered || !this.handedIds.has(eventId)) this.hand(eventId);
  }

  /** Whatever was under way has arrived, or been given up and told. */
  finish(): void {
    if (this.#gapTold) this.#order.goOn();
  }

  /** Its grant is over. */
  #lapse(): void {
    const before = this.#refreshBeforeMs;
    if (typeof before !== 'number' || before > this.context.serverTime.nowMs) return;
    this.ended('forgotten');
    // A refresh whose answer was lost may have prolonged it.
    this.#mayBeLive = true;
    this.#reset();
  }

  #subscribe(): void {
    const { random, time } = this.context;
    const isNew = !this.begun;
    if (isNew) {
      this.#reset();
      // What is still on its way for the one before is not taken for this one's.
      this.#secrets = [];
      this.#isOver = false;
      this.begin();
    }
    if (this.#secrets.length === 0 || random.chance(0.2)) {
      const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => random.int(0, 255));
      this.#secrets = [
        { text: createWebhookSecret(bytes), untilMs: Infinity, untilPassedMs: Infinity },
        ...this.#secrets,
      ].slice(0, 4);
    }
    const [secret] = this.#secrets;
    this.#isRefreshing = !isNew;
    const asked = { byServerMs: this.context.serverTime.nowMs, atMs: time.nowMs };
    const ttl = this.#ttlMs === null ? { ttlMs: null } : { ttlMs: this.#ttlMs };
    const { ordered } = this.wish;
    const restorations = this.#restorations;
    const params = {
      delivery: { mode: 'webhook', url: this.#url, secret: secret?.text },
      cursor: this.cursor,
      ...ttl,
      // Of one that lives already the age is no matter.
      ...(isNew || !this.#answered ? this.maxAge() : {}),
      ...(ordered?.asked === undefined ? {} : { _meta: { [ORDERED_META_KEY]: ordered.asked } }),
    };
    this.#call(Methods.subscribe, params, (result: SubscribeResult | undefined) => {
      if (result === undefined) {
        this.#unanswered(asked.byServerMs);
        return;
      }
      if (!this.#answered && params.cursor !== null && result.deliveryStatus !== undefined) {
        // It was there before, as in a restored copy, so that nobody looked at the cursor.
        this.#beginAnew();
        return;
      }
      const { rotationGraceMs } = this.#rules;
      const untilMs = this.context.serverTime.nowMs + rotationGraceMs;
      for (const old of this.#secrets) {
        // A storage that was restored since knows nothing of it.
        if (old === secret || restorations !== this.#restorations) continue;
        old.untilMs = Math.min(old.untilMs, untilMs);
        old.untilPassedMs = Math.min(old.untilPassedMs, time.nowMs + rotationGraceMs);
      }
      if (!isNew && this.#refreshBeforeMs !== undefined && result.deliveryStatus === undefined) {
        // The server made it anew: it did not know it any more. What came before this answer may be of the new one.
        this.ended('forgotten');
        this.begin(params.cursor);
        this.#open.clear();
        this.#acknowledgedMs.clear();
      }
      this.#granted(result._meta?.[ORDERED_META_KEY] === true);
      // A gap lies before what came early. The cursor may lie behind it, if an earlier answer was lost.
      if (result.truncated) this.received({ cursor: result.cursor, gap: true }, 'subscribe');
      this.#gapTold ||= result.truncated;
      this.#answered = true;
      this.#isRefreshing = false;
      const seen = new Set<string | undefined>();
      const early = this.#early.splice(0);
      const isGap = ({ body }: EarlyBody): boolean => body.type === 'gap';
      // What the answer to an earlier request would have told lies before all that came, too.
      for (const each of [...early.filter(isGap), ...early.filter((one) => !isGap(one))]) {
        const { body, origin, isAnswerLost } = each;
        if (body.eventId !== undefined && seen.has(body.eventId)) this.disturbed('came again while it waited');
        seen.add(body.eventId);
        const isForgotten = result.deliveryStatus === undefined && (origin.arrivedMs ?? Infinity) < asked.atMs;
        this.#take(body, { ...origin, isForgotten });
        if (isAnswerLost === true) this.disturbed('answer lost');
      }
      // One of them was its end: what is answered is no position of the next one.
      if (!this.begun) return;
      if (!result.truncated) this.received({ cursor: result.cursor }, 'subscribe');
      const { refreshBefore } = result;
      this.#refreshBeforeMs = refreshBefore === null ? null : Date.parse(refreshBefore);
      this.context.record({
        fact: 'granted',
        subscription: this.wish.subscription,
        refreshBeforeMs: this.#refreshBeforeMs,
        askedMs: asked.atMs,
        at: time.nowMs,
      });
    });
  }

  #granted(isOrdered: boolean): void {
    const { granted } = this.wish.ordered ?? {};
    if (granted !== undefined && granted !== isOrdered) {
      this.context.complain(`${this.wish.subscription} was ${isOrdered ? '' : 'not '}granted order on the wire`);
    }
    if (isOrdered) this.context.count('composition: order on the wire');
    this.#isOrdered = isOrdered;
  }

  /**
   * Nobody knows whether the subscription exists. What has come is taken for good only with an answer; either it ends what
   * may exist and begins anew, or it asks again. From now on, asked again, would be from later on. A refresh may have been
   * granted a time that ends earlier than the one before, by a clock that was set back.
   *
   * @param askedMs by the clock of the server
   */
  #unanswered(askedMs: number): void {
    if (this.#answered) this.#mayBeGranted(Math.min(askedMs, this.context.serverTime.nowMs));
    if (this.#answered || (this.cursor !== null && this.context.random.chance(0.5))) this.#askAgainLater();
    else this.#beginAnew();
  }

  /** Ends what may exist, and asks once more. */
  #beginAnew(): void {
    this.#mayBeLive = true;
    this.begun = false;
    this.#reset();
    this.#beginsAnew = true;
    this.#askAgainLater();
  }

  /** What comes meanwhile waits for an answer, and the next refresh may be far off. */
  #askAgainLater(): void {
    const life = this.#life;
    this.context.time.at(AGAIN_MS, () => {
      const waits = this.begun ? !this.#answered || this.#isRefreshing : this.#beginsAnew;
      if (life === this.#life && waits) this.act();
    });
  }

  #mayBeGranted(fromMs: number): void {
    if (this.#ttlMs === null) return;
    const untilMs = fromMs + this.#ttlMs;
    if (this.#refreshBeforeMs === undefined || untilMs >= (this.#refreshBeforeMs ?? Infinity)) return;
    this.#refreshBeforeMs = untilMs;
    const { subscription } = this.wish;
    const at = this.context.time.nowMs;
    this.context.record({ fact: 'granted', subscription, refreshBeforeMs: untilMs, perhaps: true, at });
  }

  #unsubscribe(): void {
    const restorations = this.#restorations;
    this.#call(Methods.unsubscribe, { delivery: { url: this.#url } }, (_result, error) => {
      // The server of now need not know what one answered that had a later storage.
      const isGone = (error === undefined || this.#isNotFound(error)) && restorations === this.#restorations;
      if (isGone) {
        this.#mayBeLive = false;
        if (!this.begun && !this.#isOver) this.ended('asked', true);
        this.#isOver = true;
      }
      if (isGone && (this.#settling || this.#beginsAnew)) this.act();
      else if (this.#beginsAnew) this.#askAgainLater();
    });
  }

  #call(
    method: typeof Methods.subscribe | typeof Methods.unsubscribe,
    params: Readonly<Record<string, unknown>>,
    done: (result: never, error?: Error) => void,
  ): void {
    const life = this.#life;
    this.#busy = true;
    const settled = method === Methods.subscribe ? this.#end.asked() : undefined;
    const answered = (result: never, error?: Error): void => {
      if (!(error instanceof NoAnswer)) settled?.();
      if (life !== this.#life) return;
      this.#busy = false;
      done(result, error);
    };
    this.request(method, params, answered, { signal: life.signal });
  }

  protected override expects(error: Error): boolean {
    return super.expects(error) || this.#isNotFound(error);
  }

  #isNotFound(error: Error): boolean {
    return (error as { code?: unknown }).code === -32_023;
  }

  get #url(): string {
    return `http://${this.wish.subscription}.test/${this.wish.subscription}`;
  }

  #arrive(request: ArrivedRequest, awaited: RequestAnswer): void {
    const { random, time, network } = this.context;
    const { latencyMs, failure, hang, lostAnswer } = this.behaviour;
    if (this.#end.isOver) this.#arrivedAfterEnd(request);
    const answer = this.#opened(request, awaited);
    const { server } = network;
    if (random.chance(hang)) {
      this.disturbed('no answer');
      return;
    }
    time.at(random.delayMs(latencyMs), () => {
      time.active();
      if (latencyMs > 0) this.disturbed('slow');
      if (random.chance(failure)) {
        this.disturbed('refused');
        const status = random.pick([400, 404, 429, 500, 503]);
        const retryAfter: Record<string, string> = random.chance(0.5)
          ? { 'retry-after': String(random.int(1, 30)) }
          : {};
        if (random.chance(0.2)) answer.reset();
        else answer.respond(status, retryAfter);
        return;
      }
      if (!this.#isGenuine(request)) {
        this.disturbed('signature');
        answer.respond(401);
        return;
      }
      const body = JSON.parse(request.body) as Body;
      if (this.#refuses(body)) {
        this.disturbed('refused');
        answer.respond(500);
        return;
      }
      this.#take(body, { server });
      if (random.chance(lostAnswer)) {
        this.disturbed('answer lost');
        // The history tells of what waits only once it is taken.
        for (const early of this.#early) if (early.body === body) early.isAnswerLost = true;
        answer.reset();
      } else {
        network.later(() => {
          if (body.eventId !== undefined && answer.isAwaited()) this.#acknowledgedMs.set(body.eventId, time.nowMs);
          answer.respond(204);
        });
      }
    });
  }

  /** It may be told once more that it has ended. */
  #arrivedAfterEnd({ body }: ArrivedRequest): void {
    const { eventId } = JSON.parse(body) as Body;
    if (eventId === undefined) return;
    this.context.complain(
      `${this.wish.subscription} was sent ${eventId} after the server had answered that it has ended`,
    );
  }

  /** Looks whether another one is open, which order on the wire forbids, and returns the answer that closes it. */
  #opened({ headers, body }: ArrivedRequest, answer: RequestAnswer): RequestAnswer {
    const open = this.#open;
    for (const other of open.keys()) if (!other.isAwaited()) open.delete(other);
    if (!this.begun || !this.#answered || !this.#isSignedWith(this.#secrets, headers, body)) return answer;
    const isEnd = (JSON.parse(body) as Body).type === 'terminated';
    // The end of one that was followed by another is told as long as nobody took it, whatever the other one sends.
    const isForbidden = isEnd ? [...open.values()].some((other) => !other.isEnd) : open.size > 0;
    if (this.#isOrdered && !this.#isRefreshing && isForbidden) {
      this.context.complain(`${this.wish.subscription} got a post while another one was open`);
    }
    open.set(answer, { isEnd });
    return {
      respond: (...what) => {
        open.delete(answer);
        answer.respond(...what);
      },
      reset: () => {
        open.delete(answer);
        answer.reset();
      },
      isAwaited: () => answer.isAwaited(),
    };
  }

  #refuses({ eventId }: Body): boolean {
    const refusal = this.#refusal;
    if (refusal === undefined || eventId === undefined || refusal.left === 0) return false;
    if (refusal.eventId === undefined && !this.handedIds.has(eventId)) refusal.eventId = eventId;
    if (refusal.eventId !== eventId) return false;
    refusal.left--;
    this.context.count('composition: one event refused');
    return true;
  }

  #isGenuine({ headers, body }: ArrivedRequest): boolean {
    const { serverTime, time } = this.context;
    const verify = (secrets: readonly Secret[]): boolean => this.#isSignedWith(secrets, headers, body);
    if (!verify(this.#secrets)) return false;
    // A clock that was set ends nothing that is under way, and one that was set back prolongs what the server may do.
    const current = this.#secrets.filter(
      ({ untilMs, untilPassedMs }) =>
        serverTime.nowMs <= untilMs + UNDER_WAY_MS || time.nowMs <= untilPassedMs + UNDER_WAY_MS,
    );
    if (!verify(current)) this.context.complain(`${this.wish.subscription} got a post signed with an old secret`);
    return true;
  }

  #isSignedWith(secrets: readonly Secret[], headers: ArrivedRequest['headers'], body: string): boolean {
    return verifyWebhook({
      keys: secrets.map(({ text }) => decodeWebhookSecret(text)),
      id: headers[WEBHOOK_ID_HEADER] ?? '',
      timestamp: headers[WEBHOOK_TIMESTAMP_HEADER] ?? '',
      body,
      signatureHeader: headers[WEBHOOK_SIGNATURE_HEADER] ?? '',
      nowMs: this.context.time.nowMs,
      toleranceMs: 300_000,
    }).ok;
  }

  #take(body: Body, { server, arrivedMs, isForgotten = false }: Origin): void {
    if (this.#isOver && body.eventId !== undefined) {
      this.received({ events: [{ eventId: body.eventId, data: body.data }] }, 'webhook');
    }
    if (!this.begun) return;
    const { type, eventId, data, cursor, timestamp, _meta } = body;
    const order = orderOf(_meta);
    const goesOn = order !== undefined && this.#order.continues(order);
    const isRepeated = eventId !== undefined && this.handedIds.has(eventId);
    const mayBeAnew = this.#isRefreshing && (!goesOn || isRepeated);
    if (!this.#answered || mayBeAnew) {
      const isKnown = this.#early.some(
        ({ body: early }) => early.eventId === eventId && orderOf(early._meta)?.position === order?.position,
      );
      if (eventId === undefined || !isKnown) {
        this.#early.push({ body, origin: { server, arrivedMs: this.context.time.nowMs } });
      }
      return;
    }
    const ofEarlier = isForgotten || server !== this.context.network.server;
    if (type === 'gap') {
      this.received({ cursor: cursor ?? null, gap: true, arrivedMs, ofEarlier }, 'gap');
      this.#gapTold = true;
      for (const place of missingOf(_meta)) this.#order.missing(place);
      return;
    }
    if (type === 'terminated') {
      this.ended('told');
      // It may be told late, of one that was followed by another.
      this.#mayBeLive = true;
      // A refresh that is under way is answered for the one that has ended: its cursor is no position of the next one.
      this.#life.abort();
      this.#life = new AbortController();
      this.#busy = false;
      this.#reset();
      return;
    }
    if (eventId === undefined) {
      this.context.complain(`${this.wish.subscription} got a message of type ${type}`);
      return;
    }
    this.received({ events: [{ eventId, data, timestamp }], cursor: cursor ?? null, ofEarlier }, 'webhook');
    if (this.#isOrdered && !this.handedIds.has(eventId)) this.hand(eventId);
    if (order === undefined) this.context.complain(`${eventId} tells no order`);
    else if (this.handedIds.has(eventId)) this.#order.passed(order.position);
    else {
      this.#order.take(eventId, order);
      // The answer to a refresh tells a gap without its place: the cursor then says that nobody has to wait for it.
      if (this.#gapTold && cursor === order.position) this.#order.confirmed(order.position);
    }
  }
}

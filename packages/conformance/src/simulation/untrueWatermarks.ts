import { decodeWebhookSecret, ORDER_META_KEY, orderOf, signWebhook, verifyWebhook } from '@mcp-events/protocol';
import type { EventOrder } from '@mcp-events/protocol';
import type { FaultCounts } from './faultCounts.ts';
import type { Random } from './random.ts';
import type { ArrivedRequest, RequestAnswer } from './virtualSocket.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface UntrueWatermarksOptions {
  /** Decides on these alone, so that the rest of a schedule is the same with and without. */
  readonly random: Random;
  readonly time: VirtualTime;
  readonly faults: FaultCounts;
  /** Secrets that the application made, the latest one last. */
  readonly secrets: readonly string[];
  /** Gives a post to the application. */
  readonly pass: (request: ArrivedRequest, answer: RequestAnswer) => void;
  /** The life that takes posts now; `undefined` if none does, or if it answers late, so that nobody sees what it took. */
  readonly taker: () => object | undefined;
  /** Posts are refused, so they come again later. */
  readonly onHeld: () => void;
  /** A gap is told that nothing else explains. */
  readonly onGap: () => void;
  /** The application is given an event of those behind the gap, and has the one before it: its end may come now. */
  readonly kill: () => void;
}

interface Post {
  readonly request: ArrivedRequest;
  readonly answer: RequestAnswer;
  readonly order: EventOrder | undefined;
}

/** Of posts that come by themselves. */
const BEGINS = 0.15;

/** Longer than posts that are sent at the same time overtake each other, and shorter than any attempt. */
const COLLECTED_MS = 60;

/** All of it takes no time but turns of the event loop. */
const TOLD_MS = 20;

/** One is said to be missing, two have positions for watermarks, one is on its way, and one waits for that. */
const LEAST_POSTS = 5;

/**
 * A server of another make between an application and its own: it sends a gap that names one event as missing, and with two
 * events behind that a watermark that has passed the gap before it was told, against DELIV-11. What the client can know is
 * that it has accepted another one, which waits for an earlier one that has not come: so that watermark says nothing, and
 * no position may be gone on from that lies behind a gap which the application has not been told of. The application dies just
 * before it would be.
 */
export class UntrueWatermarks {
  readonly #options: UntrueWatermarksOptions;
  /** By path: what was kept back until it is decided on. */
  readonly #collected = new Map<string, Post[]>();
  /** Paths where nothing else comes in between. */
  readonly #busy = new Set<string>();
  /** Ids of the events at whose hand-out the application dies, with that of the one before. */
  readonly #deadly = new Map<string, string>();
  /** By subscription: what it was given last. */
  readonly #given = new Map<string, string>();
  /** Whether it may begin again. */
  isActive = true;

  constructor(options: UntrueWatermarksOptions) {
    this.#options = options;
  }

  arrive(request: ArrivedRequest, answer: RequestAnswer): void {
    const { random, time, pass } = this.#options;
    const { path } = request;
    if (this.#busy.has(path)) {
      answer.reset();
      return;
    }
    const post = { request, answer, order: orderIn(request) };
    const collected = this.#collected.get(path);
    if (collected !== undefined) collected.push(post);
    else if (this.isActive && typeof post.order?.previous === 'string' && random.chance(BEGINS)) {
      this.#collected.set(path, [post]);
      time.at(COLLECTED_MS, () => this.#decide(path));
    } else pass(request, answer);
  }

  /** The application is given an event. */
  handed(subscription: string, eventId: string): void {
    const before = this.#given.get(subscription);
    this.#given.set(subscription, eventId);
    if (before === undefined || this.#deadly.get(eventId) !== before) return;
    this.#deadly.delete(eventId);
    this.#options.faults.add('webhooks: killed before a gap is told');
    this.#options.kill();
  }

  #decide(path: string): void {
    const { pass, taker } = this.#options;
    const posts = this.#collected.get(path) ?? [];
    this.#collected.delete(path);
    const run = runOf(posts);
    const taking = taker();
    if (run.length < LEAST_POSTS || taking === undefined || !this.isActive) {
      for (const { request, answer } of posts) pass(request, answer);
      return;
    }
    this.#busy.add(path);
    this.#options.onHeld();
    for (const { answer } of posts.filter((post) => !run.includes(post))) answer.reset();
    this.#tell(run, taking);
  }

  /** One after the other, so that each is taken before the next: what waits for another one comes first. */
  #tell(run: readonly Post[], taking: object): void {
    const { time, taker, pass } = this.#options;
    const [missing, first, second, onItsWay, ...waiting] = run as [Post, Post, Post, Post, ...Post[]];
    let isOver = false;
    let isUntold = true;
    const whenAccepted = (posts: readonly Pick<Post, 'request' | 'answer'>[], then: () => void): void => {
      let left = posts.length;
      const accepted = (): void => {
        left--;
        if (left === 0 && !isOver && taker() === taking) then();
      };
      for (const { request, answer } of posts) pass(request, listening(answer, accepted));
    };
    whenAccepted(waiting, () => {
      isUntold = false;
      const untrue = [first, second].map((post) => ({ ...post, request: this.#withOwnPosition(post) }));
      whenAccepted(untrue, () => this.#tellGap(missing, first, second));
    });
    time.at(TOLD_MS, () => {
      isOver = true;
      this.#busy.delete(missing.request.path);
      for (const { answer } of isUntold ? [missing, first, second, onItsWay] : [missing, onItsWay]) answer.reset();
    });
  }

  #tellGap({ request, order }: Post, first: Post, second: Post): void {
    const { faults, pass, onGap } = this.#options;
    const [before, deadly] = [first, second].map(
      (post) => (JSON.parse(post.request.body) as { eventId: string }).eventId,
    );
    if (before !== undefined && deadly !== undefined) this.#deadly.set(deadly, before);
    faults.add('webhooks: untrue watermark');
    onGap();
    const body = JSON.stringify({
      type: 'gap',
      cursor: order?.position,
      _meta: { [ORDER_META_KEY]: { missing: [order] } },
    });
    pass(this.#signed(request, body, `gap_${request.headers['webhook-id']}`), {
      respond: () => {},
      reset: () => {},
      isAwaited: () => true,
    });
  }

  #withOwnPosition({ request, order }: Post): ArrivedRequest {
    return this.#signed(request, JSON.stringify({ ...JSON.parse(request.body), cursor: order?.position }));
  }

  /** As the server would have signed it. */
  #signed(request: ArrivedRequest, body: string, id: string = request.headers['webhook-id'] ?? ''): ArrivedRequest {
    const { headers } = request;
    const {
      'webhook-id': ofServer = '',
      'webhook-timestamp': timestamp = '',
      'webhook-signature': signatureHeader = '',
    } = headers;
    const timestampSeconds = Number(timestamp);
    const signed = {
      id: ofServer,
      timestamp,
      signatureHeader,
      body: request.body,
      nowMs: timestampSeconds * 1_000,
      toleranceMs: 1,
    };
    const keys = this.#options.secrets.map(decodeWebhookSecret);
    const key = keys.findLast((one) => verifyWebhook({ ...signed, keys: [one] }).ok);
    if (key === undefined) return request;
    const signature = signWebhook(key, { id, timestampSeconds, body });
    return {
      ...request,
      headers: {
        ...headers,
        'webhook-id': id,
        'webhook-signature': signature,
        'content-length': String(Buffer.byteLength(body)),
      },
      body,
    };
  }
}

function orderIn({ body }: ArrivedRequest): EventOrder | undefined {
  const content = JSON.parse(body) as { cursor?: unknown; eventId?: unknown; _meta?: Record<string, unknown> };
  return typeof content.eventId === 'string' && typeof content.cursor === 'string' ? orderOf(content._meta) : undefined;
}

/** The longest run of posts that follow each other directly. */
function runOf(posts: readonly Post[]): readonly Post[] {
  const behind = new Map(posts.map((post) => [post.order?.previous, post]));
  const positions = new Set(posts.map(({ order }) => order?.position));
  const runs = posts
    .filter(({ order }) => typeof order?.previous === 'string' && !positions.has(order.previous))
    .map((head) => {
      const run = [head];
      for (let next = behind.get(head.order?.position); next !== undefined && !run.includes(next);) {
        run.push(next);
        next = behind.get(next.order?.position);
      }
      return run;
    });
  return runs.toSorted((a, b) => b.length - a.length)[0] ?? [];
}

function listening(answer: RequestAnswer, onAccepted: () => void): RequestAnswer {
  return {
    respond: (status, headers, body) => {
      if (status < 300) onAccepted();
      answer.respond(status, headers, body);
    },
    reset: () => answer.reset(),
    isAwaited: () => answer.isAwaited(),
  };
}

import { forbidden } from '@mcp-events/server';
import type { EventHandle } from '@mcp-events/server';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FakeClock, settle } from './kit/fakeClock.ts';
import type { RecordedRequest } from './kit/recorder.ts';
import { echo, SecureRecorder, secureServer } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { keptStorage, TestSubscriptionStore } from './kit/storage.ts';
import type { WebhookTestServer } from './kit/webhookServer.ts';

const ORIGIN = 'https://hooks.example';
const URLS = ['a', 'b'].map((path) => `${ORIGIN}/${path}`);
const HOUR_MS = 3_600_000;

/** What the model knows of one subscription. */
interface Known {
  /** An answer says that it is there, and no other that it is not. */
  granted: boolean;
  /** Its end was answered. Nothing but the word of that may be posted until it is granted anew. */
  ended: boolean;
  /** `terminated` was posted since it was granted last. */
  told: boolean;
}

type Step =
  | { readonly what: 'subscribe' | 'unsubscribe'; readonly url: number; readonly wait: boolean }
  | { readonly what: 'terminate'; readonly url: number | undefined; readonly wait: boolean }
  | { readonly what: 'emit' | 'lose' | 'release' | 'offer' | 'withdraw' }
  | { readonly what: 'advance'; readonly ms: number }
  | { readonly what: 'restart'; readonly kill: boolean; readonly offer: boolean }
  | { readonly what: 'origin'; readonly allowed: boolean }
  | { readonly what: 'endpoint'; readonly consents: boolean; readonly answers: boolean }
  | { readonly what: 'hooks'; readonly held: boolean };

const url = fc.nat({ max: URLS.length - 1 });
const wait = fc.boolean();
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('subscribe' as const), url, wait }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('unsubscribe' as const), url, wait }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('terminate' as const), url: fc.option(url, { nil: undefined }), wait }),
  },
  { weight: 5, arbitrary: fc.record({ what: fc.constantFrom('emit', 'lose', 'release', 'offer', 'withdraw') }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('advance' as const), ms: fc.constantFrom(1_000, 30_000, HOUR_MS) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ what: fc.constant('restart' as const), kill: fc.boolean(), offer: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('origin' as const), allowed: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('endpoint' as const), consents: fc.boolean(), answers: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('hooks' as const), held: fc.boolean() }) },
);

/** Runs of one server over one store, with one endpoint for each URL, and the model beside them. */
class World {
  readonly #store = new TestSubscriptionStore();
  readonly #recorder = new SecureRecorder();
  readonly #known = new Map(
    URLS.map((text) => [text, { granted: false, ended: false, told: false } satisfies Known as Known]),
  );
  /** By subscription id and run: `onSubscribe` that ran, without those that were followed by `onUnsubscribe`. */
  readonly #hooks = new Map<string, number>();
  readonly #urlById = new Map<string, string>();
  readonly #consented = new Set<string>();
  #clock = new FakeClock();
  #storage = keptStorage(this.#clock);
  #server: WebhookTestServer;
  #handle: EventHandle | undefined;
  #allowed = true;
  /** Whether the origin was allowed at any time of this run. */
  #vouched = true;
  #consents = true;
  #answers = true;
  #held = false;
  #release: (() => void)[] = [];
  #judged = 0;
  #n = 0;

  constructor() {
    this.#recorder.answer = (request) => this.#answer(request);
    this.#server = this.#start();
    this.#offer();
  }

  #answer(request: RecordedRequest): ReturnType<SecureRecorder['answer']> {
    if (request.method === 'GET') return 404;
    if (request.body.type !== 'verification') return this.#answers ? 204 : 500;
    if (!this.#consents) return 403;
    this.#consented.add(`${ORIGIN}${request.path}`);
    return echo(request);
  }

  #start(): WebhookTestServer {
    const webhooks = { store: this.#store, ttl: { noExpiry: true }, allowedOrigins: (): boolean => this.#allowed };
    // Challenges are not what is looked at here.
    const limits = { challengesPerHostPerMinute: 1_000_000, challengesPerAddressPerMinute: 1_000_000 };
    const options = { clock: this.#clock, storage: this.#storage };
    return secureServer({ ...webhooks, limits }, options, this.#recorder);
  }

  #offer(): void {
    if (this.#handle !== undefined) return;
    const count = (id: string, change: number): void => {
      const open = (this.#hooks.get(id) ?? 0) + change;
      // HOOK-03: never more counterparts than there were beginnings.
      expect(open, `onUnsubscribe of ${id} without onSubscribe`).toBeGreaterThanOrEqual(0);
      this.#hooks.set(id, open);
    };
    this.#handle = this.#server.events.define('counted', {
      ...counted,
      onSubscribe: async ({ subscriptionId }) => {
        if (this.#held) await new Promise<void>((resolve) => this.#release.push(resolve));
        count(subscriptionId, 1);
      },
      onUnsubscribe: ({ subscriptionId }) => count(subscriptionId, -1),
    });
  }

  async run(action: Step): Promise<void> {
    switch (action.what) {
      case 'subscribe':
        return this.#subscribe(action);
      case 'unsubscribe':
        return this.#unsubscribe(action);
      case 'terminate':
        return this.#terminate(action);
      case 'emit':
        await this.#handle?.emit({ n: ++this.#n });
        return undefined;
      case 'lose':
        await this.#handle?.reportLoss();
        return undefined;
      case 'release':
        for (const resolve of this.#release.splice(0)) resolve();
        return undefined;
      case 'offer':
        return this.#offer();
      case 'withdraw':
        this.#handle?.remove();
        this.#handle = undefined;
        // It ends those that live: which these are is for the server to know.
        for (const known of this.#known.values()) known.granted = false;
        return undefined;
      case 'advance':
        return this.#clock.advance(action.ms);
      case 'restart':
        return this.#restart(action);
      case 'origin':
        this.#allowed = action.allowed;
        this.#vouched ||= action.allowed;
        return undefined;
      case 'endpoint':
        this.#consents = action.consents;
        this.#answers = action.answers;
        return undefined;
      case 'hooks':
        this.#held = action.held;
        return undefined;
    }
  }

  async #settled<T>(answer: Promise<T>, waits: boolean, take: (value: T) => void): Promise<void> {
    const taken = answer.then(take, () => {});
    if (!waits) return;
    // A hook that is held would keep it: its limit is ten seconds, twice where another is late.
    let done = false;
    void taken.then(() => (done = true));
    for (let n = 0; n < 5 && !done; n++) {
      await settle(20);
      if (!done) await this.#clock.advance(10_000);
    }
    await settle();
  }

  async #subscribe({ url: index, wait: waits }: { readonly url: number; readonly wait: boolean }): Promise<void> {
    const text = URLS[index]!;
    const known = this.#known.get(text)!;
    const before = { ...known };
    // From now on it may be there.
    known.ended = false;
    known.told = false;
    const run = this.#server;
    await this.#settled(run.trySubscribe('counted', { url: text, ttlMs: null }), waits, ({ result, error }) => {
      if (result !== undefined) {
        this.#urlById.set(result.id as string, text);
        if (waits && run === this.#server) known.granted = true;
      } else if (error !== undefined && waits) Object.assign(known, { ...before, granted: false, ended: false });
    });
    if (!waits) known.granted = false;
  }

  async #unsubscribe({ url: index, wait: waits }: { readonly url: number; readonly wait: boolean }): Promise<void> {
    const text = URLS[index]!;
    const known = this.#known.get(text)!;
    known.granted = false;
    await this.#settled(this.#server.unsubscribe('counted', { url: text }), waits, ({ error }) => {
      if (waits && (error === undefined || error.code === -32023)) known.ended = true;
    });
  }

  async #terminate({
    url: index,
    wait: waits,
  }: {
    readonly url: number | undefined;
    readonly wait: boolean;
  }): Promise<void> {
    const texts = index === undefined ? URLS : [URLS[index]!];
    const id = [...this.#urlById].find(([, text]) => text === texts[0])?.[0];
    if (index !== undefined && id === undefined) return;
    for (const text of texts) this.#known.get(text)!.granted = false;
    const ending = this.#server.events.terminate(index === undefined ? {} : { id: id! }, forbidden('revoked'));
    await this.#settled(ending, waits, () => {
      for (const text of texts) if (waits) this.#known.get(text)!.ended = true;
    });
  }

  async #restart({ kill, offer }: { readonly kill: boolean; readonly offer: boolean }): Promise<void> {
    const old = this.#server;
    const { records } = this.#store;
    const present = [...this.#hooks];
    this.#handle = undefined;
    await old.events.close();
    for (const resolve of this.#release.splice(0)) resolve();
    await settle();
    if (kill) {
      // As if it had not been closed: what was stored by then is there, and its hooks were not called.
      for (const { id } of this.#store.records) await this.#store.delete(id);
      for (const record of records) this.#store.put(record.id, record);
      this.#hooks.clear();
      for (const [id, open] of present) this.#hooks.set(id, open);
    }
    this.#judge();
    this.#vouched = this.#allowed;
    this.#server = this.#start();
    if (offer) this.#offer();
    await settle();
  }

  /** Looks at what was posted since. */
  #judge(): void {
    for (const { path, body, method } of this.#recorder.requests.slice(this.#judged)) {
      if (method === 'GET' || body.type === 'verification') continue;
      const text = `${ORIGIN}${path}`;
      const known = this.#known.get(text)!;
      // VERIFY-01: its endpoint consented at some time, or this run vouched for it.
      expect(this.#consented.has(text) || this.#vouched, `posted to ${text}, which never consented`).toBe(true);
      if (body.type === 'terminated') {
        known.told = true;
        continue;
      }
      // DELIV-16: nothing after the word of its end, nor after an end that was answered.
      expect(known.told, `posted to ${text} after terminated`).toBe(false);
      expect(known.ended, `posted to ${text} after its end was answered`).toBe(false);
    }
    this.#judged = this.#recorder.requests.length;
  }

  async check(): Promise<void> {
    await settle(20);
    this.#judge();
  }

  /** What was granted is there, or comes back, once everything is well again. */
  async finish(): Promise<void> {
    this.#allowed = true;
    this.#consents = true;
    this.#answers = true;
    this.#held = false;
    await this.#restart({ kill: true, offer: true });
    await this.#clock.advance(10_000);
    await this.check();
    const live = new Set(this.#server.events.subscriptions().map((found) => found.url));
    for (const [text, { granted, ended }] of this.#known) {
      if (granted) expect(live.has(text), `${text} was granted`).toBe(true);
      if (ended) expect(live.has(text), `${text} has ended`).toBe(false);
    }
    await this.#server.events.close();
  }
}

it('TERM-11 VERIFY-15 DELIV-16 HOOK-03 TTL-10 whatever happens in whatever order, over any number of restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), async (steps) => {
      const world = new World();
      for (const action of steps) {
        await world.run(action);
        await world.check();
      }
      await world.finish();
    }),
    { numRuns: 40, seed: 20_261_130 },
  );
}, 120_000);

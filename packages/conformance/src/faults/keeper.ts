import { Methods, isEventsError, subscribeResultSchema } from '@mcp-events/protocol';
import type { SubscribeResult } from '@mcp-events/protocol';
import { eventsClientCapabilities } from '@mcp-events/client';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { readOwnFacts } from './factReader.ts';
import { pause } from './processShell.ts';
import type { ProcessShell } from './processShell.ts';
import type { Kept, ReceiverConfig } from './receiverConfig.ts';

/** Far within the shortest grant, so that only faults make one lapse. */
const REFRESH_MS = 3_000;

/** Long enough for a server that lives. */
const ANSWER_MS = 5_000;

/** Keeps a subscription alive for a receiver that has no events client, by plain requests. */
export class Keeper {
  readonly #shell: ProcessShell<ReceiverConfig>;
  readonly #kept: Kept;
  readonly #pending: () => string[];
  /** The last one received, in whatever life. */
  #cursor: string | null = null;
  #granted = false;
  #begun = false;
  #client: Client | undefined;
  onSubscribed: (id: string) => void = () => {};

  /** @param pending ids of events that arrived and are not with the application yet */
  constructor(shell: ProcessShell<ReceiverConfig>, kept: Kept, pending: () => string[]) {
    this.#shell = shell;
    this.#kept = kept;
    this.#pending = pending;
    for (const fact of readOwnFacts(shell.config.folder, shell.config.name)) {
      if (!('subscription' in fact) || fact.subscription !== kept.subscription) continue;
      if (fact.fact === 'begun') this.#begun = true;
      else if (fact.fact === 'granted') this.#granted = true;
      else if (fact.fact === 'received') this.#cursor = fact.cursor ?? this.#cursor;
    }
  }

  get path(): string {
    return this.#kept.subscription;
  }

  received(cursor: string | null): void {
    this.#cursor = cursor ?? this.#cursor;
  }

  async run(): Promise<void> {
    const { signal } = this.#shell.stopping;
    if (!this.#begun) this.#begin(null);
    while (!signal.aborted) {
      const isRefreshed = await this.#refresh().then(
        () => true,
        (error: unknown) => this.#failed(error),
      );
      await pause(isRefreshed ? REFRESH_MS : ANSWER_MS / 20);
    }
  }

  async #refresh(): Promise<void> {
    const { facts, config } = this.#shell;
    const { subscription, type, arguments: args, secret, ttlMs } = this.#kept;
    const cursor = this.#cursor;
    const params = {
      name: type,
      arguments: args,
      delivery: { mode: 'webhook', url: `${config.callback}/${this.path}`, secret },
      cursor,
      ttlMs,
    };
    this.#client ??= await this.#connect();
    const result: SubscribeResult = await this.#client.request(
      { method: Methods.subscribe, params },
      subscribeResultSchema,
      { timeout: ANSWER_MS },
    );
    if (this.#granted && result.deliveryStatus === undefined) {
      // Made anew: the server did not know it any more.
      facts.record({ fact: 'ended', subscription, how: 'forgotten', atMs: Date.now() + config.maxOffsetMs });
      this.#begin(cursor);
      facts.record({ fact: 'received', subscription, events: this.#pending() });
    }
    facts.record({ fact: 'received', subscription, cursor: result.cursor, gap: result.truncated });
    this.received(result.cursor);
    const { refreshBefore } = result;
    facts.record({
      fact: 'granted',
      subscription,
      refreshBeforeMs: refreshBefore === null ? null : Date.parse(refreshBefore),
    });
    this.#granted = true;
    this.onSubscribed(result.id);
  }

  /** A refusal of the server is no fault of the wire. */
  async #failed(error: unknown): Promise<boolean> {
    const { code } = error as { code?: unknown };
    // Its storage may be full.
    if (typeof code === 'number' && code !== INTERNAL_ERROR) {
      this.#shell.facts.complain(`${this.#kept.subscription} was refused: ${(error as Error).message}`);
    }
    if (!isEventsError(error)) {
      const client = this.#client;
      this.#client = undefined;
      try {
        await client?.close();
      } catch {
        // It was of no use any more.
      }
    }
    return false;
  }

  async #connect(): Promise<Client> {
    const client = new Client(
      { name: this.#shell.config.name, version: '0.1.0' },
      { versionNegotiation: { mode: 'auto' }, capabilities: eventsClientCapabilities },
    );
    await client.connect(new StreamableHTTPClientTransport(new URL(this.#shell.config.server)));
    return client;
  }

  #begin(cursor: string | null): void {
    const { subscription, type, arguments: args } = this.#kept;
    const process = this.#shell.config.name;
    this.#shell.facts.record({ fact: 'begun', subscription, process, type, arguments: args, mode: 'webhook', cursor });
  }
}

const INTERNAL_ERROR = -32_603;

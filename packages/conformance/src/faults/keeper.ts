import { Methods, emptyResultSchema, isEventsError, subscribeResultSchema } from '@mcp-events/protocol';
import type { SubscribeResult } from '@mcp-events/protocol';
import type { EndedFact } from '../history/facts.ts';
import { eventsClientCapabilities } from '@mcp-events/client';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { credentialsOf } from './credentials.ts';
import { readOwnFacts } from './factReader.ts';
import { monotonicMs } from './factWriter.ts';
import { GRACE_MS, WITHIN_MS } from './follow.ts';
import { pause } from './processShell.ts';
import type { ProcessShell } from './processShell.ts';
import type { Kept, ReceiverConfig } from './receiverConfig.ts';
import { saysRevoked } from './revocation.ts';

/** Far within the shortest grant, so that only faults make one lapse. */
const REFRESH_MS = 3_000;

/** Long enough for a server that lives. */
const ANSWER_MS = 5_000;

const AGAIN_MS = 250;

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
  #isOver = false;
  #isRefused = false;
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

  /** It is given up, or the server ended it: the application takes nothing of it any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  received(cursor: string | null): void {
    this.#cursor = cursor ?? this.#cursor;
  }

  async run(): Promise<void> {
    const { signal } = this.#shell.stopping;
    if (!this.#begun) this.#begin(null, false);
    while (!signal.aborted && !this.#isOver && !this.#isRefused && !this.#isToLeave) {
      const isRefreshed = await this.#refresh().then(
        () => true,
        (error: unknown) => this.#failed(error),
      );
      const untilMs = monotonicMs() + (isRefreshed ? REFRESH_MS : AGAIN_MS);
      while (!signal.aborted && !this.#isToLeave && monotonicMs() < untilMs) await pause(AGAIN_MS);
    }
    if (signal.aborted || !this.#isToLeave) return;
    this.#isOver = true;
    this.#ended({ how: 'asked' });
    while (!(await this.#unsubscribed())) {
      if (signal.aborted) return;
      await pause(AGAIN_MS);
    }
    this.#ended({ how: 'asked', final: true, graceMs: GRACE_MS });
  }

  /** The server's word, as the application reads it. */
  terminated(error: { readonly code: number; readonly message: string }): void {
    this.#isOver = true;
    this.#ended({ how: 'told', graceMs: GRACE_MS, note: error.message });
    if (!saysRevoked(error)) this.#shell.facts.complain(`${this.path} was terminated: ${error.message}`);
  }

  get #isToLeave(): boolean {
    return this.#kept.leaves && this.#shell.circumstances.ending;
  }

  get #params(): { readonly name: string; readonly arguments: Kept['arguments']; readonly url: string } {
    const { type, arguments: args } = this.#kept;
    return { name: type, arguments: args, url: `${this.#shell.config.callback}/${this.path}` };
  }

  /** Whether the server answered that nothing more will come. */
  async #unsubscribed(): Promise<boolean> {
    const { url, ...params } = this.#params;
    const request = { method: Methods.unsubscribe, params: { ...params, delivery: { url } } };
    try {
      this.#client ??= await this.#connect();
      await this.#client.request(request, emptyResultSchema, { timeout: ANSWER_MS });
      return true;
    } catch (error) {
      return this.#failed(error);
    }
  }

  async #refresh(): Promise<void> {
    const { facts } = this.#shell;
    const { subscription, secret, ttlMs } = this.#kept;
    const cursor = this.#cursor;
    const { url, ...target } = this.#params;
    const params = { ...target, delivery: { mode: 'webhook', url, secret }, cursor, ttlMs };
    this.#client ??= await this.#connect();
    const askedMs = monotonicMs();
    const result: SubscribeResult = await this.#client.request(
      { method: Methods.subscribe, params },
      subscribeResultSchema,
      { timeout: ANSWER_MS },
    );
    if (this.#granted && result.deliveryStatus === undefined) {
      // Made anew: the server did not know it any more.
      this.#ended({ how: 'forgotten', atMs: monotonicMs() });
      this.#begin(cursor, true);
      facts.record({ fact: 'received', subscription, events: this.#pending() });
    }
    facts.record({ fact: 'received', subscription, cursor: result.cursor, gap: result.truncated });
    this.received(result.cursor);
    const { refreshBefore } = result;
    facts.record({
      fact: 'granted',
      subscription,
      // By the clock of the history: the server's is only known to differ from it by what was set.
      refreshBeforeMs: refreshBefore === null ? null : Date.parse(refreshBefore) - Date.now() + monotonicMs(),
      askedMs,
    });
    this.#granted = true;
    this.onSubscribed(result.id);
  }

  /** A refusal of the server is no fault of the wire. */
  async #failed(error: unknown): Promise<boolean> {
    const { code } = error as { code?: unknown };
    // What was revoked is told to the application by a message as well. A storage may be full.
    if (saysRevoked(error) && this.#shell.circumstances.ending) this.#isRefused = true;
    else if (typeof code === 'number' && code !== INTERNAL_ERROR) {
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
      // A server that is slow to answer is not to be taken for one of an older revision.
      { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: eventsClientCapabilities },
    );
    const { server, principal } = this.#shell.config;
    const requestInit = { headers: credentialsOf(principal) };
    await client.connect(new StreamableHTTPClientTransport(new URL(server), { requestInit }));
    return client;
  }

  #begin(cursor: string | null, resumes: boolean): void {
    const { subscription, type, arguments: args } = this.#kept;
    const { name: process, principal } = this.#shell.config;
    const who = { subscription, process, principal };
    const what = { type, arguments: args, mode: 'webhook', cursor, resumes, withinMs: WITHIN_MS } as const;
    this.#shell.facts.record({ fact: 'begun', ...who, ...what });
  }

  #ended(how: Omit<EndedFact, 'fact' | 'subscription'>): void {
    this.#shell.facts.record({ fact: 'ended', subscription: this.#kept.subscription, ...how });
  }
}

const INTERNAL_ERROR = -32_603;

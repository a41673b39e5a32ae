import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@mcp-events/server';
import type { Clock } from '@mcp-events/server';
import type { Transport } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { Access } from './access.ts';
import { Authentication } from './authentication.ts';
import { CallbackOrigins } from './callbackOrigins.ts';
import { CounterFile } from './counterFile.ts';
import { createGeneration } from './generation.ts';
import type { Generation } from './generation.ts';
import type { OpenedStorage } from './openStorage.ts';
import { processStorage } from './processStorage.ts';
import { sqliteStorage } from './sqliteStorage.ts';

export interface EverythingOptions {
  /** SQLite file for events and webhook subscriptions. Default: they end with the process. */
  readonly storageFile?: string | undefined;
  /** Upstream of `counter.tick`. Default: beside the storage file; without one, a temporary file, deleted on close. */
  readonly counterFile?: string | undefined;
  /** Bearer tokens: secret -> principal. */
  readonly tokens: ReadonlyMap<string, string>;
  /** Principal of requests without a token. Default: none. */
  readonly anonymous?: string | undefined;
  /** Event types per page of `events/list`. Default: all on one. */
  readonly pageSize?: number | undefined;
  /** Live subscriptions of one principal. */
  readonly quota: number;
  /** Whether there are `events_conformance_` tools. */
  readonly controls: boolean;
  /** Origins whose callbacks are neither guarded nor verified. Default: none. */
  readonly callbackOrigins?: readonly string[];
  /** Origins whose callbacks are not guarded. Default: none. */
  readonly reachableOrigins?: readonly string[] | undefined;
  /** Whether there is what suites for the core protocol ask of a server. Default false. */
  readonly coreFixtures?: boolean;
  readonly clock?: Clock;
  readonly report?: (error: unknown) => void;
}

/** Long enough for the answer to the tool that asked for it to arrive. */
const RESTART_DELAY_MS = 100;

/** The everything server without a socket: answers requests, and can be restarted over the same storage. */
export interface EverythingServer {
  fetch(request: Request): Promise<Response>;
  /** Serves one connection; closing it leaves the server alone. */
  connect(transport: Transport): { close(): Promise<void> };
  /** Ends streams with their final frame. Idempotent. */
  close(): Promise<void>;
}

/** Rejects when the storage or the counter file cannot be used. */
export async function createEverythingServer(options: EverythingOptions): Promise<EverythingServer> {
  const { clock = systemClock, report = console.error } = options;
  const { storageFile, counterFile = storageFile && `${storageFile}.counter` } = options;
  const openStorage = storageFile === undefined ? processStorage(clock) : sqliteStorage(storageFile, clock, report);
  const opened = await openStorage();
  const temporary = counterFile === undefined ? await mkdtemp(join(tmpdir(), 'everything-')) : undefined;
  const counter = await openCounter(counterFile ?? join(temporary as string, 'counter.jsonl'), opened);
  const access = new Access();
  const origins = new CallbackOrigins(options.callbackOrigins ?? [], options.reachableOrigins ?? []);
  const authentication = new Authentication(options.tokens);
  let connections = 0;
  let restartTimer: unknown;
  /** Settles when there is a server again. */
  let restarted: Promise<void> = Promise.resolve();
  let closing: Promise<void> | undefined;

  const generate = (number: number, opened: OpenedStorage): Generation =>
    createGeneration({
      number,
      counter,
      access,
      origins,
      opened,
      clock,
      anonymous: options.anonymous,
      pageSize: options.pageSize,
      quota: options.quota,
      controls: options.controls,
      coreFixtures: options.coreFixtures ?? false,
      restart,
      report,
    });
  const restart = (): number => {
    if (connections > 0) {
      throw new Error('not available: a connection over standard input and output ends with the server it belongs to');
    }
    const next = current.number + 1;
    restartTimer ??= clock.setTimeout(() => {
      restartTimer = undefined;
      restarted = replaceBy(next);
      // Whoever asks something is told as well.
      restarted.catch(report);
    }, RESTART_DELAY_MS);
    return next;
  };
  /** One after the other: what the next generation finds in the storage is the last that this one wrote. */
  const replaceBy = async (next: number): Promise<void> => {
    try {
      await current.close();
    } catch (error) {
      report(error);
    }
    current = generate(next, await openStorage());
  };
  let current = generate(1, opened);

  const close = async (): Promise<void> => {
    clock.clearTimeout(restartTimer);
    await restarted.catch(() => {});
    await current.close();
    await counter.close();
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
  };
  return {
    fetch: async (request) => {
      const caller = authentication.authenticate(request);
      if (caller instanceof Response) return caller;
      await restarted;
      return current.handler.fetch(request, caller === undefined ? {} : { authInfo: caller });
    },
    connect: (transport) => {
      connections++;
      return serveStdio(current.factory, { transport: current.events.stdio(transport), onerror: report });
    },
    close: () => (closing ??= close()),
  };
}

async function openCounter(path: string, { storage }: OpenedStorage): Promise<CounterFile> {
  try {
    return await CounterFile.open(path);
  } catch (error) {
    await storage.close();
    throw new Error(`--counter: ${(error as Error).message}`, { cause: error });
  }
}

import { Events } from '@mcp-events/server';
import type { Clock, WebhookOptions } from '@mcp-events/server';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import type { McpHttpHandler, McpServerFactory } from '@modelcontextprotocol/server';
import type { Access } from './access.ts';
import type { Answer } from './callAs.ts';
import type { CallbackOrigins } from './callbackOrigins.ts';
import type { CounterFile } from './counterFile.ts';
import { offerCoreFixtures } from './fixtures/coreFixtures.ts';
import { requestState } from './fixtures/requestState.ts';
import type { OpenedStorage } from './openStorage.ts';
import { controlTools } from './tools/controls.ts';
import { everydayTools } from './tools/everyday.ts';
import type { Tool } from './tools/tool.ts';
import { offerChatMessage } from './types/chatMessage.ts';
import { offerCounterTick } from './types/counterTick.ts';
import { offerEmittedTypes } from './types/emittedTypes.ts';
import { EventTypes } from './types/eventTypes.ts';

export interface GenerationOptions {
  /** Counted from 1. */
  readonly number: number;
  readonly counter: CounterFile;
  readonly access: Access;
  readonly origins: CallbackOrigins;
  readonly opened: OpenedStorage;
  readonly clock: Clock;
  readonly anonymous: string | undefined;
  readonly pageSize: number | undefined;
  readonly quota: number;
  readonly controls: boolean;
  readonly coreFixtures: boolean;
  /** Schedules the next generation and returns its number. */
  readonly restart: () => number;
  readonly report: (error: unknown) => void;
}

/** The shortest is short enough to see subscriptions lapse. */
const shortGrants: WebhookOptions['ttl'] = { minMs: 1_000, maxMs: 3_600_000 };

const longGrants: WebhookOptions['ttl'] = { minMs: 1_000, maxMs: 7 * 86_400_000, noExpiry: true };

/** A failed delivery comes again soon enough to be waited for. */
const retry: WebhookOptions['retry'] = { firstDelayMs: 2_000 };

/** What lives from one start of the server to the next: the Events object, its types and everything subscribed to them. */
export interface Generation {
  readonly number: number;
  readonly events: Events;
  readonly handler: McpHttpHandler;
  readonly factory: McpServerFactory;
  close(): Promise<void>;
}

export function createGeneration(options: GenerationOptions): Generation {
  const { number, counter, access, origins, opened, clock, anonymous, pageSize, quota, report } = options;
  const events = new Events({
    clock,
    ...(pageSize === undefined ? {} : { pageSize }),
    namespace: 'everything',
    limits: { subscriptionsPerPrincipal: quota },
    principal: ({ authInfo }) => (authInfo?.extra?.['sub'] as string | undefined) ?? anonymous,
    storage: opened.storage,
    webhooks: {
      allowedOrigins: (origin) => origins.trusts(origin),
      reachableOrigins: (origin) => origins.reaches(origin),
      secretKeys: opened.secretKeys,
      retry,
      ttl: opened.longGrants ? longGrants : shortGrants,
    },
    onError: report,
  });
  const types = new EventTypes(events, access);
  // The order of events/list.
  const stopChat = offerChatMessage(types, clock, report);
  const counterTick = offerCounterTick(types, counter, clock);
  offerEmittedTypes(types);

  const tools: Tool[] = everydayTools({ events, types, access, counter, counterTick, clock });
  if (options.controls) {
    const { restart } = options;
    const answer: Answer = (request, caller) => handler.fetch(request, caller);
    tools.push(...controlTools({ events, types, origins, answer, quota, generation: number, restart }));
  }

  const factory: McpServerFactory = ({ era }) => {
    const mcp = new McpServer(
      { name: 'everything', version: '0.1.0' },
      options.coreFixtures
        ? {
            capabilities: { logging: {} },
            requestState: { verify: (state, context) => requestState.verify(state, context) },
          }
        : {},
    );
    events.attach(mcp, { era });
    for (const tool of tools) tool.register(mcp);
    if (options.coreFixtures) offerCoreFixtures(mcp, handler.notify);
    return mcp;
  };
  const handler = events.http(createMcpHandler(factory));
  return {
    number,
    events,
    handler,
    factory,
    close: async () => {
      stopChat();
      await events.close();
      await handler.close();
    },
  };
}

import { randomBytes } from 'node:crypto';
import { EXTENSION_ID } from '@mcp-events/protocol';
import { Callback } from './callback.ts';
import type { CallbackRules } from './callback.ts';
import { McpClient } from './mcpClient.ts';

/** What a kind of subscriber does, and what it insists on. */
export interface Profile {
  readonly name: string;
  /** Sent with each request. What is declared here decides which error numbers and message ids the server uses. */
  readonly capabilities: object;
  readonly callbackRules: CallbackRules;
}

/** The ChatGPT integration, as its documentation describes it: nothing declared, events only. */
export const chatGpt: Profile = {
  name: 'openai-mcp',
  capabilities: {},
  callbackRules: { webhookIdIsEventId: true, takesEnvelopes: false },
};

/** A client of SEP-3415: declares the extension and understands all of it. */
export const sepClient: Profile = {
  name: 'sep-client',
  capabilities: { extensions: { [EXTENSION_ID]: {} } },
  callbackRules: { webhookIdIsEventId: false, takesEnvelopes: true },
};

/** Mounts receivers, one path each, behind one https origin. */
export interface CallbackHost {
  readonly origin: string;
  mount(path: string, receive: (request: Request) => Promise<Response>): void;
}

/** One subscription of one client, with a callback URL and a secret of its own. */
export class Subscriber {
  readonly client: McpClient;
  readonly callback: Callback;
  readonly url: string;
  readonly #target: { readonly name: string; readonly arguments: object };

  constructor(profile: Profile, options: { serverUrl: string; token: string; host: CallbackHost; channel: string }) {
    const { serverUrl, token, host, channel } = options;
    this.client = new McpClient(serverUrl, { token, name: profile.name, capabilities: profile.capabilities });
    this.callback = new Callback(profile.callbackRules);
    const path = `/webhook/mcp-events/${randomBytes(16).toString('hex')}`;
    host.mount(path, this.callback.receive);
    this.url = host.origin + path;
    this.#target = { name: 'message.created', arguments: { channel_id: channel } };
  }

  /** Subscribes, or refreshes: the request is the same. It suggests no lifetime and asks for nothing of the past. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what the server answers is for the story to look at
  subscribe(changes: object = {}): Promise<any> {
    const delivery = { mode: 'webhook', url: this.url, secret: this.callback.secret };
    return this.client.request('events/subscribe', { ...this.#target, delivery, cursor: null, ...changes });
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- what the server answers is for the story to look at
  unsubscribe(): Promise<any> {
    return this.client.request('events/unsubscribe', { ...this.#target, delivery: { mode: 'webhook', url: this.url } });
  }
}

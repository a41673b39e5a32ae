import { experimental_createMCPEventWebhook } from '@ai-sdk/mcp';
import type { SubscriptionStore } from './subscriptionStore.ts';
import { Mailbox } from './support/mailbox.ts';

/** Where the webhook handler is mounted. */
export const CALLBACK_PATH = '/mcp-events';

/** One request to the callback, as far as it can be told without the secret. */
export interface Post {
  readonly webhookId: string;
  readonly status: number;
}

/** The application: what the AI SDK's webhook handler calls. */
export class Application {
  /** Texts of comments, each once. */
  readonly comments = new Mailbox<string>();
  /** Fresh cursors of gaps that were told. */
  readonly gaps = new Mailbox<string>();
  /** Error numbers of subscriptions that were ended. */
  readonly ends = new Mailbox<number>();
  /** Every request, and how the AI SDK answered it. */
  readonly posts = new Mailbox<Post>();
  /** The next comment is kept, and the answer gets lost: the server has to send it again. */
  failAfterNextComment = false;
  readonly #seen = new Set<string>();
  readonly #handle: (request: Request) => Promise<Response>;

  constructor(store: SubscriptionStore) {
    this.#handle = experimental_createMCPEventWebhook({
      store,
      onEvent: async ({ subscription, event }) => {
        // The handler of the AI SDK leaves duplicates to the application and says by what to recognise them.
        const key = JSON.stringify([subscription.id, event.eventId]);
        if (!this.#seen.has(key)) this.comments.put(String(event.data['text']));
        this.#seen.add(key);
        if (!this.failAfterNextComment) return;
        this.failAfterNextComment = false;
        throw new Error('the answer gets lost');
      },
      onGap: async ({ gap }) => this.gaps.put(gap.cursor),
      onTerminated: async ({ termination }) => this.ends.put(termination.error.code),
    });
  }

  /** Serves the callback. */
  readonly receive = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname !== CALLBACK_PATH) return new Response(null, { status: 404 });
    const response = await this.#handle(request);
    this.posts.put({ webhookId: request.headers.get('webhook-id') ?? '', status: response.status });
    return response;
  };
}

import { parseUrl } from '@mcp-events/protocol';
import type { WebhookOptions } from './webhookOptions.ts';

/** Where one subscription's events are posted to, and what the server may still be posting there. */
export class Callback {
  readonly options: WebhookOptions;
  readonly #assertOwn: () => Promise<void>;
  #path: string;
  /** The server may have a subscription for this URL; one that is live ignores the cursor of the next (SUB-11). */
  mayBeLive: boolean;
  /** The last first answer told of a subscription that was there before: to be made anew, unless the next one says so, too. */
  wasLive = false;

  /**
   * @param keptPath from the store: whether the process that used it ended the subscription is not known
   * @param assertOwn throws `TAKEN_OVER` if another process goes on with the subscription, and with this URL
   */
  constructor(options: WebhookOptions, keptPath: string | undefined, assertOwn: () => Promise<void>) {
    this.options = options;
    this.#assertOwn = assertOwn;
    this.#path = keptPath ?? createPath();
    this.mayBeLive = keptPath !== undefined;
  }

  /** Last segment of {@link url}: no other subscription has the same. */
  get path(): string {
    return this.#path;
  }

  get url(): string {
    const url = new URL(this.options.url);
    url.pathname = `${url.pathname.replace(/\/$/, '')}/${this.#path}`;
    return url.href;
  }

  /**
   * To be asked before anything is asked of the server for this URL: a process that was replaced would end, or sign with
   * another secret, what its successor has there.
   *
   * @throws EventsClientError `TAKEN_OVER`
   */
  async assertOwn(): Promise<void> {
    try {
      await this.#assertOwn();
    } catch (error) {
      // It is not ours to end either.
      this.mayBeLive = false;
      throw error;
    }
  }

  /** The subscription is cancelled: what its server still posts is refused for good (RECV-10). */
  refuse(): void {
    this.options.receiver.refuse?.(this.#path);
  }

  /** The server does not end what it has for this URL: under another one a subscription is a new one (SUB-02). */
  renew(): void {
    this.refuse();
    this.#path = createPath();
    this.mayBeLive = false;
  }
}

/**
 * Checks what the text of the base URL can tell.
 *
 * @throws TypeError if it is not an absolute http or https URL without user info and fragment (SSRF-08)
 */
export function assertCallbackBase(text: string): void {
  const url = parseUrl(text);
  const isPlain = url !== undefined && url.username === '' && url.password === '' && !text.includes('#');
  if (isPlain && /^https?:$/.test(url.protocol)) return;
  throw new TypeError(
    'webhook.url must be an absolute https URL without user info and fragment, such as "https://agent.example/hooks"',
  );
}

function createPath(): string {
  return crypto.randomUUID();
}

import type { EventOrder } from '@mcp-events/protocol';
import type { CallbackReceiver } from '../../src/index.ts';
import type { AcceptResult, RegisteredCallback, WebhookRegistration } from '../../src/receiver/registration.ts';
import { occurrence } from './rawServer.ts';

/** What a post came to: what the callback said, or that there is none (any more) under this path and secret. */
export type Answer = AcceptResult | 'unknown';

/** A callback receiver without HTTP: tests post to it what a server would. */
export class FakeReceiver implements CallbackReceiver {
  /** Every registration ever made, in order. */
  readonly callbacks: FakeCallback[] = [];

  register(registration: WebhookRegistration): RegisteredCallback {
    const callback = new FakeCallback(registration);
    this.callbacks.push(callback);
    return callback;
  }

  get last(): FakeCallback {
    return this.callbacks.at(-1)!;
  }

  /** The callback that takes posts to this URL. */
  at(url: string): FakeCallback | undefined {
    const path = url.slice(url.lastIndexOf('/') + 1);
    return this.callbacks.findLast((callback) => callback.open && callback.registration.path === path);
  }
}

export class FakeCallback implements RegisteredCallback {
  readonly registration: WebhookRegistration;
  /** The accepted ones, the latest last. */
  secrets: string[];
  id: string | undefined;
  open = true;
  #messages = 0;

  constructor(registration: WebhookRegistration) {
    this.registration = registration;
    this.secrets = [registration.secret];
  }

  bind(id: string): void {
    this.id = id;
  }

  rotate(secret: string): void {
    this.secrets.push(secret);
  }

  dropOldSecrets(): void {
    this.secrets = this.secrets.slice(-1);
  }

  close(): void {
    this.open = false;
  }

  event(eventId: string, cursor?: string | null, order?: EventOrder, more: object = {}): Promise<Answer> {
    const event = { ...occurrence(eventId), cursor: cursor ?? null, ...more };
    return this.#post({ kind: 'event', event, order, bytes: 100 });
  }

  gap(cursor: string): Promise<Answer> {
    return this.#post({ kind: 'gap', cursor });
  }

  terminated(code: number, data?: unknown): Promise<Answer> {
    return this.#post({ kind: 'terminated', error: { code, message: 'over', data } });
  }

  /** A genuine post is refused for its time. */
  refuse(): void {
    this.registration.refused?.();
  }

  async #post(message: object): Promise<Answer> {
    if (!this.open) return 'unknown';
    const head = { subscriptionId: this.id ?? 'sub', webhookId: `msg_${(this.#messages += 1)}` };
    return this.registration.accept({ ...head, ...message } as never);
  }
}

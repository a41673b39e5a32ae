import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Mailbox } from './support/mailbox.ts';

/** One request to a callback, and how it was answered. */
export interface Post {
  /** `event`, or the `type` of an envelope. */
  readonly kind: string;
  readonly headers: Headers;
  readonly body: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what the server sent is for the story to look at
  readonly message: any;
  readonly status: number;
}

/** What tells one receiver from another. */
export interface CallbackRules {
  /** Whether the `webhook-id` of an event has to be its `eventId`. */
  readonly webhookIdIsEventId: boolean;
  /** Whether `gap` and `terminated` are understood. */
  readonly takesEnvelopes: boolean;
}

const TOLERANCE_SECONDS = 300;

/** A webhook receiver written by hand, for one subscription. */
export class Callback {
  /** Every request that was signed. */
  readonly posts = new Mailbox<Post>();
  /** How the next events are answered, instead of 200. */
  readonly answers: number[] = [];
  /** Secrets that may have signed, the newest first. */
  readonly secrets: string[] = [createSecret()];
  /** Whether challenges are echoed. */
  consents = true;
  readonly #rules: CallbackRules;

  constructor(rules: CallbackRules) {
    this.#rules = rules;
  }

  get secret(): string {
    return this.secrets[0] as string;
  }

  /** From now on, the server is to sign with another secret; both are accepted. */
  rotate(): void {
    this.secrets.unshift(createSecret());
  }

  readonly receive = async (request: Request): Promise<Response> => {
    const { headers } = request;
    const body = await request.text();
    if (!this.secrets.some((secret) => isSigned(secret, headers, body))) return new Response(null, { status: 401 });
    const message = JSON.parse(body);
    const kind = 'type' in message ? String(message.type) : 'event';
    const status = this.#statusFor(kind, message, headers);
    this.posts.put({ kind, headers, body, message, status });
    if (kind === 'verification' && status === 200) return Response.json({ challenge: message.challenge });
    return new Response(null, { status });
  };

  #statusFor(kind: string, message: { eventId?: string }, headers: Headers): number {
    if (kind === 'verification') return this.consents ? 200 : 403;
    if (kind !== 'event') return this.#rules.takesEnvelopes ? 200 : 400;
    if (this.#rules.webhookIdIsEventId && headers.get('webhook-id') !== message.eventId) return 400;
    return this.answers.shift() ?? 200;
  }
}

function createSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** Standard Webhooks, version v1: the bytes received, the decoded secret, and a timestamp that is not old. */
export function isSigned(secret: string, headers: Headers, body: string): boolean {
  const [id, timestamp, signatures = ''] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map(
    (name) => headers.get(name) ?? '',
  );
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`);
  return signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

import { timingSafeEqual } from 'node:crypto';
import {
  callbackEndpointError,
  internalError,
  invalidParams,
  isEventsError,
  isJsonObject,
  resourceExhausted,
} from '@mcp-events/protocol';
import { verificationBody } from '../messageBody.ts';
import { post, reasonOf } from '../post.ts';
import type { PostOptions, PostTarget } from '../post.ts';
import type { Consent } from '../../../storage/subscriptionStore.ts';
import type { CallbackUrl } from './callbackUrl.ts';
import type { WebhookLimits } from '../webhookOptions.ts';
import { ChallengeLimit, networkOf } from './challengeLimit.ts';
import type { ConsentCache } from './consentCache.ts';
import type { ReceiverDocuments } from './receiverDocuments.ts';

export interface VerifierOptions {
  readonly postOptions: PostOptions;
  readonly consents: ConsentCache;
  readonly limits: Pick<WebhookLimits, 'challengesPerHostPerMinute' | 'challengesPerAddressPerMinute'>;
  /** `undefined` when well-known documents are not looked at. */
  readonly documents: ReceiverDocuments | undefined;
  /** Whether the operator knows of the endpoint's consent. Never rejects. */
  readonly confirm: (callback: { readonly principal: string; readonly url: string }) => Promise<boolean>;
  /** A unique id that cannot be guessed. */
  readonly randomId: () => string;
}

/** Most bytes of an answer to a challenge that are looked at. */
const MAX_ANSWER_BYTES = 4_096;

/**
 * Establishes that an endpoint wants deliveries, before it gets any (VERIFY-01): the operator allows its origin, the
 * operator confirmed it elsewhere, its origin publishes a document, or it answers a challenge.
 */
export class Verifier {
  readonly #options: VerifierOptions;
  readonly #hosts: ChallengeLimit;
  readonly #addresses: ChallengeLimit;
  /** One challenge at a time per principal and URL (OP-29). */
  readonly #running = new Map<string, Promise<Consent>>();

  constructor(options: VerifierOptions) {
    this.#options = options;
    const { limits, postOptions } = options;
    this.#hosts = new ChallengeLimit(postOptions.clock, limits.challengesPerHostPerMinute);
    this.#addresses = new ChallengeLimit(postOptions.clock, limits.challengesPerAddressPerMinute);
  }

  /**
   * Resolves with what the endpoint's consent rests on. Rejects with CallbackEndpointError (VERIFY-04, VERIFY-05), with
   * InvalidParams for a blocked address (SSRF-07), or with ResourceExhausted when its host was asked too often (VERIFY-09).
   */
  async verify(principal: string, callback: CallbackUrl, target: PostTarget): Promise<Consent> {
    const url = callback.text;
    if (callback.vouched) return 'allowed_origin';
    const known = this.#options.consents.basisOf(principal, url);
    if (known !== undefined) return known;
    const key = JSON.stringify([principal, url]);
    let running: Promise<Consent> | undefined;
    while ((running = this.#running.get(key)) !== undefined) {
      try {
        return await running;
      } catch (error) {
        // The endpoint refused somebody else's id and secret: it may know these.
        if (!isRefusal(error)) throw error;
      }
    }
    running = this.#ask(principal, callback, target).finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  async #ask(principal: string, callback: CallbackUrl, target: PostTarget): Promise<Consent> {
    const { confirm, documents } = this.#options;
    const addresses = await this.#locate(callback);
    const count = (): void => this.#count(principal, callback, addresses);
    if (await confirm({ principal, url: callback.text })) return 'confirmed';
    if (documents !== undefined) {
      if (!documents.isCached(callback)) count();
      if (await documents.covers(callback)) return 'document';
    }
    count();
    await this.#challenge(target);
    return 'challenge';
  }

  /** What the address alone says, before anything is sent (OP-09). */
  async #locate({ text, trusted }: CallbackUrl): Promise<readonly string[]> {
    const { egress, timeoutMs } = this.#options.postOptions;
    let addresses: readonly string[] = [];
    const located = (found: readonly string[]): void => {
      addresses = found;
    };
    const found = await egress.inspect(text, timeoutMs, { trusted, located });
    if (found === 'blocked') throw invalidParams('delivery.url: this server does not deliver to this address');
    if (found === 'local_fault') throw unavailable();
    if (found === 'unresolvable') throw callbackEndpointError('connection_refused');
    return addresses;
  }

  /** Many names of one address are one destination, as are the addresses of one network (VERIFY-16). */
  #count(principal: string, { host }: CallbackUrl, addresses: readonly string[]): void {
    const { challengesPerHostPerMinute, challengesPerAddressPerMinute } = this.#options.limits;
    const networks = [...new Set(addresses.map(networkOf))];
    if (!this.#hosts.hasRoom(host, principal)) {
      throw resourceExhausted('challengesPerHostPerMinute', challengesPerHostPerMinute);
    }
    if (!networks.every((network) => this.#addresses.hasRoom(network, principal))) {
      throw resourceExhausted('challengesPerAddressPerMinute', challengesPerAddressPerMinute);
    }
    this.#hosts.take(host, principal);
    for (const network of networks) this.#addresses.take(network, principal);
  }

  async #challenge(target: PostTarget): Promise<void> {
    const { postOptions, randomId } = this.#options;
    const challenge = randomId() + randomId();
    const body = Buffer.from(verificationBody(challenge));
    const webhookId = `msg_verification_${randomId()}`;
    const result = await post(postOptions, target, webhookId, body, MAX_ANSWER_BYTES);
    if (result.kind === 'failed') {
      if (result.reason === 'local_fault') throw unavailable();
      if (result.reason === 'blocked')
        throw invalidParams('delivery.url: this server does not deliver to this address');
      throw callbackEndpointError(reasonOf(result.reason));
    }
    const isSuccess = result.status >= 200 && result.status < 300;
    // Any answer but the echo is one and the same failure, so that it tells nothing about the endpoint (OP-08).
    if (!isSuccess || !isEcho(result.body, challenge)) throw callbackEndpointError('challenge_failed');
  }
}

/** Nobody knows of the endpoint: the client is to ask again. */
function unavailable(): ReturnType<typeof internalError> {
  return internalError('The callback could not be asked at the moment, for a reason that lies with this server');
}

/** Whether the endpoint was reached and did not echo. */
function isRefusal(error: unknown): boolean {
  return isEventsError(error) && error.data?.reason === 'challenge_failed';
}

/** Compared in constant time (VERIFY-03). */
function isEcho(body: Uint8Array, challenge: string): boolean {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return false;
  }
  const echoed = isJsonObject(answer) ? answer['challenge'] : undefined;
  if (typeof echoed !== 'string') return false;
  const given = Buffer.from(echoed);
  const expected = Buffer.from(challenge);
  return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
}

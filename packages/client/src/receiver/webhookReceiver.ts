import { describeIssues, envelopeTypeOf, isJsonObject, webhookBodySchema } from '@mcp-events/protocol';
import { checkMembers, func, numberOf, tell, text } from '@mcp-events/protocol/options';
import { checkClock, type Clock, systemClock } from '../clock.ts';
import { asError } from '../errors.ts';
import { badRequest, cutOff, emptyAnswer, internalFailure, methodNotAllowed, notNow, unauthorized } from './answers.ts';
import { type Authenticated, authenticate } from './authenticate.ts';
import { Callback } from './callback.ts';
import { type Candidates, Callbacks } from './callbacks.ts';
import { type DeliveryHeaders, deliveryHeaders } from './deliveryHeaders.ts';
import { messageOf } from './messageOf.ts';
import { isSignedByOneOf } from './publicKeySignature.ts';
import { readBody } from './readBody.ts';
import type { AcceptResult, RegisteredCallback, WebhookMessage, WebhookRegistration } from './registration.ts';

/** Options of a {@link WebhookReceiver}. */
export interface WebhookReceiverOptions {
  /** Longest body taken; a longer one is answered 413. Default and least: 262144, which servers may rely on (RECV-08). */
  maxBodyBytes?: number;
  /** How far a post's timestamp may lie from the time here, in milliseconds, past or future (SIG-09). Default 300000, least 1000. */
  toleranceMs?: number;
  /** Default: the runtime's. */
  clock?: Clock;
  /** Told what went wrong on either side after a post was verified. For logs. Default: nothing. */
  onWarning?: (message: string) => void;
}

const MIN_BODY_LIMIT_BYTES = 262_144;
const DEFAULT_TOLERANCE_MS = 300_000;

const receiverOptions = {
  // Servers may send bodies of the least size.
  maxBodyBytes: numberOf({ least: MIN_BODY_LIMIT_BYTES }),
  toleranceMs: numberOf({ least: 1_000 }),
  clock: checkClock,
  onWarning: func,
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The callback endpoint of webhook delivery, for any runtime with the Fetch API: mount {@link WebhookReceiver.handle} at
 * the callback URL and everything below it, before anything that reads bodies.
 *
 * Verifies, answers challenges, drops repetitions, and hands the rest to the registered callback. Answers of 2xx say that
 * the callback accepted.
 */
export class WebhookReceiver {
  readonly #callbacks = new Callbacks();
  readonly #maxBodyBytes: number;
  readonly #toleranceMs: number;
  readonly #clock: Clock;
  readonly #onWarning: (message: string) => void;

  /** @throws TypeError for an option that does not exist, or cannot be used: `maxBodyBytes` below 262144, `toleranceMs` below 1000 */
  constructor(options: WebhookReceiverOptions = {}) {
    checkMembers<Required<WebhookReceiverOptions>>(options, receiverOptions, 'the options of WebhookReceiver');
    const { maxBodyBytes = MIN_BODY_LIMIT_BYTES, toleranceMs = DEFAULT_TOLERANCE_MS } = options;
    this.#maxBodyBytes = maxBodyBytes;
    this.#toleranceMs = toleranceMs;
    this.#clock = options.clock ?? systemClock;
    this.#onWarning = options.onWarning ?? (() => {});
  }

  /**
   * Accepts posts for a callback from now on. To be called before `events/subscribe`, which may bring a challenge before
   * it answers (CLIENT-10).
   *
   * @throws TypeError for a member that does not exist or cannot be used: the secret is not a webhook secret (SIG-01), the path
   *   not one segment of a URL
   */
  register(registration: WebhookRegistration): RegisteredCallback {
    const callback = new Callback(registration, (closed) => this.#callbacks.delete(closed));
    this.#callbacks.add(callback);
    return callback;
  }

  /**
   * Answers posts to this path with 410 from now on, as nobody waits for them any more: the subscription was cancelled,
   * which its server may not have heard, or refused to hear (RECV-10). Registering the path again ends that. The last
   * 10,000 paths are remembered, for as long as the process lives.
   *
   * @throws TypeError for what is no text
   */
  refuse(path: string): void {
    text(path, 'the path to refuse');
    this.#callbacks.refuse(path);
  }

  /** Answers one request. Never rejects. */
  readonly handle = async (request: Request): Promise<Response> => {
    try {
      return await this.#answer(request);
    } catch (error) {
      this.#warn(`The webhook receiver failed: ${asError(error).message}`);
      return internalFailure();
    }
  };

  async #answer(request: Request): Promise<Response> {
    if (request.method !== 'POST') return methodNotAllowed('POST');
    if (request.bodyUsed || request.body?.locked === true) throw alreadyRead();
    const headers = deliveryHeaders(request.headers);
    if (headers === undefined) {
      return badRequest(
        'Expected webhook-id, webhook-timestamp, webhook-signature and X-MCP-Subscription-Id, each of them once.',
      );
    }
    // A challenge is answered as for any URL that nobody registered.
    if (this.#callbacks.isRefused(request.url) && !isChallenge(headers)) return emptyAnswer(410);
    const candidates = this.#callbacks.find(request.url, headers.subscriptionId);
    if (candidates.bound.length + candidates.unbound.length === 0) return notKnownYet(isChallenge(headers));

    const body = await readBody(request, this.#maxBodyBytes, this.#clock).catch((error: Error) => {
      // By middleware, before there was a request of the Fetch API.
      if (error.name === 'BodyAlreadyReadError') throw alreadyRead();
      return undefined;
    });
    if (body === undefined) return badRequest('The body ended early.');
    if (body === 'large') return cutOff(413, `The body is longer than ${this.#maxBodyBytes} bytes.`);
    if (body === 'slow') return cutOff(408, 'The body took too long.');

    const time = { nowMs: this.#clock.now(), toleranceMs: this.#toleranceMs };
    const outcome = authenticate(candidates, headers, body, time);
    if (!outcome.ok) {
      if (outcome.reason === 'malformed') return badRequest('webhook-timestamp is not a number of seconds.');
      if (outcome.reason === 'expired') {
        this.#tellRefused(candidates, headers, body);
        return unauthorized('webhook-timestamp is too far from the time here.');
      }
      const isKnown = candidates.bound.length > 0 || candidates.ownUrl;
      return isKnown ? unauthorized('No signature verifies.') : notKnownYet(isChallenge(headers));
    }
    const refusal = await this.#refuseUnsigned(outcome.callback, headers, body);
    return refusal ?? this.#read(outcome, candidates.ownUrl, headers, body);
  }

  /** A post was refused for its time: whoever waits for it has to know, if it is genuine (RECV-18). */
  #tellRefused(candidates: Candidates, headers: DeliveryHeaders, body: Uint8Array): void {
    const outcome = authenticate(candidates, headers, body, { nowMs: 0, toleranceMs: Infinity });
    if (!outcome.ok) return;
    tell(
      () => outcome.callback.refused(),
      (thrown) =>
        this.#warn(`"refused" of subscription "${headers.subscriptionId}" failed: ${asError(thrown).message}`),
    );
  }

  /** Public-key signatures, where the callback enforces them (SIG-13). */
  async #refuseUnsigned(
    { signingKeys }: Callback,
    headers: DeliveryHeaders,
    body: Uint8Array,
  ): Promise<Response | undefined> {
    if (signingKeys === undefined) return undefined;
    try {
      const keys = await signingKeys();
      if (await isSignedByOneOf(keys, headers, body)) return undefined;
    } catch (error) {
      this.#warn(`The signing keys of subscription "${headers.subscriptionId}" failed: ${asError(error).message}`);
      if (!isChallenge(headers)) return notNow('Public-key signatures cannot be verified now.');
    }
    return unauthorized('No public-key signature verifies.');
  }

  async #read(
    { callback, sole }: Authenticated,
    ownUrl: boolean,
    headers: DeliveryHeaders,
    bytes: Uint8Array,
  ): Promise<Response> {
    const { subscriptionId } = headers;
    const json = parseObject(bytes);
    if (json === undefined) return badRequest('The body is not a JSON object.');
    // Of a later revision (ENV-08).
    if (envelopeTypeOf(json) === 'unknown') return emptyAnswer(204);
    const parsed = webhookBodySchema.safeParse(json);
    if (!parsed.success) {
      const issues = describeIssues(parsed.error);
      this.#warn(`A webhook of subscription "${subscriptionId}" is malformed: ${issues}`);
      return badRequest(`The body is malformed: ${issues}`);
    }
    const isVerification = parsed.data.type === 'verification';
    // Its key and a URL of its own say whose post it is. The header is not signed: it may only choose where they do not.
    const isKnown = sole && ownUrl;
    if (sole && (ownUrl || isVerification)) callback.suggest(subscriptionId);
    // Closed, or bound to another subscription, while the body came in.
    const isForeign = !isKnown && callback.isBound && !callback.isNamed(subscriptionId);
    if (callback.closed || isForeign) return notKnownYet(isVerification);
    // A challenge is answered here, each time it comes, and not passed on (ENV-07).
    if (parsed.data.type === 'verification') return Response.json({ challenge: parsed.data.challenge });
    if (callback.id === undefined || !(isKnown || callback.isNamed(subscriptionId))) return notKnownYet(false);
    // One name for one callback: under a second one a repetition would be news.
    return this.#deliver(callback, messageOf(parsed.data, { ...headers, subscriptionId: callback.id }, bytes.length));
  }

  async #deliver(callback: Callback, message: WebhookMessage): Promise<Response> {
    let result: AcceptResult;
    try {
      result = await callback.deliver(message);
    } catch (error) {
      this.#warn(
        `A webhook of subscription "${message.subscriptionId}" was not accepted, and will be sent again: ${asError(error).message}`,
      );
      return notNow('The message could not be stored.');
    }
    if (result === 'accepted') return emptyAnswer(204);
    return result === 'gone' ? emptyAnswer(410) : notNow('The message cannot be taken now.');
  }

  #warn(message: string): void {
    // A failing log must not change an answer.
    tell(() => this.#onWarning(message));
  }
}

/** A challenge is decided at once (VERIFY-14); what else belongs to an id not known yet may be known soon (RECV-04). */
function notKnownYet(isVerification: boolean): Response {
  return isVerification ? unauthorized('No signature verifies.') : notNow('The subscription is not known here yet.');
}

/** As far as a header tells, before anything is verified (ENV-02). */
function isChallenge({ webhookId }: DeliveryHeaders): boolean {
  return webhookId.startsWith('msg_verification_');
}

function alreadyRead(): Error {
  return new Error('the body was read already; mount the receiver before what parses bodies');
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(utf8.decode(bytes));
    return isJsonObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

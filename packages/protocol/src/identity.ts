import { sha256 } from '@noble/hashes/sha2.js';
import canonicalize from 'canonicalize';
import { assertBounded, assertSize } from './argumentBounds.ts';
import { invalidParams } from './errors.ts';

/** What makes a subscription: a call that differs in any part addresses another one (SUB-02). */
export interface SubscriptionIdentity {
  /** The authenticated caller; absent for anonymous poll and push, which is not the same as an empty string. */
  principal?: string;
  /** Name of the event type. */
  name: string;
  /** Absent means `{}` (SUB-04). */
  arguments?: Record<string, unknown>;
  /** Callback URL exactly as sent (OP-05); webhook subscriptions only. */
  url?: string;
}

/** A subscription's identity together with the server it lives on. */
export interface SubscriptionIdInput extends SubscriptionIdentity {
  /** Name of the server, the same over restarts and replicas, so that ids of two servers differ (SUB-08, OP-07). */
  namespace: string;
}

/** 192 bits: above the 128 that SUB-08 asks for, and without padding in base64url. */
const ID_BYTES = 24;

const utf8 = new TextEncoder();

/**
 * The arguments as canonical JSON (RFC 8785): member order does not matter, null members count, schema defaults are
 * not filled in (SUB-03, OP-04). Numbers are compared as IEEE doubles, as RFC 8785 does.
 *
 * @param args as parsed from JSON; absent means `{}` (SUB-04)
 * @throws EventsError InvalidParams if they are not JSON, or beyond `MAX_ARGUMENT_DEPTH` or `MAX_ARGUMENT_BYTES`
 */
export function canonicalArguments(args: Record<string, unknown> | undefined): string {
  if (args === undefined) return '{}';
  assertBounded(args);
  const text = canonicalJson(args, 'arguments');
  assertSize(text);
  return text;
}

/**
 * The key under which a server keeps a subscription: canonical JSON of an object with exactly the parts of
 * {@link SubscriptionIdentity} that are present, `arguments` always (SUB-02).
 *
 * @throws EventsError InvalidParams as {@link canonicalArguments} does
 */
export function subscriptionKey(identity: SubscriptionIdentity): string {
  return joinParts(identity, undefined);
}

/**
 * The subscription id: `sub_` and base64url of the first 24 bytes of SHA-256 over the UTF-8 text of
 * {@link subscriptionKey} with `namespace` as one more member (SUB-06, SUB-08). Nothing in it is random, so a server
 * finds the same id after a restart with an empty store.
 *
 * @throws EventsError InvalidParams as {@link canonicalArguments} does
 */
export function deriveSubscriptionId(input: SubscriptionIdInput): string {
  const digest = sha256(utf8.encode(joinParts(input, input.namespace)));
  return `sub_${base64url(digest.subarray(0, ID_BYTES))}`;
}

/** Canonical JSON by hand: the members stand in RFC 8785 order, and the arguments' text is made only once. */
function joinParts(identity: SubscriptionIdentity, namespace: string | undefined): string {
  let text = `{"arguments":${canonicalArguments(identity.arguments)},"name":${canonicalJson(identity.name, 'name')}`;
  if (namespace !== undefined) text += `,"namespace":${canonicalJson(namespace, 'namespace')}`;
  if (identity.principal !== undefined) text += `,"principal":${canonicalJson(identity.principal, 'principal')}`;
  if (identity.url !== undefined) text += `,"url":${canonicalJson(identity.url, 'delivery.url')}`;
  return `${text}}`;
}

/** The one thing canonicalize still refuses in bounded JSON is a lone surrogate, which has no UTF-8 form. */
function canonicalJson(value: unknown, where: string): string {
  try {
    return canonicalize(value) as string;
  } catch {
    throw invalidParams(`${where}: expected well-formed Unicode text, without lone surrogates`);
  }
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import {
  createWebhookSecret,
  decodeWebhookSecret,
  signWebhook,
  verifyWebhook,
  webhookSecretSchema,
} from '../src/index.ts';
import type { WebhookToVerify } from '../src/index.ts';
import { readVectors } from './readVectors.ts';

interface Vectors {
  secrets: { valid: { secret: string; keyHex: string }[]; invalid: string[] };
  cases: { title: string; secret: string; id: string; timestampSeconds: number; body: string; signature: string }[];
  verifications: (Pick<WebhookToVerify, 'id' | 'timestamp' | 'signatureHeader'> & {
    title: string;
    secrets: string[];
    body: string;
    nowSeconds: number;
    outcome: 'ok' | 'malformed' | 'expired' | 'mismatch';
    keyIndex?: number;
  })[];
}

const { secrets, cases, verifications } = readVectors<Vectors>('webhook-signature.json');

/** Computed by Node.js, independently of the code under test. */
function reference(key: Uint8Array, id: string, timestamp: string, body: Uint8Array): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
}

const keys = fc.uint8Array({ minLength: 24, maxLength: 64 });
const ids = fc.string({ minLength: 1 });
const seconds = fc.integer({ min: 0, max: 99_999_999_999 });
const bodies = fc.uint8Array({ maxLength: 300 });

describe('webhook secrets', () => {
  it.each(secrets.valid)('SIG-01 are decoded: $keyHex', ({ secret, keyHex }) => {
    expect(Buffer.from(decodeWebhookSecret(secret)).toString('hex')).toBe(keyHex);
  });

  it.each(secrets.invalid)('SIG-01 SIG-02 of another form are refused without repeating them: %j', (secret) => {
    const attempt = (): unknown => decodeWebhookSecret(secret);
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow('The webhook secret is not one: expected "whsec_" followed by base64 of 24 to 64 bytes');
  });

  it('SIG-11 are made of 32 bytes of the randomness given, and differ without one', () => {
    expect(createWebhookSecret((count) => new Uint8Array(count).fill(7))).toBe(
      `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
    );
    const made = Array.from({ length: 50 }, () => createWebhookSecret());
    expect(new Set(made).size).toBe(50);
    for (const secret of made) {
      expect(webhookSecretSchema.safeParse(secret).success).toBe(true);
      expect(decodeWebhookSecret(secret)).toHaveLength(32);
    }
  });
});

describe('webhook signatures', () => {
  it.each(cases)('SIG-03 vector: $title', ({ secret, signature, ...message }) => {
    const key = decodeWebhookSecret(secret);
    const body = Buffer.from(message.body);
    expect(signWebhook(key, message)).toBe(signature);
    expect(signWebhook(key, { ...message, body })).toBe(signature);
    expect(reference(key, message.id, String(message.timestampSeconds), body)).toBe(signature);
  });

  it('SIG-03 are what node:crypto computes, for any key, id, time and bytes', () => {
    fc.assert(
      fc.property(keys, ids, seconds, bodies, (key, id, timestampSeconds, body) => {
        expect(signWebhook(key, { id, timestampSeconds, body })).toBe(
          reference(key, id, String(timestampSeconds), body),
        );
      }),
    );
  });
});

describe('verification', () => {
  const isAboutTime = ({ title }: Vectors['verifications'][number]): boolean => /^\d+ s (?:old|ahead)$/.test(title);

  it.each(verifications.filter(isAboutTime))('SIG-09 vector: $title', check);
  it.each(verifications.filter((vector) => !isAboutTime(vector)))('SIG-08 vector: $title', check);

  function check(vector: Vectors['verifications'][number]): void {
    const outcome = verifyWebhook({
      ...vector,
      keys: vector.secrets.map(decodeWebhookSecret),
      nowMs: vector.nowSeconds * 1000,
      toleranceMs: 300_000,
    });
    expect(outcome).toEqual(
      vector.outcome === 'ok' ? { ok: true, keyIndex: vector.keyIndex } : { ok: false, reason: vector.outcome },
    );
  }

  it('SIG-06 accepts what was signed, whatever the bytes', () => {
    fc.assert(
      fc.property(keys, ids, seconds, bodies, (key, id, timestampSeconds, body) => {
        const signatureHeader = signWebhook(key, { id, timestampSeconds, body });
        const nowMs = timestampSeconds * 1000;
        const timestamp = String(timestampSeconds);
        expect(verifyWebhook({ keys: [key], id, timestamp, body, signatureHeader, nowMs, toleranceMs: 0 })).toEqual({
          ok: true,
          keyIndex: 0,
        });
      }),
    );
  });

  it('SIG-07 refuses a message with any one byte of body or signature changed', () => {
    const key = new Uint8Array(32).fill(9);
    const body = new TextEncoder().encode('{"type":"gap","cursor":"c1"}');
    const signatureHeader = signWebhook(key, { id: 'm', timestampSeconds: 5, body });
    const verify = (changes: Partial<WebhookToVerify>): boolean =>
      verifyWebhook({
        keys: [key],
        id: 'm',
        timestamp: '5',
        body,
        signatureHeader,
        nowMs: 5_000,
        toleranceMs: 0,
        ...changes,
      }).ok;
    expect(verify({})).toBe(true);
    for (let at = 0; at < body.length; at += 1) {
      const changed = body.slice();
      changed[at]! ^= 1;
      expect(verify({ body: changed })).toBe(false);
    }
    for (let at = 0; at < signatureHeader.length; at += 1) {
      const changed = String.fromCharCode(signatureHeader.charCodeAt(at) ^ 1);
      expect(verify({ signatureHeader: signatureHeader.slice(0, at) + changed + signatureHeader.slice(at + 1) })).toBe(
        false,
      );
    }
  });

  it('SIG-10 looks at every character of a signature, wherever the first difference is', () => {
    const key = new Uint8Array(32).fill(9);
    const right = signWebhook(key, { id: 'm', timestampSeconds: 5, body: '{}' });
    const looks = vi.spyOn(String.prototype, 'charCodeAt');
    const counts = [right, `v1,!${right.slice(4)}`, `${right.slice(0, -1)}!`].map((signatureHeader) => {
      looks.mockClear();
      verifyWebhook({
        keys: [key],
        id: 'm',
        timestamp: '5',
        body: '{}',
        signatureHeader,
        nowMs: 5_000,
        toleranceMs: 0,
      });
      return looks.mock.calls.length;
    });
    looks.mockRestore();
    expect(counts[0]).toBeGreaterThanOrEqual(2 * right.length);
    expect(new Set(counts).size).toBe(1);
  });

  it('SIG-08 agrees with timingSafeEqual on lists of signatures', () => {
    const key = new Uint8Array(32).fill(9);
    const right = signWebhook(key, { id: 'm', timestampSeconds: 5, body: '{}' });
    const entry = fc.oneof(
      fc.constant(right),
      fc.constantFrom('v1,', 'v1', '', 'v1a,x', `v1a,${right.slice(3)}`, ` ${right}`, `${right}=`, right.toLowerCase()),
      fc.base64String().map((text) => `v1,${text}`),
    );
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const signatureHeader = entries.join(' ');
        const { ok } = verifyWebhook({
          keys: [key],
          id: 'm',
          timestamp: '5',
          body: '{}',
          signatureHeader,
          nowMs: 5_000,
          toleranceMs: 0,
        });
        const expected = signatureHeader
          .split(' ')
          .some((text) => text.length === right.length && timingSafeEqual(Buffer.from(text), Buffer.from(right)));
        expect(ok).toBe(expected);
      }),
    );
  });
});

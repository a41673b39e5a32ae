import { describe, expect, it } from 'vitest';
import {
  describeIssues,
  envelopeTypeOf,
  jwksDocumentSchema,
  webhookBodySchema,
  webhookReceiverDocumentSchema,
} from '../src/index.ts';

const occurrence = { eventId: 'e1', name: 'incident.created', timestamp: '2026-07-28T10:00:00Z', data: { type: 'x' } };
const envelopes = [
  { type: 'gap', cursor: 'c1' },
  { type: 'terminated', error: { code: -32024, message: 'revoked', data: { reason: 'revoked' } } },
  { type: 'verification', challenge: 'nonce' },
];

describe('webhook bodies', () => {
  it('ENV-01 are envelopes with a top-level type and occurrences without one', () => {
    expect(webhookBodySchema.parse({ ...occurrence, cursor: 'c1' })).toEqual({ ...occurrence, cursor: 'c1' });
    expect(envelopeTypeOf(occurrence)).toBeUndefined();
    for (const envelope of envelopes) {
      expect(webhookBodySchema.parse(envelope)).toEqual(envelope);
      expect(envelopeTypeOf(envelope)).toBe(envelope.type);
    }
  });

  it('ENV-01 are never read as an occurrence when they have a type, whatever else they have', () => {
    for (const type of ['future', 'gap', '', null, 7, undefined, 'toString']) {
      expect(webhookBodySchema.safeParse({ ...occurrence, type }).success).toBe(false);
    }
  });

  it('of an unknown type are told from malformed ones', () => {
    expect(envelopeTypeOf({ type: 'future' })).toBe('unknown');
    expect(envelopeTypeOf({ type: null })).toBe('unknown');
    expect(envelopeTypeOf({ type: 'gap' })).toBe('gap');
    for (const body of [null, [], 'gap', 7, undefined]) expect(envelopeTypeOf(body)).toBeUndefined();
  });

  it.each([
    [{ type: 'gap', cursor: null }, 'cursor: expected string'],
    [{ type: 'terminated' }, 'error: expected object'],
    [{ type: 'terminated', error: { message: 'no code' } }, 'error.code: expected number'],
    [{ type: 'verification', challenge: '' }, 'challenge: expected string of at least 1'],
    [{ ...occurrence, data: 7 }, 'data: expected object'],
    [[occurrence], 'expected object'],
    ['text', 'expected object'],
  ])('are refused when malformed: %j', (body, words) => {
    const parsed = webhookBodySchema.safeParse(body);
    expect(parsed.success ? '' : describeIssues(parsed.error)).toBe(words);
  });
});

describe('well-known documents', () => {
  it('list the path prefixes of a receiver', () => {
    expect(webhookReceiverDocumentSchema.parse({ receivers: ['/hooks/', '/'] }).receivers).toEqual(['/hooks/', '/']);
    for (const broken of [{}, { receivers: '/hooks/' }, { receivers: [7] }, []]) {
      expect(webhookReceiverDocumentSchema.safeParse(broken).success).toBe(false);
    }
  });

  it('list keys, of which only named ed25519 keys are kept', () => {
    const key = { kty: 'OKP', crv: 'Ed25519', kid: 'k1', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', use: 'sig' };
    const { kid: _, ...unnamed } = key;
    const others = [
      unnamed,
      { ...key, crv: 'X25519' },
      { kty: 'RSA', kid: 'k2', n: 'AQ', e: 'AQAB' },
      { ...key, x: 'AA' },
    ];
    expect(jwksDocumentSchema.parse({ keys: [...others, key] }).keys).toEqual([key]);
    expect(jwksDocumentSchema.safeParse({}).success).toBe(false);
  });
});

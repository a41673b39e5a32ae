import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalArguments, deriveSubscriptionId, subscriptionKey } from '../src/index.ts';
import type { SubscriptionIdInput } from '../src/index.ts';
import { readVectors } from './readVectors.ts';

interface Vector {
  title: string;
  input: SubscriptionIdInput;
  canonicalArguments: string;
  key: string;
  id: string;
}

const { cases } = readVectors<{ cases: Vector[] }>('subscription-identity.json');

/** Written for these tests alone, from the text of RFC 8785. */
function referenceCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(referenceCanonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${referenceCanonicalJson(member)}`).join(',')}}`;
}

function referenceId(input: SubscriptionIdInput): string {
  const text = referenceCanonicalJson({ ...input, arguments: input.arguments ?? {} });
  return `sub_${createHash('sha256').update(text, 'utf8').digest().subarray(0, 24).toString('base64url')}`;
}

const jsonObjects = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ stringUnit: 'binary' }));

/** The same value with the members of every object in another order. */
function reorder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reorder);
  if (typeof value !== 'object' || value === null) return value;
  // Object.fromEntries defines members; assignment would take __proto__ for the prototype.
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reorder(member)]),
  );
}

const incident: SubscriptionIdInput = {
  namespace: 'https://events.example.com',
  principal: 'user-1',
  name: 'incident.created',
  arguments: { severity: 'P1', team: 'storage' },
  url: 'https://hooks.example.net/mcp',
};

describe('subscription identity vectors', () => {
  it.each(cases)('$title', (vector) => {
    const { namespace: _, ...identity } = vector.input;
    expect(canonicalArguments(vector.input.arguments)).toBe(vector.canonicalArguments);
    expect(subscriptionKey(identity)).toBe(vector.key);
    expect(deriveSubscriptionId(vector.input)).toBe(vector.id);
  });

  it.each(cases)('agree with an independent computation: $title', (vector) => {
    const { namespace: _, ...identity } = vector.input;
    expect(referenceCanonicalJson({ ...identity, arguments: identity.arguments ?? {} })).toBe(vector.key);
    expect(referenceId(vector.input)).toBe(vector.id);
  });
});

describe('subscription identity', () => {
  it('SUB-02 gives another key and id when any of the four parts differs', () => {
    const inputs = [
      incident,
      { ...incident, principal: 'user-2' },
      { ...incident, url: 'https://hooks.example.net/mcp?' },
      { ...incident, name: 'incident.closed' },
      { ...incident, arguments: { ...incident.arguments, team: 'network' } },
    ];
    expect(new Set(inputs.map(subscriptionKey)).size).toBe(inputs.length);
    expect(new Set(inputs.map(deriveSubscriptionId)).size).toBe(inputs.length);
  });

  it('SUB-02 keeps parts apart that read the same in a row', () => {
    const inputs = [
      { name: 'a', principal: '","url":"b' },
      { name: 'a', principal: '', url: 'b' },
      { name: 'a', url: 'b' },
      { name: 'a', url: '' },
      { name: 'a' },
      { name: 'a', arguments: { url: 'b' } },
      { name: 'a', arguments: { name: 'a', url: 'b' } },
    ];
    expect(new Set(inputs.map(subscriptionKey)).size).toBe(inputs.length);
  });

  it('SUB-02 gives distinct arguments distinct keys, as each canonical text parses to what it was made from', () => {
    fc.assert(
      fc.property(jsonObjects, (args) => {
        expect(referenceCanonicalJson(JSON.parse(canonicalArguments(args)))).toBe(referenceCanonicalJson(args));
      }),
    );
  });

  it('SUB-03 does not depend on the order of members, at any depth', () => {
    fc.assert(
      fc.property(jsonObjects, (args) => {
        const reordered = reorder(args) as Record<string, unknown>;
        expect(canonicalArguments(reordered)).toBe(canonicalArguments(args));
        expect(deriveSubscriptionId({ ...incident, arguments: reordered })).toBe(
          deriveSubscriptionId({ ...incident, arguments: args }),
        );
      }),
    );
  });

  it('SUB-04 takes missing arguments and {} for the same value', () => {
    const { arguments: _, ...without } = incident;
    expect(deriveSubscriptionId(without)).toBe(deriveSubscriptionId({ ...incident, arguments: {} }));
    expect(subscriptionKey(without)).toBe(subscriptionKey({ ...incident, arguments: {} }));
  });

  it('counts null members, as nothing is filled in or left out', () => {
    expect(canonicalArguments({ severity: null })).toBe('{"severity":null}');
    expect(canonicalArguments({ severity: undefined })).toBe('{}');
  });

  it('SUB-08 makes ids of 192 bits of hash in header-safe ASCII, as node:crypto computes them', () => {
    fc.assert(
      fc.property(jsonObjects, fc.string({ unit: 'binary' }), (args, principal) => {
        const input = { ...incident, arguments: args, principal };
        const id = deriveSubscriptionId(input);
        expect(id).toMatch(/^sub_[A-Za-z0-9_-]{32}$/);
        expect(id).toBe(referenceId(input));
      }),
    );
  });

  it('SUB-08 gives servers of different namespaces different ids for one key', () => {
    const other = { ...incident, namespace: 'https://events.example.org' };
    expect(subscriptionKey(other)).toBe(subscriptionKey(incident));
    expect(deriveSubscriptionId(other)).not.toBe(deriveSubscriptionId(incident));
  });
});

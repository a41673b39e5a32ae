import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalArguments,
  deriveSubscriptionId,
  EventsError,
  MAX_ARGUMENT_BYTES,
  MAX_ARGUMENT_DEPTH,
  subscriptionKey,
} from '../src/index.ts';

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

function expectInvalid(action: () => unknown): void {
  const error = thrownBy(action);
  expect(error).toBeInstanceOf(EventsError);
  expect(error).toMatchObject({ errorName: 'InvalidParams', message: expect.stringMatching(/^\S+: expected /) });
}

/** `{"a":{"a":…}}` or `{"a":[[…]]}` with that many levels, made without recursion. */
function nested(levels: number, wrap: (inner: unknown) => unknown): Record<string, unknown> {
  let value: unknown = wrap(1);
  for (let level = 2; level < levels; level++) value = wrap(value);
  return { a: value };
}

const asObject = (inner: unknown): unknown => ({ a: inner });
const asArray = (inner: unknown): unknown => [inner];

describe('bounds of arguments', () => {
  it('accepts the deepest nesting allowed, and no deeper', () => {
    for (const wrap of [asObject, asArray]) {
      expect(() => canonicalArguments(nested(MAX_ARGUMENT_DEPTH, wrap))).not.toThrow();
      expectInvalid(() => canonicalArguments(nested(MAX_ARGUMENT_DEPTH + 1, wrap)));
    }
  });

  it('refuses nesting that would exhaust the stack of recursive code', () => {
    expectInvalid(() => canonicalArguments(nested(1_000_000, asObject)));
    expectInvalid(() => canonicalArguments(nested(1_000_000, asArray)));
  });

  it('accepts the largest canonical form allowed, and no larger', () => {
    const frame = '{"a":""}'.length;
    for (const [character, bytes] of [
      ['x', 1],
      ['é', 2],
      ['€', 3],
      ['\u0001', 6],
    ] as const) {
      const fitting = Math.floor((MAX_ARGUMENT_BYTES - frame) / bytes);
      const text = canonicalArguments({ a: character.repeat(fitting) });
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_ARGUMENT_BYTES);
      expectInvalid(() => canonicalArguments({ a: character.repeat(fitting + 1) }));
    }
  });

  it('refuses many small values', () => {
    expectInvalid(() => canonicalArguments({ a: Array.from({ length: MAX_ARGUMENT_BYTES }, () => 1) }));
    expectInvalid(() =>
      canonicalArguments(Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, index]))),
    );
  });

  it('stops early when parts are shared so often that the text would have no end', () => {
    let value: unknown = [];
    for (let level = 0; level < 60; level++) value = [value, value];
    expectInvalid(() => canonicalArguments({ value }));
  });

  it('refuses a value that contains itself', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expectInvalid(() => canonicalArguments(circular));
  });

  it('refuses numbers that JSON.parse turned into infinity', () => {
    expectInvalid(() => canonicalArguments(JSON.parse('{"a":[1e999]}')));
    expectInvalid(() => canonicalArguments({ a: Number.NaN }));
  });

  it('refuses lone surrogates in every part of an identity', () => {
    expectInvalid(() => canonicalArguments({ a: '\ud800' }));
    expectInvalid(() => canonicalArguments({ 'a\udfff': 1 }));
    expectInvalid(() => subscriptionKey({ name: '\ud800' }));
    expectInvalid(() => subscriptionKey({ name: 'a', principal: '\ud800' }));
    expectInvalid(() => subscriptionKey({ name: 'a', url: 'https://h/\ud800' }));
    expectInvalid(() => deriveSubscriptionId({ name: 'a', namespace: '\ud800' }));
  });

  it.each([
    ['a function', () => 1],
    ['a big integer', 1n],
    ['a symbol', Symbol('a')],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['undefined in a list', [undefined]],
  ])('refuses %s, which is no JSON', (_, value) => {
    expectInvalid(() => canonicalArguments({ a: value }));
  });

  it('SUB-02 keeps a member named __proto__ apart from none', () => {
    const hostile = JSON.parse('{"__proto__":{"severity":"P1"}}') as Record<string, unknown>;
    expect(canonicalArguments(hostile)).toBe('{"__proto__":{"severity":"P1"}}');
    expect(({} as Record<string, unknown>)['severity']).toBeUndefined();
  });

  it('answers any JSON either with text that parses to the same value or with InvalidParams', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), (args) => {
        const error = thrownBy(() => canonicalArguments(args));
        if (error) expect(error).toMatchObject({ errorName: 'InvalidParams' });
        else expect(JSON.parse(canonicalArguments(args))).toEqual(JSON.parse(JSON.stringify(args)));
      }),
    );
  });
});

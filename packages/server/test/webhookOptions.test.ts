import { Events } from '@mcp-events/server';
import type { WebhookOptions } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';

/** What a server with these options says at its construction; `undefined` when it takes them. */
function complaint(webhooks: unknown): string | undefined {
  let events: Events;
  try {
    events = new Events({ webhooks: webhooks as WebhookOptions });
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return (error as TypeError).message;
  }
  void events.close();
  return undefined;
}

const whole = [0, -1, 1.5, NaN, Infinity, '5', null, true, 5n, {}];
const number = [-1, NaN, Infinity, -Infinity, '5', null, true, {}];

describe('an option of webhook mode that cannot be used is told at the start, with what it may be', () => {
  it.each([
    ...['concurrency', 'hostConcurrency', 'principalConcurrency', 'outstandingPerSubscription'].map(
      (name) => ['limits', name, whole] as const,
    ),
    ['limits', 'challengesPerHostPerMinute', whole],
    ...['hostPerSecond', 'principalPerSecond'].map(
      (name) => ['limits', name, [0, -1, NaN, -Infinity, '5', null]] as const,
    ),
    ['retry', 'attempts', [...whole, 101]],
    ...['windowMs', 'attemptTimeoutMs', 'firstDelayMs', 'maxDelayMs'].map(
      (name) => ['retry', name, [...number, 0]] as const,
    ),
    ['suspension', 'failureRate', [...number, 1.01]],
    ['suspension', 'windowMs', [...number, 0, 999]],
    ['suspension', 'minAttempts', whole],
  ] as const)('DELIV-06 DELIV-13 STATUS-05 %s.%s', (group, name, values) => {
    for (const value of values) {
      expect(complaint({ [group]: { [name]: value } })).toMatch(
        new RegExp(`^webhooks\\.${group}\\.${name} must be a (whole )?number from .* to .*, not `),
      );
    }
    expect(complaint({ [group]: { [name]: undefined } })).toBe(undefined);
    expect(complaint({ [group]: { [`${name}s`]: 1 } })).toMatch(
      `webhooks.${group} has no member "${name}s"; did you mean "${name}"?`,
    );
    expect(complaint({ [group]: 5 })).toBe(`webhooks.${group} must be an object, not 5`);
  });

  it.each([
    ['rotationGraceMs', number],
    ['dropFailingAfterMs', [...number, 0]],
  ] as const)('SIG-05 TTL-13 %s', (name, values) => {
    for (const value of values) {
      expect(complaint({ [name]: value })).toMatch(new RegExp(`^webhooks\\.${name} must be a number from`));
    }
  });

  it('TTL-05 ttl', () => {
    for (const value of [NaN, Infinity, 0, '60000']) {
      for (const name of ['minMs', 'defaultMs', 'maxMs']) {
        expect(complaint({ ttl: { [name]: value } }), `${name} ${String(value)}`).toMatch(/^webhooks\.ttl/);
      }
    }
    expect(complaint({ ttl: { noExpiry: 'yes' } })).toBe('webhooks.ttl.noExpiry must be true or false');
  });

  it.each([
    ['boolean', ['receiverDocuments', 'tellAbandoned']],
    ['function', ['allowUrl', 'confirm', 'dialect', 'ordered', 'random']],
  ] as const)('OP-11 VERIFY-11 DIALECT-07 ORDER-06 a %s', (type, names) => {
    for (const name of names) {
      for (const value of ['x', 0, null, {}]) {
        expect(complaint({ [name]: value })).toMatch(`webhooks.${name} must be a ${type}, not `);
      }
    }
    for (const name of ['resolve', 'connect']) {
      expect(complaint({ egress: { [name]: 'x' } })).toBe(`webhooks.egress.${name} must be a function, not "x"`);
    }
  });

  it('DELIV-06 takes the largest and the smallest', () => {
    for (const options of [
      { limits: { hostPerSecond: Infinity, principalPerSecond: 0.001, concurrency: 1_000_000 } },
      { retry: { attempts: 100, attemptTimeoutMs: 600_000, firstDelayMs: 1 } },
      { suspension: { failureRate: 0, windowMs: 1_000, minAttempts: 1 } },
      { rotationGraceMs: 0, dropFailingAfterMs: 1 },
    ]) {
      expect(complaint(options)).toBe(undefined);
    }
    expect(complaint({ retry: { attemptTimeoutMs: 600_001 } })).toContain('to 600000, not 600001');
  });
});

import { describe, expect, it } from 'vitest';
import { Events } from '@mcp-events/server';
import { SecretSealer } from '../src/delivery/webhook/signing/secretSealer.ts';
import { Deployment } from './kit/deployment.ts';
import { memoryStorageThatLasts } from './kit/storage.ts';
import { isSignedWith, keyOf, postedNumbers, secretOf } from './kit/webhookServer.ts';

describe('sealed secrets', () => {
  it('SIG-02 open again for their subscription only, and look different each time', () => {
    const sealer = new SecretSealer([keyOf(1)]);
    const sealed = sealer.seal('sub_1', secretOf());
    expect(sealed).not.toContain(secretOf().slice('whsec_'.length));
    expect(sealer.seal('sub_1', secretOf())).not.toBe(sealed);
    expect(sealer.open('sub_1', sealed)).toBe(secretOf());
    expect(() => sealer.open('sub_2', sealed)).toThrow('changed since it was sealed');
  });

  it('SIG-02 do not open when any part of them was changed', () => {
    const sealer = new SecretSealer([keyOf(1)]);
    const sealed = sealer.seal('sub_1', secretOf());
    for (let at = 0; at < sealed.length; at++) {
      const other = sealed[at] === 'A' ? 'B' : 'A';
      const changed = sealed.slice(0, at) + other + sealed.slice(at + 1);
      // The last character of base64url may have bits that mean nothing.
      const same = Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(
        Buffer.from(sealed.split('.')[2] ?? '', 'base64url'),
      );
      if (same && changed.slice(0, 11) === sealed.slice(0, 11)) continue;
      expect(() => sealer.open('sub_1', changed), `character ${at}`).toThrow(TypeError);
    }
    for (const nothing of ['', 'v1', 'v1.', sealed.slice(0, 20), secretOf()]) {
      expect(() => sealer.open('sub_1', nothing)).toThrow('is not what was sealed');
    }
  });

  it('SIG-02 open with any of the keys, and are sealed with the first', () => {
    const old = new SecretSealer([keyOf(1)]);
    const rotated = new SecretSealer([keyOf(2), keyOf(1)]);
    const sealed = old.seal('sub_1', secretOf());
    expect([old.isOutdated(sealed), rotated.isOutdated(sealed)]).toEqual([false, true]);
    expect(rotated.open('sub_1', sealed)).toBe(secretOf());
    const again = rotated.seal('sub_1', secretOf());
    expect(rotated.isOutdated(again)).toBe(false);
    expect(() => old.open('sub_1', again)).toThrow('which webhooks.secretKeys does not have');
  });
});

describe('the keys of an operator', () => {
  it.each<[string, string[] | undefined, string]>([
    ['missing', undefined, 'webhooks.secretKeys is missing'],
    ['none', [], 'at least one key'],
    ['too short', [Buffer.alloc(16, 7).toString('base64')], 'webhooks.secretKeys[0] must be 32 bytes in base64'],
    ['one of them no base64', [keyOf(1), 'a passphrase'], 'webhooks.secretKeys[1] must be 32 bytes in base64'],
    ['a key with something behind it', [`${keyOf(1)} and more`], '32 bytes in base64'],
    ['no list', keyOf(1) as unknown as string[], 'must be a list of keys'],
  ])('SIG-02 TTL-11 that are %s refuse the start, without being quoted', (_what, secretKeys, message) => {
    const create = (): Events => new Events({ storage: memoryStorageThatLasts(), webhooks: { secretKeys } });
    expect(create).toThrow(TypeError);
    expect(create).toThrow(message);
    for (const key of [secretKeys ?? []].flat()) expect(create).not.toThrow(key);
  });

  it('SIG-02 SIG-05 encrypt what the store gets, and it comes back', async () => {
    const deployment = new Deployment();
    const { store, upstream } = deployment;
    const first = await deployment.run();
    await first.subscribe('counted', { ttlMs: null, secret: secretOf(1) });
    await first.subscribe('counted', { ttlMs: null, secret: secretOf(2) });
    await first.events.close();
    expect(store.records[0]?.replacedSecret).toBeDefined();
    expect(JSON.stringify(store.records)).not.toContain('whsec_');
    upstream.add(1);
    const second = await deployment.run();
    expect([1, 2].map((fill) => isSignedWith(second.recorder.events[0]!, secretOf(fill)))).toEqual([true, true]);
  });

  it('SIG-05 a replaced secret is kept no longer than it signs', async () => {
    const deployment = new Deployment();
    const { store, clock } = deployment;
    const server = await deployment.run();
    for (const fill of [1, 2]) await server.subscribe('counted', { secret: secretOf(fill) });
    expect(store.records[0]?.replacedSecret?.untilMs).toBe(clock.now() + 300_000);
    await clock.advance(300_000);
    await server.subscribe('counted', { secret: secretOf(2) });
    expect(store.records[0]?.replacedSecret).toBeUndefined();
  });

  it('TTL-10 a subscription whose key is missing waits for it, untouched', async () => {
    const deployment = new Deployment();
    const { upstream, store, clock } = deployment;
    const record = await deployment.leaveSubscription();
    upstream.add(1);
    const first = await deployment.run({ secretKeys: [keyOf(2)] });
    await clock.advance(7_000);
    expect(first.errors.map(({ stage }) => stage)).toEqual(['restore', 'restore', 'restore', 'restore']);
    expect(String(first.errors[0]?.error)).toContain('webhooks.secretKeys does not have');
    expect(first.recorder.requests).toEqual([]);
    await first.events.close();
    expect(store.records).toEqual([record]);
    const second = await deployment.run({ secretKeys: [keyOf(2), keyOf(1)] });
    expect(postedNumbers(second)).toEqual([1]);
    expect(isSignedWith(second.recorder.events[0]!, secretOf())).toBe(true);
  });

  it('SIG-02 a key can be taken away once a run has had it behind another one', async () => {
    const deployment = new Deployment();
    const { upstream, clock } = deployment;
    await deployment.leaveSubscription();
    const rotating = await deployment.run({ secretKeys: [keyOf(2), keyOf(1)] });
    await clock.advance(2_000);
    await rotating.events.close();
    upstream.add(1);
    const last = await deployment.run({ secretKeys: [keyOf(2)] });
    expect(postedNumbers(last)).toEqual([1]);
  });
});

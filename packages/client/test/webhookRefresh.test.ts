import { type DeliveryStatus, type EventOrder, Methods } from '@mcp-events/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../src/index.ts';
import { refreshSchedule } from '../src/delivery/webhook/refreshSchedule.ts';
import { FakeClock } from './support/fakeClock.ts';
import { pending, type RawRequest, RpcFailure } from './support/rawServer.ts';
import { granted, HOUR_MS, webhookWorld, type WebhookWorld } from './support/webhookWorld.ts';
import { Reader, settle } from './support/world.ts';

const DAY_MS = 24 * HOUR_MS;

/** When each subscribe request came, in milliseconds after the first. */
function times(w: WebhookWorld, answer: () => unknown): number[] {
  const at: number[] = [];
  const startMs = w.clock.now();
  w.server.on(Methods.subscribe, () => {
    at.push(w.clock.now() - startMs);
    return answer();
  });
  return at;
}

describe('refresh', () => {
  it('TTL-08 TTL-09 comes before the granted time, whatever was asked for, and follows each new grant', async () => {
    const w = await webhookWorld({ hooks: { ttlMs: HOUR_MS } });
    const at = times(w, () => granted(w.clock, w.grant.ms));
    w.grant.ms = 60_000;
    await w.events.subscribe('incident.opened', { a: 1 });
    await w.clock.advance(60_000);
    expect(at).toEqual([0, 48_000]);
    w.grant.ms = 600_000;
    await w.clock.advance(50_000);
    expect(at).toEqual([0, 48_000, 96_000]);
    await w.clock.advance(465_000);
    expect(at).toHaveLength(3);
    await w.clock.advance(1_000);
    expect(at).toHaveLength(4);
    const [first, ...refreshes] = w.subscribes().map(({ params: { _meta, cursor: _cursor, ...params } }) => params);
    for (const refresh of refreshes) expect(refresh).toEqual(first);
    expect(first).toMatchObject({ ttlMs: HOUR_MS });
    await w.events.close();
  });

  it('TTL-08 CLIENT-09 waits for half to four fifths of the grant, at random', () => {
    const grant = fc.integer({ min: 20_000, max: HOUR_MS });
    const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(grant, random, fc.integer({ min: 0, max: 4e12 }), (grantMs, draw, nowMs) => {
        const refreshBefore = new Date(nowMs + grantMs).toISOString();
        const { waitMs, lapsesAtMs } = refreshSchedule(refreshBefore, nowMs, () => draw);
        expect(waitMs).toBeGreaterThanOrEqual(grantMs * 0.5);
        expect(waitMs).toBeLessThan(grantMs * 0.8 + 1e-6 || Infinity);
        expect(lapsesAtMs).toBe(nowMs + grantMs);
      }),
    );
  });

  it('TTL-15 counts a grant by its length, whatever this clock says', () => {
    const nowMs = 1_000_000_000;
    const waitOf = (ownMs: number, facts?: Parameters<typeof refreshSchedule>[3]): number =>
      refreshSchedule(new Date(nowMs + ownMs).toISOString(), nowMs, () => 1, facts).waitMs;
    // Two hours behind, and two hours ahead, of a server that grants one.
    expect(waitOf(3 * HOUR_MS, { serverAheadMs: 2 * HOUR_MS })).toBe((HOUR_MS - 1_000) * 0.8);
    expect(waitOf(-HOUR_MS, { serverAheadMs: -2 * HOUR_MS })).toBe((HOUR_MS - 1_000) * 0.8);
    // Clocks that agree to the second need no correction.
    expect(waitOf(2_500, { serverAheadMs: 900 })).toBe(2_000);
    // Unknown: no longer than plausible, nor than what was asked for.
    expect(waitOf(3 * HOUR_MS, { serverAheadMs: undefined })).toBe(HOUR_MS * 0.8);
    expect(waitOf(3 * HOUR_MS, { serverAheadMs: undefined, askedMs: 60_000 })).toBe(48_000);
    expect(waitOf(30_000, { serverAheadMs: undefined, askedMs: null })).toBe(24_000);
  });

  it('TTL-08 TTL-15 refreshes grants of seconds in time, and waits only where a grant is over already', async () => {
    for (const grantMs of [300, 2_500, 9_000]) {
      const w = await webhookWorld();
      w.grant.ms = grantMs;
      const at = times(w, () => granted(w.clock, grantMs));
      await w.events.subscribe('incident.opened');
      await w.clock.advance(grantMs * 10);
      const waits = at.slice(1).map((atMs, index) => atMs - at[index]!);
      expect(Math.max(...waits)).toBeLessThanOrEqual(grantMs * 0.8);
      await w.events.close();
    }
    const schedule = refreshSchedule(new Date(199).toISOString(), 0, () => 1);
    expect(schedule).toMatchObject({ waitMs: 10_000, isPast: true });
    expect(refreshSchedule(new Date(200).toISOString(), 0, () => 1)).toMatchObject({ waitMs: 160, isPast: false });
  });

  it('TTL-15 says that the clocks differ where a grant is over already, once', async () => {
    const w = await webhookWorld();
    w.server.on(Methods.subscribe, () => granted(w.clock, -HOUR_MS));
    await w.events.subscribe('incident.opened');
    await w.clock.advance(60_000);
    expect(w.warnings.filter((warning) => warning.includes('clocks differ'))).toHaveLength(1);
    await w.events.close();
  });

  it('TTL-08 a computer that slept refreshes within half a minute, a clock that was set back changes nothing', async () => {
    for (const [offsetMs, refreshes] of [
      [3 * HOUR_MS, 2],
      [-3 * HOUR_MS, 1],
    ] as const) {
      const clock = new FakeClock();
      const w = await webhookWorld({ clock });
      await w.events.subscribe('incident.opened');
      await settle();
      clock.jump(offsetMs);
      await clock.advance(31_000);
      expect(w.subscribes()).toHaveLength(refreshes);
      await clock.advance(HOUR_MS * 0.8);
      expect(w.subscribes()).toHaveLength(refreshes + 1);
      await w.events.close();
    }
  });

  it('TTL-09 does not hammer a server whose grants are over already', async () => {
    for (const refreshBefore of ['1970-01-01T00:00:00Z', undefined]) {
      const w = await webhookWorld();
      const at = times(w, () => granted(w.clock, 1, refreshBefore === undefined ? {} : { refreshBefore }));
      const subscription = await w.events.subscribe('incident.opened');
      await w.clock.advance(100_000);
      expect(at).toHaveLength(11);
      expect(subscription.status.state).toBe('active');
      await w.events.close();
    }
  });

  it('SUB-13 TTL-18 comes within an hour even if a century was granted, since only it resumes what was suspended', async () => {
    const w = await webhookWorld();
    const at = times(w, () => granted(w.clock, 1, { refreshBefore: '9999-12-31T23:59:59Z' }));
    await w.events.subscribe('incident.opened');
    await w.clock.advance(HOUR_MS * 0.8 - 1);
    expect(at).toHaveLength(1);
    await w.clock.advance(1);
    expect(at).toHaveLength(2);
    await w.clock.advance(DAY_MS);
    expect(at).toHaveLength(32);
    await w.events.close();
  });

  it('RECV-18 comes within minutes after a post was refused for its time, however long the grant, and once for many', async () => {
    for (const grantMs of [null, HOUR_MS, 60_000]) {
      const w = await webhookWorld();
      const at = times(w, () => granted(w.clock, grantMs));
      await w.events.subscribe('incident.opened');
      const soonMs = Math.min(grantMs ?? Infinity, 300_000) * 0.8;
      await w.clock.advance(1_000);
      for (let post = 0; post < 5; post += 1) w.receiver.last.refuse();
      await w.clock.advance(soonMs - 1_001);
      expect(at).toHaveLength(1);
      await w.clock.advance(1);
      expect(at).toEqual([0, soonMs]);
      // Nothing was refused since.
      await w.clock.advance(soonMs);
      expect(at).toHaveLength(grantMs === 60_000 ? 3 : 2);
      // At once, where that time is over.
      if (grantMs !== 60_000) {
        w.receiver.last.refuse();
        await settle();
        expect(at).toEqual([0, soonMs, 2 * soonMs]);
      }
      expect(w.warnings.filter((warning) => warning.includes('one of the clocks is wrong'))).toHaveLength(1);
      await w.events.close();
      expect(w.clock.pendingTimers).toBe(0);
    }
  });

  it('TTL-14 TTL-18 without expiry still refreshes and lists now and then', async () => {
    const w = await webhookWorld({ hooks: { ttlMs: null } });
    const at = times(w, () => granted(w.clock, null));
    await w.events.subscribe('incident.opened');
    await w.clock.advance(3 * DAY_MS);
    expect(w.subscribes()[0]!.params['ttlMs']).toBeNull();
    expect(at.length).toBeGreaterThan(72);
    expect(at.length).toBeLessThan(145);
    expect(w.server.requests(Methods.list)).toHaveLength(at.length);
    await w.events.close();
  });

  it('CLIENT-09 tries a failed refresh again with backoff until the grant is over, and takes events meanwhile', async () => {
    const errors: Error[] = [];
    const w = await webhookWorld();
    const at = times(w, () => {
      if ((at.length > 1 && at.length < 6) || at.length === 7) throw new RpcFailure(-32603);
      return granted(w.clock, HOUR_MS);
    });
    const subscription = await w.events.subscribe('incident.opened', {}, { onError: (error) => errors.push(error) });
    const reader = new Reader(subscription);
    await w.clock.advance(HOUR_MS * 0.8 + 2_000);
    await w.receiver.last.event('e1', 'c1');
    await w.clock.advance(20_000);
    const due = HOUR_MS * 0.8;
    expect(at).toEqual([0, due, due + 1_000, due + 3_000, due + 7_000, due + 15_000]);
    expect(errors).toHaveLength(4);
    expect(reader.ids).toEqual(['e1']);
    expect(subscription.status.state).toBe('active');
    expect(w.receiver.callbacks).toHaveLength(1);
    // The next failure starts with a short wait again.
    await w.clock.advance(HOUR_MS);
    expect(at.slice(6)).toEqual([due * 2 + 15_000, due * 2 + 16_000]);
    await w.events.close();
  });

  it('CLIENT-09 subscribes anew from the cursor after a lapse', async () => {
    const w = await webhookWorld();
    w.grant.ms = 60_000;
    const reader = new Reader(await w.events.subscribe('incident.opened', {}, { delivery: 'webhook' }));
    await settle();
    await w.receiver.last.event('e1', 'c1');
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32603);
    });
    await w.clock.advance(59_999);
    expect(w.receiver.callbacks).toHaveLength(1);
    const before = w.subscribes().length;
    expect(before).toBeGreaterThan(3);
    // Tried once more when the grant is over; then it is given up.
    await w.clock.advance(1_001);
    expect(w.receiver.callbacks).toHaveLength(2);
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, { cursor: 'c1' }));
    await w.clock.advance(60_000);
    expect(w.subscribes().at(-1)!.params['cursor']).toBe('c1');
    const secrets = w.subscribes().map(({ params }) => params['delivery'].secret);
    expect(secrets.at(-1)).not.toBe(secrets[0]);
    await w.receiver.last.event('e2', 'c2');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2']);
    await w.events.close();
  });

  it('CLIENT-09 a grant is over at its time, although the clock was set back an hour', async () => {
    const clock = new FakeClock();
    const w = await webhookWorld({ clock });
    w.grant.ms = 60_000;
    await w.events.subscribe('incident.opened', {}, { delivery: 'webhook' });
    await settle();
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32603);
    });
    clock.jump(-HOUR_MS);
    await clock.advance(61_001);
    expect(w.receiver.callbacks).toHaveLength(2);
    await w.events.close();
  });

  it('TTL-02 reads members that are null as absent, but for those where null says something', async () => {
    const w = await webhookWorld();
    const cursorless = { cursor: null, truncated: null, deliveryStatus: null };
    w.server.on(Methods.subscribe, () => granted(w.clock, null, cursorless));
    const subscription = await w.events.subscribe('incident.opened', {}, { delivery: 'webhook' });
    expect(subscription.status.state).toBe('active');
    expect(subscription.cursor).toBe(null);
    await w.clock.advance(HOUR_MS / 2);
    expect(w.subscribes()).toHaveLength(1);
    await w.events.close();
  });

  it('TERM-08 ends when a refresh is answered with Forbidden', async () => {
    const w = await webhookWorld();
    const reader = new Reader(await w.events.subscribe('incident.opened'));
    await settle();
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32024);
    });
    await w.clock.advance(DAY_MS);
    expect(reader.error).toMatchObject({ errorName: 'Forbidden' });
    expect(w.subscribes()).toHaveLength(2);
    expect(w.server.streams()).toEqual([]);
    await w.events.close();
  });

  it('subscribes anew when the server process was replaced, without waiting for the refresh', async () => {
    const w = await webhookWorld();
    const readers: Reader[] = [];
    for (const n of [1, 2]) readers.push(new Reader(await w.events.subscribe('incident.opened', { n })));
    await settle();
    for (const [index, callback] of w.receiver.callbacks.entries()) await callback.event(`e${index}`, `c${index}`);
    await w.server.die();
    await w.clock.advance(999);
    expect(w.subscribes()).toHaveLength(2);
    await w.clock.advance(1);
    const again = w.subscribes().slice(2);
    expect(again.map(({ params }) => [params['arguments'].n, params['cursor']])).toEqual([
      [1, 'c0'],
      [2, 'c1'],
    ]);
    expect(w.server.requests('server/discover')).toHaveLength(2);
    for (const callback of w.receiver.callbacks) await callback.event('e9', 'c9');
    await settle();
    expect(readers.map(({ ids }) => ids)).toEqual([
      ['e0', 'e9'],
      ['e1', 'e9'],
    ]);
    await w.events.close();
  });

  it('does not hammer a server whose process dies after each answer', async () => {
    const w = await webhookWorld();
    const at = times(w, () => {
      void settle().then(() => w.server.die());
      return granted(w.clock, HOUR_MS);
    });
    await w.events.subscribe('incident.opened');
    for (let second = 0; second < 60; second += 1) await w.clock.advance(1_000);
    expect(at.length).toBeGreaterThan(2);
    expect(at.length).toBeLessThan(10);
    await w.events.close();
  });
});

describe('a refresh that makes the subscription anew', () => {
  it('RECV-14 tells its gap before anything of the new subscription moves the position', async () => {
    for (const isOrdered of [true, false]) {
      const order: string[] = [];
      const store = memoryStore();
      const w = await webhookWorld({ store });
      const onGap = ({ reason }: { reason: string }): void => void order.push(reason);
      const subscription = await w.events.subscribe('incident.opened', {}, { onGap });
      await settle();
      const { last } = w.receiver;
      const place = (n: number, previous: string | null): EventOrder | undefined =>
        isOrdered ? { position: `c${n}`, previous } : undefined;
      await last.event('e1', 'c1', place(1, null));
      void (async () => {
        for await (const { eventId } of subscription) order.push(eventId);
      })();
      await settle();
      w.server.on(Methods.subscribe, () => pending);
      await w.clock.advance(HOUR_MS * 0.8);
      const { id } = w.subscribes().at(-1)!;
      // The server had lost it, and begins again at e5: what lies between is gone.
      const early = last.event('e5', 'c5', place(5, null));
      const next = last.event('e6', 'c6', place(6, 'c5'));
      await settle();
      expect(order).toEqual(['e1']);
      expect(await store.list()).not.toMatchObject([{ cursor: 'c5' }]);
      w.server.answer(id, granted(w.clock, HOUR_MS, { cursor: 'c4', truncated: true }));
      expect([await early, await next]).toEqual(['accepted', 'accepted']);
      await settle();
      expect(order).toEqual(['e1', 'truncated', 'e5', 'e6']);
      await w.events.close();
      expect(w.clock.pendingTimers).toBe(0);
    }
  });

  it('RECV-14 a post does not wait for an answer longer than its server, and others do not wait at all', async () => {
    const w = await webhookWorld();
    const reader = new Reader(await w.events.subscribe('incident.opened'));
    await settle();
    const { last } = w.receiver;
    await last.event('e1', 'c1', { position: 'c1', previous: null });
    w.server.on(Methods.subscribe, () => pending);
    await w.clock.advance(HOUR_MS * 0.8);
    const early = last.event('e9', 'c9');
    expect(await last.event('e2', 'c2', { position: 'c2', previous: 'c1' })).toBe('accepted');
    let answer: string | undefined;
    void early.then((result) => (answer = result));
    await w.clock.advance(2_999);
    expect(answer).toBeUndefined();
    await w.clock.advance(1);
    expect(answer).toBe('retry');
    w.server.fail(w.subscribes().at(-1)!.id, { code: -32603, message: 'x' });
    await settle();
    expect(await last.event('e9', 'c9')).toBe('accepted');
    await settle();
    expect(reader.ids).toEqual(['e1', 'e2', 'e9']);
    await w.events.close();
  });

  it('RECV-19 a refresh whose answer was lost is asked again from before the gap that only its answer tells', async () => {
    for (const isOrdered of [true, false]) {
      const order: string[] = [];
      const store = memoryStore();
      const w = await webhookWorld({ store });
      const onGap = ({ reason }: { reason: string }): void => void order.push(reason);
      const subscription = await w.events.subscribe('incident.opened', {}, { onGap });
      await settle();
      const { last } = w.receiver;
      const place = (n: number, previous: string | null): EventOrder | undefined =>
        isOrdered ? { position: `c${n}`, previous } : undefined;
      await last.event('e1', 'c1', place(1, null));
      void (async () => {
        for await (const { eventId } of subscription) order.push(eventId);
      })();
      await settle();
      w.server.on(Methods.subscribe, () => pending);
      await w.clock.advance(HOUR_MS * 0.8);
      // The server had lost it, and begins again at e5: what lies between is gone. The answer does not arrive.
      const early = last.event('e5', 'c5', place(5, null));
      w.server.fail(w.subscribes().at(-1)!.id, { code: -32603, message: 'x' });
      expect(await early).toBe('retry');
      const answers = [await last.event('e5', 'c5', place(5, null)), await last.event('e6', 'c6', place(6, 'c5'))];
      expect(answers).toEqual(isOrdered ? ['retry', 'retry'] : ['accepted', 'accepted']);
      // What goes on from what came before is of the one before.
      if (isOrdered) expect(await last.event('e2', 'c2', place(2, 'c1'))).toBe('accepted');
      await settle();
      const isBeforeGap = { cursor: isOrdered ? 'c2' : 'c1' };
      expect(await store.list()).toMatchObject([isBeforeGap]);
      w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, { cursor: 'c4', truncated: true }));
      await w.clock.advance(1_000);
      expect(w.subscribes().at(-1)!.params).toMatchObject(isBeforeGap);
      for (const n of [5, 6]) {
        const again = place(n, n === 5 ? null : 'c5');
        if (isOrdered) expect(await last.event(`e${n}`, `c${n}`, again)).toBe('accepted');
      }
      await settle();
      expect(order).toEqual(isOrdered ? ['e1', 'e2', 'truncated', 'e5', 'e6'] : ['e1', 'e5', 'e6', 'truncated']);
      await w.events.close();
      expect(w.clock.pendingTimers).toBe(0);
    }
  });
});

describe('the secret', () => {
  it('SIG-05 a secret gets old by a clock that nobody sets', async () => {
    const w = await webhookWorld({ hooks: { rotateSecretAfterMs: 2 * HOUR_MS } });
    await w.events.subscribe('incident.opened');
    await settle();
    w.clock.jump(-30 * DAY_MS);
    await w.clock.advance(4 * HOUR_MS);
    const secrets = w.subscribes().map(({ params }) => params['delivery'].secret);
    expect(new Set(secrets).size).toBeGreaterThan(1);
    await w.events.close();
  });

  it('SIG-05 the one the server signs with is accepted while refreshes with the next one fail', async () => {
    const w = await webhookWorld({ hooks: { rotateSecretAfterMs: 60_000 } });
    w.grant.ms = 20 * 60_000;
    await w.events.subscribe('incident.opened');
    await settle();
    await w.clock.advance(16 * 60_000);
    const { secret } = w.subscribes().at(-1)!.params['delivery'] as { secret: string };
    expect(w.subscribes()).toHaveLength(2);
    w.server.on(Methods.subscribe, () => {
      throw new RpcFailure(-32603);
    });
    for (let minute = 0; minute < 19; minute += 1) {
      await w.clock.advance(60_000);
      expect(w.receiver.last.secrets).toContain(secret);
      expect(w.receiver.last.secrets.length).toBeLessThanOrEqual(2);
    }
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS));
    await w.events.close();
  });

  it('is replaced by a refresh; the old one is accepted until posts signed with it are too old', async () => {
    const w = await webhookWorld({ hooks: { rotateSecretAfterMs: 2 * HOUR_MS } });
    await w.events.subscribe('incident.opened');
    await settle();
    const registered = (): string[] => w.receiver.last.secrets;
    const [first] = registered();
    const sent: unknown[] = [];
    w.server.on(Methods.subscribe, ({ params }: RawRequest) => {
      sent.push(params['delivery'].secret);
      // CLIENT-10 holds for the new one too.
      expect(registered()).toContain(params['delivery'].secret);
      if (sent.length === 3) throw new RpcFailure(-32603);
      return granted(w.clock, HOUR_MS);
    });
    await w.clock.advance(2 * HOUR_MS);
    expect(sent).toEqual([first, first]);
    await w.clock.advance(0.4 * HOUR_MS);
    const [, second] = registered();
    expect(sent).toEqual([first, first, second]);
    await w.clock.advance(1_000);
    expect(sent).toEqual([first, first, second, second]);
    await w.clock.advance(299_999);
    expect(registered()).toEqual([first, second]);
    await w.clock.advance(1);
    expect(registered()).toEqual([second]);
    expect(w.receiver.callbacks).toHaveLength(1);
    await w.events.close();
    expect(w.clock.pendingTimers).toBe(0);
  });
});

describe('deliveryStatus', () => {
  const lived = { deliveryStatus: { active: true, lastDeliveryAt: null, lastError: null }, cursor: 'c9' };

  it.each<[string, object[], (string | null)[]]>([
    ['a server that had it from before, as from a restored backup', [lived, {}], ['c3', 'c3']],
    ['a server that tells it in any case', [lived, lived], ['c3', 'c3']],
    ['a server that does not have it', [{}], ['c3']],
  ])(
    'CLIENT-29 SUB-11 in the first answer: the subscription is made anew, once, as its server did not look at the position (%s)',
    async (_what, answers, cursors) => {
      const w = await webhookWorld();
      w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, answers.shift()));
      const subscription = await w.events.subscribe('incident.opened', {}, { from: 'c3' });
      await settle();
      await w.clock.advance(1_000);
      expect(w.subscribes().map(({ params }) => params['cursor'])).toEqual(cursors);
      expect(w.unsubscribes()).toHaveLength(cursors.length - 1);
      expect(subscription.status.state).toBe('active');
      await w.events.close();
    },
  );

  it('CLIENT-29 without a position there is nothing that its server had to look at', async () => {
    const w = await webhookWorld();
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, lived));
    await w.events.subscribe('incident.opened');
    await settle();
    expect([w.subscribes(), w.unsubscribes()].map((requests) => requests.length)).toEqual([1, 0]);
    await w.events.close();
  });

  it('STATUS-01 STATUS-06 OP-31 is told with each refresh that has one: suspension, throttling, the category', async () => {
    const told: DeliveryStatus[] = [];
    const w = await webhookWorld();
    const suspended: DeliveryStatus = { active: false, lastError: 'timeout', failedSince: '2026-07-28T12:00:00Z' };
    const throttled: DeliveryStatus = { active: true, throttled: true, retryAfterMs: 2_000, lastError: null };
    const answers: object[] = [{}, { deliveryStatus: suspended }, {}, { deliveryStatus: throttled }];
    w.server.on(Methods.subscribe, () => granted(w.clock, HOUR_MS, answers.shift()));
    const subscription = await w.events.subscribe(
      'incident.opened',
      {},
      {
        onDeliveryStatus: (status) => {
          told.push(status);
          throw new Error('callback');
        },
      },
    );
    for (let refresh = 1; refresh <= 3; refresh += 1) await w.clock.advance(HOUR_MS * 0.8);
    expect(w.subscribes()).toHaveLength(4);
    expect(told).toEqual([suspended, throttled]);
    expect(subscription.status.state).toBe('active');
    await w.events.close();
  });
});

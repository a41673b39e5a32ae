import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import type { Gap } from '../src/index.ts';
import { settle, world } from './support/world.ts';

const schema = z.object({ id: z.string().startsWith('e'), n: z.coerce.number() });

describe('a schema of the application', () => {
  it('CLIENT-23 types and converts the data, and tells what does not fit as a gap at its place', async () => {
    const steps: unknown[] = [];
    const errors: Error[] = [];
    const { server, events } = await world();
    const subscription = await events.subscribe(
      'incident.opened',
      {},
      {
        from: 'c0',
        payload: schema,
        onGap: ({ reason, cursor }: Gap) => void steps.push([reason, cursor]),
        onError: (error) => errors.push(error),
      },
    );
    await settle();
    for (const [n, data] of [{ id: 'e1', n: '7' }, { id: 'x' }, { id: 'e3', n: 8, more: 1 }].entries()) {
      server.stream().event(`e${n + 1}`, `c${n + 1}`, { data });
    }
    for (let n = 0; n < 2; n += 1) {
      const { value } = await subscription.next();
      expectTypeOf(value!.data).toEqualTypeOf<{ id: string; n: number }>();
      steps.push(value!.data);
    }
    expect(steps).toEqual([{ id: 'e1', n: 7 }, ['unreadable', 'c2'], { id: 'e3', n: 8 }]);
    expect(errors).toMatchObject([{ code: 'MALFORMED_EVENT' }]);
    await subscription.acknowledge();
    expect(subscription.cursor).toBe('c3');
    await events.close();
  });

  it('CLIENT-23 checks each event once, also if handing it out is repeated', async () => {
    let isBroken = true;
    const { server, events } = await world();
    const doubling = z.object({ n: z.number().transform((n) => n * 2) });
    const filter = (): boolean => {
      if (isBroken) throw new Error('not now');
      return true;
    };
    const subscription = await events.subscribe('incident.opened', {}, { from: 'c0', payload: doubling, filter });
    await settle();
    server.stream().event('e1', 'c1', { data: { n: 1 } });
    await expect(subscription.next()).rejects.toThrow('not now');
    isBroken = false;
    expect((await subscription.next()).value!.data).toEqual({ n: 2 });
    await events.close();
  });
});

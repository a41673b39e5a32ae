import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { missingOf, ORDER_META_KEY, orderOf } from '../src/index.ts';

describe('order metadata', () => {
  it('ORDER-02 is read from its key in _meta, whatever else stands there', () => {
    expect(ORDER_META_KEY).toBe('mcp-events/order');
    const first = { position: 'p1', previous: null };
    expect(orderOf({ [ORDER_META_KEY]: first, other: 1 })).toEqual(first);
    expect(orderOf({ [ORDER_META_KEY]: { position: '', previous: 'p1', more: 1 } })).toEqual({
      position: '',
      previous: 'p1',
    });
  });

  it('ORDER-02 is read where its positions are as long as they may be', () => {
    const longest = { position: 'p'.repeat(256), previous: 'q'.repeat(256) };
    expect(orderOf({ [ORDER_META_KEY]: longest })).toEqual(longest);
  });

  it('ORDER-02 is absent when it is of another form, or names the event as its own predecessor', () => {
    const wrong = [
      undefined,
      null,
      'p1',
      [],
      {},
      { position: 'p1' },
      { previous: null },
      { position: 1, previous: null },
      { position: 'p1', previous: 0 },
      { position: 'p1', previous: 'p1' },
      { position: 'p'.repeat(257), previous: null },
      { position: 'p1', previous: 'p'.repeat(257) },
    ];
    for (const order of wrong) expect(orderOf({ [ORDER_META_KEY]: order })).toBeUndefined();
    for (const meta of [undefined, null, 'x', 7, []]) expect(orderOf(meta)).toBeUndefined();
  });

  it('survives any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        orderOf(value);
        const order = orderOf({ [ORDER_META_KEY]: value });
        if (order !== undefined) expect(value).toMatchObject(order);
      }),
    );
  });
});

describe('missingOf', () => {
  const place = { position: 'p2', previous: 'p1' };

  it('ORDER-02 reads the places a gap names, in their order, and leaves out what is malformed', () => {
    const missing = [place, { position: 'p3', previous: 'p3' }, { position: 3, previous: null }, null, 'p4'];
    expect(missingOf({ [ORDER_META_KEY]: { missing: [...missing, { position: 'p5', previous: null }] } })).toEqual([
      place,
      { position: 'p5', previous: null },
    ]);
  });

  it.each([undefined, null, 'text', {}, { [ORDER_META_KEY]: null }, { [ORDER_META_KEY]: { missing: place } }])(
    'ORDER-02 reads nothing from %j',
    (meta) => {
      expect(missingOf(meta)).toEqual([]);
    },
  );
});

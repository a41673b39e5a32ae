import { describe, expect, it } from 'vitest';
import { dialectOfRequest, EXTENSION_ID, findEventsCapability } from '../src/index.ts';

describe('dialectOfRequest', () => {
  it('reads a request that declares the extension as final', () => {
    expect(dialectOfRequest({ extensions: { [EXTENSION_ID]: {} } })).toBe('final');
    expect(dialectOfRequest({ extensions: { [EXTENSION_ID]: { later: 1 } }, sampling: {} })).toBe('final');
  });

  it.each([
    ['no capabilities', undefined],
    ['null', null],
    ['empty capabilities', {}],
    ['another extension', { extensions: { 'com.example/other': {} } }],
    ['the top-level key of the sketch', { events: {} }],
    ['a declaration that is no object', { extensions: { [EXTENSION_ID]: true } }],
    ['extensions that are no object', { extensions: [EXTENSION_ID] }],
    ['text', EXTENSION_ID],
  ])('reads a request with %s as sketch', (_, capabilities) => {
    expect(dialectOfRequest(capabilities)).toBe('sketch');
  });
});

describe('findEventsCapability', () => {
  it('DIALECT-03 accepts either key and tells which one it saw', () => {
    expect(findEventsCapability({ extensions: { [EXTENSION_ID]: {} } })).toEqual({
      dialect: 'final',
      listChanged: false,
    });
    expect(findEventsCapability({ events: {} })).toEqual({ dialect: 'sketch', listChanged: false });
  });

  it('takes the extension key, with its own settings, when a server declares both', () => {
    const both = { events: { listChanged: true }, extensions: { [EXTENSION_ID]: { listChanged: false } } };
    expect(findEventsCapability(both)).toEqual({ dialect: 'final', listChanged: false });
  });

  it.each([
    [{ listChanged: true }, true],
    [{ listChanged: false }, false],
    [{ listChanged: 'true' }, false],
    [{}, false],
  ])('reads listChanged of %j as %s', (settings, listChanged) => {
    expect(findEventsCapability({ extensions: { [EXTENSION_ID]: settings } })?.listChanged).toBe(listChanged);
    expect(findEventsCapability({ events: settings })?.listChanged).toBe(listChanged);
  });

  it.each([undefined, null, {}, { events: true }, { extensions: { [EXTENSION_ID]: null } }, []])(
    'finds nothing in %j',
    (capabilities) => {
      expect(findEventsCapability(capabilities)).toBeUndefined();
    },
  );
});

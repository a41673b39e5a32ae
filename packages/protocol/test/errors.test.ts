import { describe, expect, it } from 'vitest';
import {
  callbackEndpointError,
  errorCodes,
  EventsError,
  eventsErrorFromRpc,
  forbidden,
  internalError,
  invalidParams,
  isEventsError,
  notFound,
  resourceExhausted,
  unsupported,
} from '../src/index.ts';
import type { Dialect, ErrorData, ErrorName } from '../src/index.ts';
import { readVectors } from './readVectors.ts';

const { codes, cases } = readVectors<{
  codes: Record<Dialect, Record<ErrorName, number>>;
  cases: { errorName: ErrorName; message: string; data?: ErrorData }[];
}>('errors.json');
const dialects: Dialect[] = ['final', 'sketch'];

describe('error codes', () => {
  it('ERR-06 holds the numbers of each dialect in one table', () => {
    expect(errorCodes).toEqual(codes);
    expect(errorCodes).toEqual({
      final: {
        InvalidParams: -32602,
        NotFound: -32023,
        Forbidden: -32024,
        ResourceExhausted: -32025,
        Unsupported: -32026,
        CallbackEndpointError: -32027,
        InternalError: -32603,
      },
      sketch: {
        InvalidParams: -32602,
        NotFound: -32011,
        Forbidden: -32012,
        ResourceExhausted: -32013,
        Unsupported: -32014,
        CallbackEndpointError: -32015,
        InternalError: -32603,
      },
    });
  });

  it.each(cases)('DIALECT-09 reads $errorName from the codes of both dialects: $message', (vector) => {
    const { errorName, message, data } = vector;
    for (const dialect of dialects) {
      const wire = new EventsError(errorName, message, { data }).toRpcError(dialect);
      expect(wire).toEqual({ code: codes[dialect][errorName], message, ...(data && { data }) });
      const read = eventsErrorFromRpc(wire);
      expect(read).toBeInstanceOf(EventsError);
      expect(read).toMatchObject({ errorName, message, code: wire.code });
      expect(read.data).toEqual(data);
    }
  });
});

describe('eventsErrorFromRpc', () => {
  it.each([-32050, -32601, -32000, 0, 404])('keeps the unknown code %i without giving it a meaning', (code) => {
    const error = eventsErrorFromRpc({ code, message: 'something else', data: { hint: 1 } });
    expect(error).toMatchObject({ errorName: 'Unknown', code, data: { hint: 1 } });
    expect(error.toRpcError('final')).toEqual({ code, message: 'something else', data: { hint: 1 } });
  });

  it.each(['text', 7, null, ['list']])('leaves out data that is no object: %j', (data) => {
    expect(eventsErrorFromRpc({ code: -32023, message: '', data }).data).toBeUndefined();
  });

  it('translates a received code into that of the dialect it is passed on in', () => {
    const read = eventsErrorFromRpc({ code: errorCodes.sketch.Forbidden, message: 'no' });
    expect(read.toRpcError('final').code).toBe(errorCodes.final.Forbidden);
  });
});

describe('factories', () => {
  it.each([
    [invalidParams('name: expected string'), 'InvalidParams', undefined],
    [notFound('event', 'Unknown event type'), 'NotFound', { kind: 'event' }],
    [forbidden(), 'Forbidden', undefined],
    [forbidden('revoked'), 'Forbidden', { reason: 'revoked' }],
    [resourceExhausted('subscriptions'), 'ResourceExhausted', { limit: 'subscriptions' }],
    [resourceExhausted('subscriptions', 5), 'ResourceExhausted', { limit: 'subscriptions', max: 5 }],
    [unsupported('deliveryMode', { value: 'push' }), 'Unsupported', { feature: 'deliveryMode', value: 'push' }],
    [
      unsupported('payloadSchema', { reason: 'schema_changed' }),
      'Unsupported',
      { feature: 'payloadSchema', reason: 'schema_changed' },
    ],
    [callbackEndpointError('timeout'), 'CallbackEndpointError', { reason: 'timeout' }],
    [internalError(), 'InternalError', undefined],
  ])('makes %s', (error, errorName, data) => {
    expect(error.errorName).toBe(errorName);
    expect(error.data).toEqual(data);
    expect(error.message).not.toBe('');
  });

  it('never puts the local cause on the wire', () => {
    const error = new EventsError('InternalError', 'Internal error', { cause: new Error('password=hunter2') });
    expect(error.cause).toBeInstanceOf(Error);
    expect(JSON.stringify([error.toRpcError('final'), error])).not.toContain('hunter2');
  });
});

describe('isEventsError', () => {
  it('HOOK-12 says no to what cannot even be looked at', () => {
    const fail = (): never => {
      throw new Error('not to be looked at');
    };
    for (const trap of ['get', 'has', 'getPrototypeOf', 'ownKeys']) {
      expect(isEventsError(new Proxy({}, { [trap]: fail }))).toBe(false);
    }
  });

  it('ERR-10 knows errors of another copy of the package, and nothing else', async () => {
    const other = new URL('../src/errors.ts?another-copy', import.meta.url).href;
    const copy = (await import(/* @vite-ignore */ other)) as { forbidden: typeof forbidden };
    const foreign = copy.forbidden('not_yours');
    expect(foreign instanceof EventsError).toBe(false);
    expect(isEventsError(foreign)).toBe(true);
    expect(isEventsError(forbidden())).toBe(true);
    const plain = { name: 'EventsError', errorName: 'Forbidden', message: '', toRpcError: () => ({}) };
    expect(isEventsError(plain)).toBe(true);
    for (const member of ['name', 'errorName', 'message', 'toRpcError']) {
      expect(isEventsError({ ...plain, [member]: undefined })).toBe(false);
    }
    for (const value of [undefined, null, 'EventsError', 5, new Error('EventsError'), new TypeError('no'), () => {}]) {
      expect(isEventsError(value)).toBe(false);
    }
  });
});

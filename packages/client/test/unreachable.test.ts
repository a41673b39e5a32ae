import { Methods } from '@mcp-events/protocol';
import { describe, expect, it } from 'vitest';
import { unreachable } from '../src/connection/unreachable.ts';
import { pending, RawServer } from './support/rawServer.ts';
import { settle, world } from './support/world.ts';

const systemError = (message: string, details: object): Error => Object.assign(new Error(message), details);
const fetchFailed = (cause: Error): Error => new TypeError('fetch failed', { cause });

const refused = systemError('connect ECONNREFUSED 127.0.0.1:4000', {
  code: 'ECONNREFUSED',
  address: '127.0.0.1',
  port: 4000,
});
const unknownHost = systemError('getaddrinfo ENOTFOUND mcp.example', { code: 'ENOTFOUND', hostname: 'mcp.example' });
const reset = systemError('other side closed', {
  code: 'UND_ERR_SOCKET',
  socket: { remoteAddress: '::1', remotePort: 4000 },
});
const bothFamilies = Object.assign(
  new AggregateError([systemError('', { address: '::1', port: 4000 }), systemError('', refused)]),
  { code: 'ECONNREFUSED' },
);

describe('the message of an outage', () => {
  it.each([
    [fetchFailed(refused), 'fetch failed (ECONNREFUSED 127.0.0.1:4000)'],
    [new Error('negotiation', { cause: fetchFailed(refused) }), 'fetch failed (ECONNREFUSED 127.0.0.1:4000)'],
    [fetchFailed(unknownHost), 'fetch failed (ENOTFOUND mcp.example)'],
    [fetchFailed(reset), 'fetch failed (UND_ERR_SOCKET [::1]:4000)'],
    [fetchFailed(bothFamilies), 'fetch failed (ECONNREFUSED [::1]:4000 127.0.0.1:4000)'],
    [refused, 'connect ECONNREFUSED 127.0.0.1:4000'],
    [systemError('no capacity', { status: 503 }), 'no capacity (HTTP 503)'],
    [systemError('answered with HTTP 503', { status: 503 }), 'answered with HTTP 503'],
    [systemError('Connection closed', { code: 'CONNECTION_CLOSED' }), 'Connection closed (CONNECTION_CLOSED)'],
    [new Error('no token'), 'no token'],
    ['text', 'text'],
  ])('says where and why: %s', (thrown, reason) => {
    const error = unreachable(thrown);
    expect(error.message).toBe(`The server cannot be reached: ${reason}`);
    expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', cause: thrown });
  });

  it('ends with causes that go round in circles', () => {
    const error = new Error('round');
    error.cause = error;
    expect(unreachable(error).message).toBe('The server cannot be reached: round');
  });
});

describe('the message of a lost connection', () => {
  it('PUSH-19 says whether the stream was open', async () => {
    for (const [isOpen, message] of [
      [true, 'The connection ended while events/stream was open.'],
      [false, 'The connection ended before events/stream was answered.'],
    ] as const) {
      const errors: Error[] = [];
      const { server, events } = await world({ server: new RawServer() });
      if (!isOpen) server.on(Methods.stream, () => pending);
      const onError = (error: Error): unknown => errors.push(error);
      await events.subscribe('incident.opened', {}, { from: 'c0', onError });
      await settle();
      await server.die();
      await settle();
      expect(errors).toMatchObject([{ code: 'STREAM_DROPPED', message }]);
      await events.close();
    }
  });
});

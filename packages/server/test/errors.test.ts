import { errorCodes } from '@mcp-events/protocol';
import { EventsError } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import type { TestServer } from './kit/httpServer.ts';
import { counted, httpServer, stdioServer } from './kit/servers.ts';

const hook = { url: 'https://client.example/hook', secret: `whsec_${'A'.repeat(32)}` };

/** A server on which every error can be provoked. */
function prepared(dialect?: 'final' | 'sketch' | 'auto'): TestServer {
  const server = httpServer({ dialect, limits: { subscriptionsPerPrincipal: 1 } });
  const input = { type: 'object', properties: { level: { enum: ['high', 'low'] } }, required: ['level'] };
  server.events.define('levelled', { ...counted, input });
  server.events.define('closed', { ...counted, authorize: () => false });
  server.events.define('polled', { ...counted, delivery: ['poll'] });
  server.events.define('pushed', { ...counted, delivery: ['push'] });
  server.events.define('counted', counted);
  return server;
}

describe('kinds', () => {
  it.each(['events/poll', 'events/stream'])('ERR-01 %s: arguments that violate the schema', async (method) => {
    const server = prepared();
    for (const args of [{ level: 'huge' }, {}, undefined]) {
      const { error } = await server.call(method, { name: 'levelled', arguments: args });
      expect(error?.code).toBe(-32602);
      expect(error?.message).toContain('arguments of levelled: ');
      // What was sent may be a secret; what is wrong with it is not.
      expect(error?.message).not.toContain('huge');
    }
  });

  it.each([
    ['events/poll', { name: 'counted', maxEvents: 0 }, 'maxEvents'],
    ['events/poll', { name: 'counted', maxEvents: 1.5 }, 'maxEvents'],
    ['events/poll', { name: 'counted', timeoutMs: -1 }, 'timeoutMs'],
    ['events/poll', { name: 'counted', maxAgeMs: '5' }, 'maxAgeMs'],
    ['events/poll', { name: 'counted', cursor: 1 }, 'cursor'],
    ['events/poll', { name: 'counted', arguments: [] }, 'arguments'],
    ['events/poll', { name: 'counted', arguments: null }, 'arguments'],
    ['events/poll', {}, 'name'],
    ['events/stream', { name: 'counted', maxAgeMs: -1 }, 'maxAgeMs'],
    ['events/stream', { name: 'counted', cursor: {} }, 'cursor'],
    ['events/stream', { name: null }, 'name'],
    ['events/list', { cursor: 1 }, 'cursor'],
  ])('ERR-01 %s %j says which member is wrong', async (method, params, member) => {
    const { error } = await prepared().call(method, params);
    expect(error?.code).toBe(-32602);
    expect(error?.message).toContain(`${member}: `);
  });

  it.each(['events/poll', 'events/stream', 'events/subscribe'])('ERR-02 %s: an unknown name', async (method) => {
    const { error } = await prepared().call(method, { name: 'nothing', delivery: hook }, { as: 'ada' });
    expect(error).toMatchObject({ code: -32023, data: { kind: 'event' } });
  });

  it.each(['events/poll', 'events/stream'])('ERR-03 %s: a principal that is not allowed', async (method) => {
    const { error } = await prepared().call(method, { name: 'closed' }, { as: 'ada' });
    expect(error?.code).toBe(-32024);
  });

  it.each(['events/poll', 'events/stream'])('ERR-04 %s: a limit that is reached', async (method) => {
    const server = prepared();
    await server.stream('counted', {}, { as: 'ada' });
    const { error } = await server.call(method, { name: 'counted' }, { as: 'ada' });
    expect(error).toMatchObject({ code: -32025, data: { limit: 'subscriptionsPerPrincipal', max: 1 } });
  });

  it.each([
    ['events/stream', 'polled', 'push'],
    ['events/poll', 'pushed', 'poll'],
  ])('ERR-05 %s on a type without that mode', async (method, name, value) => {
    const { error } = await prepared().call(method, { name });
    expect(error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode', value } });
  });

  it('ERR-05 SUB-15 subscribe on a type without webhook, or with another mode', async () => {
    const server = prepared();
    for (const mode of [undefined, 'webhook', 'push']) {
      const params = { name: 'counted', delivery: { ...hook, mode } };
      const { error } = await server.call('events/subscribe', params, { as: 'ada' });
      expect(error).toMatchObject({ code: -32026, data: { feature: 'deliveryMode' } });
    }
  });

  it.each(['events/subscribe', 'events/unsubscribe'])(
    'SUB-01 AUTH-04 %s without a principal is Forbidden, whatever else is wrong',
    async (method) => {
      const server = prepared();
      for (const params of [{ name: 'counted', delivery: hook }, { name: 'nothing', delivery: hook }, {}]) {
        const { error } = await server.call(method, params);
        expect(error?.code).toBe(-32024);
      }
      expect(server.events.subscriptions()).toEqual([]);
    },
  );

  it('UNSUB-02 DIALECT-11 there is nothing to unsubscribe: NotFound, or success for older peers', async () => {
    const server = prepared();
    const params = { name: 'counted', delivery: { url: hook.url } };
    for (let round = 0; round < 2; round++) {
      const { error } = await server.call('events/unsubscribe', params, { as: 'ada' });
      expect(error).toMatchObject({ code: -32023, data: { kind: 'subscription' } });
      const result = await server.result('events/unsubscribe', params, { as: 'ada', declare: false });
      expect(result.resultType).toBe('complete');
    }
    expect((await server.call('events/unsubscribe', { id: 'sub_1' }, { as: 'ada' })).error?.code).toBe(-32602);
  });
});

describe('numbers', () => {
  it('ERR-06 the codes are one table per dialect', () => {
    expect(errorCodes.final).toMatchObject({
      NotFound: -32023,
      Forbidden: -32024,
      ResourceExhausted: -32025,
      Unsupported: -32026,
      CallbackEndpointError: -32027,
    });
    expect(errorCodes.sketch).toMatchObject({
      NotFound: -32011,
      Forbidden: -32012,
      ResourceExhausted: -32013,
      Unsupported: -32014,
      CallbackEndpointError: -32015,
    });
  });

  it.each([
    ['auto', true, 'final'],
    ['auto', false, 'sketch'],
    ['final', true, 'final'],
    ['final', false, 'final'],
    ['sketch', true, 'sketch'],
    ['sketch', false, 'sketch'],
  ] as const)('DIALECT-01 DIALECT-08 option %s, declared %s: %s', async (option, declare, dialect) => {
    const server = prepared(option);
    const as = 'ada';
    const open = await server.stream('counted', {}, { as, declare });
    const codes: (number | undefined)[] = [];
    for (const name of ['nothing', 'closed', 'counted', 'polled']) {
      for (const method of name === 'polled' ? ['events/stream'] : ['events/poll', 'events/stream']) {
        codes.push((await server.call(method, { name }, { as, declare })).error?.code);
      }
    }
    const { NotFound, Forbidden, ResourceExhausted, Unsupported } = errorCodes[dialect];
    expect(codes).toEqual([
      ...[NotFound, NotFound, Forbidden, Forbidden, ResourceExhausted, ResourceExhausted],
      Unsupported,
    ]);
    void server.events.terminate({}, new EventsError('Forbidden', 'revoked'));
    expect((await open.rest())[1]?.params.error.code).toBe(Forbidden);
  });

  it('DIALECT-01 what a client calls itself changes nothing', async () => {
    const server = prepared();
    for (const name of ['openai-mcp', 'ChatGPT', 'other']) {
      const _meta = { 'io.modelcontextprotocol/clientInfo': { name, version: '1' } };
      expect((await server.call('events/poll', { name: 'nothing', _meta })).error?.code).toBe(-32023);
      expect((await server.call('events/poll', { name: 'nothing', _meta }, { declare: false })).error?.code).toBe(
        -32011,
      );
    }
  });

  it('DIALECT-08 the error of an ended poll is told in the dialect of the one who asks', async () => {
    const server = prepared();
    for (const [declare, code] of [
      [true, -32024],
      [false, -32012],
    ] as const) {
      await server.poll('counted', null, {}, { declare });
      void server.events.terminate({}, new EventsError('Forbidden', 'revoked'));
      expect((await server.call('events/poll', { name: 'counted' }, { declare })).error?.code).toBe(code);
    }
  });
});

describe('privacy', () => {
  it.each(['authorize', 'onSubscribe'] as const)('ERR-03 an error of %s stays inside', async (hookName) => {
    const server = httpServer();
    server.events.define('counted', {
      ...counted,
      [hookName]: () => {
        throw new Error('password=hunter2');
      },
    });
    for (const method of ['events/poll', 'events/stream']) {
      const answer = await server.call(method, { name: 'counted' });
      expect(answer.error?.code).toBe(-32603);
      expect(JSON.stringify(answer)).not.toContain('hunter2');
    }
    expect(server.errors).toEqual([1, 2].map(() => ({ error: new Error('password=hunter2'), stage: hookName })));
    expect(server.events.subscriptions()).toEqual([]);
  });

  it('ERR-03 an error that is meant for the client reaches it', async () => {
    const server = httpServer();
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => {
        throw new EventsError('ResourceExhausted', 'No more cameras', { data: { limit: 'cameras', max: 2 } });
      },
    });
    const error = { code: -32025, message: 'No more cameras', data: { limit: 'cameras', max: 2 } };
    expect((await server.call('events/stream', { name: 'counted' })).error).toEqual(error);
    expect(server.errors).toEqual([]);
  });

  it('ERR-03 a principal function that fails or answers nonsense refuses the request', async () => {
    for (const principal of [
      () => {
        throw new Error('no such token');
      },
      () => '',
    ]) {
      const server = httpServer({ principal });
      server.events.define('counted', counted);
      const answer = await server.call('events/poll', { name: 'counted' });
      expect(answer.error?.code).toBe(-32603);
      expect(JSON.stringify(answer)).not.toContain('token');
      expect(server.errors).toHaveLength(1);
    }
  });

  it('ERR-01 ERR-02 ERR-05 the same on stdio', async () => {
    const server = stdioServer();
    server.events.define('polled', { ...counted, delivery: ['poll'] });
    expect((await server.request(1, 'events/poll', { name: 'nothing' }))?.error?.code).toBe(-32023);
    expect((await server.request(2, 'events/poll', { name: 'polled', maxEvents: 0 }))?.error?.code).toBe(-32602);
    expect((await server.request(3, 'events/stream', { name: 'polled' }))?.error).toMatchObject({
      code: -32026,
      data: { feature: 'deliveryMode', value: 'push' },
    });
    expect((await server.request(4, 'events/subscribe', { name: 'polled', delivery: hook }))?.error?.code).toBe(-32024);
  });
});

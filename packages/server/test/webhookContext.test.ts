import type { CheckContext, EventContext, EventTypeDefinition } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { Deployment } from './kit/deployment.ts';
import { settle } from './kit/fakeClock.ts';
import { authFor } from './kit/httpServer.ts';
import { counted, httpServer } from './kit/servers.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';

describe('credentials of a webhook subscription', () => {
  it('AUTH-10 are there while a client is answered, and never afterwards, from the first event on', async () => {
    const seen: string[] = [];
    const look = (what: string, { authInfo, clientInfo, principal, request }: Partial<EventContext>): void => {
      seen.push(`${what} ${authInfo?.token ?? '-'} ${clientInfo?.name ?? '-'} ${principal ?? '-'}`);
      expect(request).toBeUndefined();
    };
    const deployment = new Deployment();
    const { upstream, clock } = deployment;
    const definition: EventTypeDefinition = {
      ...deployment.definition,
      check: (context: CheckContext, args, cursor) => {
        look('check', context);
        return upstream.check(context, args, cursor);
      },
      match: (context) => {
        look('match', context);
        return true;
      },
      transform: (context, { data }) => {
        look('transform', context);
        return data;
      },
      authorize: (context) => {
        look('authorize', context);
        return true;
      },
      onSubscribe: (context) => look('onSubscribe', context),
      onUnsubscribe: (context) => look('onUnsubscribe', context),
    };
    const run = (): ReturnType<Deployment['start']> => {
      const server = deployment.start({}, { reauthorizeIntervalMs: 60_000 });
      server.events.define('counted', definition);
      return server;
    };
    const first = run();
    await first.subscribe('counted', { ttlMs: null });
    await first.subscribe('counted', { ttlMs: null, authInfo: { ...authFor('alice'), token: 'newer' } });
    upstream.add(1);
    await clock.advance(60_000);
    await first.events.close();
    const inFirst = new Set(seen.splice(0));
    expect([...inFirst].toSorted()).toEqual([
      'authorize - - alice',
      'authorize newer - alice',
      'authorize token-of-alice - alice',
      'check - - alice',
      'match - - alice',
      'onSubscribe token-of-alice - alice',
      'onUnsubscribe - - alice',
      'transform - - alice',
    ]);
    const second = run();
    upstream.add(2);
    await clock.advance(60_000);
    expect(postedNumbers(second)).toEqual([2]);
    const known = new Set([...inFirst, 'onSubscribe - - alice']);
    expect(seen.filter((line) => !known.has(line))).toEqual([]);
  });

  it('AUTH-10 an obvious filter by them lets nothing through before any restart', async () => {
    const server = webhookServer();
    const handle = server.events.define('counted', { ...counted, match: ({ authInfo }) => authInfo !== undefined });
    await server.subscribe('counted');
    await handle.emit({ n: 1 });
    await server.clock.advance(10_000);
    expect(postedNumbers(server)).toEqual([]);
  });

  it('AUTH-11 warns once when they name no subject, by which one client becomes two', async () => {
    const server = webhookServer();
    server.events.define('counted', counted);
    const { extra: _extra, ...authInfo } = authFor('alice');
    for (const token of ['a', 'b']) await server.subscribe('counted', { authInfo: { ...authInfo, token } });
    expect(server.events.subscriptions()).toHaveLength(2);
    expect(server.warnings).toEqual([expect.stringContaining('authInfo.extra.sub')]);
    expect(server.warnings.join()).not.toContain('token-of');
  });

  it('AUTH-11 does not where they do, where the operator names principals, and in other modes', async () => {
    const { extra: _extra, ...authInfo } = authFor('alice');
    const named = webhookServer({}, { principal: () => 'alice' });
    named.events.define('counted', counted);
    await named.subscribe('counted', { authInfo });
    const server = webhookServer();
    server.events.define('counted', counted);
    await server.subscribe('counted');
    await server.poll('counted', null, {}, { authInfo });
    expect([...named.warnings, ...server.warnings]).toEqual([]);
  });
});

describe('what author functions are told', () => {
  /** As careless code does. What cannot be changed stays as it is. */
  const edit = (given: object): void => {
    for (const member of Object.keys(given)) Reflect.set(given, member, 'edited');
    Reflect.set(given, 'added', true);
  };

  it('AUTH-13 cannot be changed by them, in any call, before and after a restart', async () => {
    const deployment = new Deployment();
    const seen = new Set<string>();
    const look = (what: string, context: EventContext): void => {
      seen.add(`${what} ${context.principal} ${context.mode} ${'added' in context}`);
      edit(context);
    };
    const definition: EventTypeDefinition = {
      ...deployment.definition,
      match: (context) => {
        look('match', context);
        return true;
      },
      transform: (context, { data }) => {
        look('transform', context);
        return data;
      },
      authorize: (context) => {
        look('authorize', context);
        return true;
      },
      onSubscribe: (context) => look('onSubscribe', context),
      onUnsubscribe: (context) => look('onUnsubscribe', context),
    };
    for (let run = 0; run < 2; run++) {
      const server = deployment.start({}, { reauthorizeIntervalMs: 60_000 });
      server.events.define('counted', definition);
      if (run === 0) await server.subscribe('counted', { ttlMs: null });
      deployment.upstream.add(2 * run + 1, 2 * run + 2);
      await deployment.clock.advance(120_000);
      await server.events.close();
    }
    const functions = ['authorize', 'match', 'onSubscribe', 'onUnsubscribe', 'transform'];
    expect([...seen].toSorted()).toEqual(functions.map((name) => `${name} alice webhook false`));
  });

  it('AUTH-13 is not changed for one event type by the discoverable of another', async () => {
    const server = webhookServer(
      {},
      {
        principal: (caller) => {
          edit(caller);
          return caller.authInfo?.token === 'edited' ? 'somebody else' : 'alice';
        },
      },
    );
    const seen: (string | undefined)[] = [];
    for (const name of ['first', 'second']) {
      server.events.define(name, {
        ...counted,
        discoverable: (caller) => {
          seen.push(caller.principal);
          edit(caller);
          return true;
        },
      });
    }
    const { events } = await server.result('events/list', {}, { authInfo: authFor('alice') });
    expect(events.map(({ delivery }: { delivery: string[] }) => delivery.includes('webhook'))).toEqual([true, true]);
    expect(seen).toEqual(['alice', 'alice']);
  });
});

describe('arguments', () => {
  const input = { type: 'object', properties: { limit: { type: 'integer' }, list: { type: 'array' } } };

  it('SUB-18 TTL-10 SUB-06 an author who completes them in onSubscribe does not change whose subscription it is', async () => {
    const deployment = new Deployment();
    const seen: unknown[] = [];
    const definition: EventTypeDefinition = {
      ...deployment.definition,
      input,
      onSubscribe: (_context, args) => {
        const mine: Record<string, unknown> = args;
        mine['limit'] ??= 10;
      },
      match: (_context, _event, args) => seen.push(args) > 0,
    };
    const first = deployment.start();
    first.events.define('counted', definition);
    const { id } = await first.subscribe('counted', { ttlMs: null, arguments: { list: ['a'] } });
    await first.events.close();
    expect(deployment.store.records[0]?.arguments).toEqual({ list: ['a'] });
    const second = deployment.start();
    second.events.define('counted', definition);
    await settle();
    deployment.upstream.add(1);
    await deployment.clock.advance(2_000);
    expect(second.errors).toEqual([]);
    expect(second.events.subscriptions()).toMatchObject([{ id, arguments: { list: ['a'] } }]);
    expect(seen).toEqual([{ list: ['a'] }]);
    expect((await second.unsubscribe('counted', { arguments: { list: ['a'] } })).error).toBeUndefined();
  });

  it.each(['authorize', 'match', 'transform', 'onUnsubscribe', 'check'] as const)(
    'SUB-18 cannot be changed in %s',
    async (where) => {
      const server = webhookServer();
      const tried: unknown[] = [];
      const change = (args: unknown): void => {
        try {
          (args as Record<string, unknown>)['limit'] = 10;
        } catch (error) {
          tried.push((error as Error).name);
        }
        try {
          (args as { list: unknown[] }).list.push('more');
        } catch (error) {
          tried.push((error as Error).name);
        }
      };
      const functions: Record<typeof where, unknown> = {
        authorize: (_context: unknown, args: unknown) => (change(args), true),
        match: (_context: unknown, _event: unknown, args: unknown) => (change(args), true),
        transform: (_context: unknown, event: { data: object }, args: unknown) => (change(args), event.data),
        onUnsubscribe: (_context: unknown, args: unknown) => change(args),
        check: (_context: unknown, args: unknown) => (change(args), { events: [], cursor: '0' }),
      };
      const handle = server.events.define('counted', { ...counted, input, [where]: functions[where] });
      const options = { arguments: { list: ['a'] } };
      await server.subscribe('counted', options);
      if (where !== 'check') await (handle as unknown as { emit(data: object): Promise<unknown> }).emit({ n: 1 });
      await server.clock.advance(30_000);
      expect(server.events.subscriptions()[0]?.arguments).toEqual({ list: ['a'] });
      expect((await server.unsubscribe('counted', options)).error).toBeUndefined();
      // Hooks have a copy of the outermost level.
      expect(tried).toContain('TypeError');
    },
  );

  it('SUB-18 what a schema library makes of them stays what it is', async () => {
    const server = httpServer();
    const seen: unknown[] = [];
    class Since {
      readonly #day = 1;
      get day(): number {
        return this.#day;
      }
    }
    const input = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({ value: { since: new Since() } }),
        jsonSchema: { input: () => ({ type: 'object' }), output: () => ({ type: 'object' }) },
      },
    };
    server.events.define('counted', {
      ...counted,
      input,
      onSubscribe: (_context: unknown, args: { since?: Since }) => void seen.push(args.since?.day),
    });
    await server.poll('counted', null);
    expect(seen).toEqual([1]);
  });
});

describe('a hook that is late', () => {
  it.each(['poll', 'push', 'webhook'])('HOOK-10 HOOK-01 is paired when it succeeds after all: %s', async (mode) => {
    const server = webhookServer();
    const calls: string[] = [];
    server.events.define('counted', {
      ...counted,
      onSubscribe: async () => {
        // The limit is 10,000 ms.
        await new Promise<void>((resolve) => server.clock.setTimeout(resolve, 11_000));
        calls.push('provisioned');
      },
      onUnsubscribe: () => void calls.push('released'),
    });
    const answer =
      mode === 'webhook'
        ? server.trySubscribe('counted')
        : server.call(mode === 'poll' ? 'events/poll' : 'events/stream', { name: 'counted', cursor: null });
    await server.clock.advance(10_999);
    expect((await answer).error?.code).toBe(-32603);
    expect(calls).toEqual([]);
    await server.clock.advance(1);
    expect(calls).toEqual(['provisioned', 'released']);
    await server.clock.advance(600_000);
    expect(calls).toHaveLength(2);
  });

  it('HOOK-10 is not paired when it fails after all', async () => {
    const server = httpServer();
    const calls: string[] = [];
    server.events.define('counted', {
      ...counted,
      onSubscribe: async () => {
        await new Promise<void>((resolve) => server.clock.setTimeout(resolve, 11_000));
        throw new Error('no camera');
      },
      onUnsubscribe: () => void calls.push('released'),
    });
    void server.call('events/poll', { name: 'counted', cursor: null });
    await server.clock.advance(600_000);
    expect(calls).toEqual([]);
  });

  it('HOOK-11 does not overlap the next one of the same subscription, for a while', async () => {
    const server = httpServer();
    const calls: string[] = [];
    const delays = [15_000, 0];
    server.events.define('counted', {
      ...counted,
      onSubscribe: async () => {
        calls.push('begins');
        await new Promise<void>((resolve) => server.clock.setTimeout(resolve, delays.shift() ?? 1e9));
        calls.push('provisioned');
      },
      onUnsubscribe: () => void calls.push('released'),
    });
    const first = server.call('events/poll', { name: 'counted', cursor: null });
    await server.clock.advance(10_000);
    expect((await first).error?.code).toBe(-32603);
    const second = server.call('events/poll', { name: 'counted', cursor: null });
    await server.clock.advance(5_000);
    expect((await second).error).toBeUndefined();
    expect(calls).toEqual(['begins', 'provisioned', 'released', 'begins', 'provisioned']);
  });

  it('HOOK-11 one that never settles does not keep its subscriber out for ever', async () => {
    const server = httpServer();
    let calls = 0;
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => (++calls === 1 ? new Promise<void>(() => {}) : undefined),
    });
    const first = server.call('events/poll', { name: 'counted', cursor: null });
    await server.clock.advance(10_000);
    expect((await first).error?.code).toBe(-32603);
    const second = server.call('events/poll', { name: 'counted', cursor: null });
    await server.clock.advance(10_000);
    expect((await second).error).toBeUndefined();
    expect(calls).toBe(2);
  });

  it('HOOK-11 HOOK-01 a subscription that comes at once waits for the counterpart of the one before', async () => {
    const server = webhookServer();
    const calls: string[] = [];
    let release = (): void => {};
    server.events.define('counted', {
      ...counted,
      onSubscribe: () => void calls.push('provisioned'),
      onUnsubscribe: async () => {
        await new Promise<void>((resolve) => (release = resolve));
        calls.push('released');
      },
    });
    await server.subscribe('counted');
    await server.unsubscribe('counted');
    const again = server.trySubscribe('counted');
    await settle();
    expect(calls).toEqual(['provisioned']);
    release();
    expect((await again).error).toBeUndefined();
    expect(calls).toEqual(['provisioned', 'released', 'provisioned']);
  });
});

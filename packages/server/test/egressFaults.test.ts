import { afterEach, describe, expect, it } from 'vitest';
import { Client } from 'undici';
import type { Dial } from '@mcp-events/server';
import { Egress } from '../src/delivery/webhook/egress/egress.ts';
import type { EgressOptions, EgressRequest, EgressResult } from '../src/delivery/webhook/egress/egress.ts';
import { queryBothFamilies, resolvePublicNames } from '../src/delivery/webhook/egress/resolve.ts';
import { assertCanSend } from '../src/delivery/webhook/egress/runtime.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { silentConnection } from './kit/memorySocket.ts';
import { RawEndpoint } from './kit/rawEndpoint.ts';
import { RecordingDialer } from './kit/recordingDialer.ts';
import { SecureRecorder, secureServer, STRANGER } from './kit/secureServer.ts';
import { counted } from './kit/servers.ts';
import { postedNumbers, webhookServer } from './kit/webhookServer.ts';

const A = '93.184.215.14';
const B = '93.184.215.15';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});
function closing<T extends { close(): Promise<void> }>(resource: T): T {
  opened.push(resource);
  return resource;
}

/** A socket that fails with this code, as the system reports it. */
function failing(code: string): ReturnType<Dial> {
  const socket = silentConnection();
  setImmediate(() => socket.destroy(Object.assign(new Error(`connect ${code}`), { code })));
  return socket;
}

function egressWith(options: Partial<EgressOptions>) {
  const clock = new FakeClock();
  const faults: { code: string; message: string }[] = [];
  const egress = closing(
    new Egress({ clock, resolve: () => [A], onLocalFault: (error) => faults.push(error), ...options }),
  );
  const send = (more: Partial<EgressRequest> = {}): Promise<EgressResult> =>
    egress.send({
      method: 'POST',
      url: 'http://hooks.example/in',
      headers: {},
      body: '{}',
      timeoutMs: 5_000,
      maxResponseBytes: 0,
      trusted: true,
      ...more,
    });
  return { clock, egress, faults, send };
}

/** An endpoint without TLS on this machine. */
async function plainEndpoint(): Promise<RawEndpoint> {
  return closing(await RawEndpoint.listen());
}

const answered = (status: number): unknown => expect.objectContaining({ kind: 'response', status });
const refused = { kind: 'failed', reason: 'connection_refused' };

describe('a fault of this machine', () => {
  it.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EADDRINUSE', 'ENETDOWN', 'EACCES', 'EPERM'])(
    'DELIV-18 %s is none of the endpoint, and told as what it is',
    async (code) => {
      const { faults, send } = egressWith({ connect: () => failing(code) });
      expect(await send()).toEqual({ kind: 'failed', reason: 'local_fault', fault: code });
      expect(faults).toMatchObject([{ code, message: expect.stringContaining(`could not be sent: ${code}, `) }]);
    },
  );

  it.each(['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE'])(
    'DELIV-18 OP-10 %s is the endpoint',
    async (code) => {
      const { faults, send } = egressWith({ connect: () => failing(code) });
      expect(await send()).toEqual(refused);
      expect(faults).toEqual([]);
    },
  );

  it('DELIV-18 is one when a connection, its client or a look-up throws', async () => {
    const boom = (): never => {
      throw new TypeError('boom');
    };
    for (const options of [{ connect: boom }, { resolve: boom }, { resolve: async () => boom() }]) {
      const { egress, faults, send } = egressWith(options);
      expect(await send()).toEqual({ kind: 'failed', reason: 'local_fault', fault: 'TypeError' });
      expect(faults).toMatchObject([{ message: expect.stringContaining('boom') }]);
      if (options.resolve !== undefined) {
        expect(await egress.inspect('https://hooks.example/in', 1_000)).toBe('local_fault');
      }
    }
    const { dispatch } = Client.prototype;
    try {
      Client.prototype.dispatch = boom;
      const { clock, send } = egressWith({ connect: () => silentConnection() });
      expect(await send()).toEqual({ kind: 'failed', reason: 'local_fault', fault: 'TypeError' });
      await clock.advance(10_000);
      expect(clock.pendingTimers).toBe(0);
    } finally {
      Client.prototype.dispatch = dispatch;
    }
  });

  it('DELIV-18 is not what another address answered', async () => {
    const endpoint = await plainEndpoint();
    endpoint.onRequest = (connection) => connection.answer(204);
    const good = new RecordingDialer(endpoint.port);
    const connect: Dial = (address, port) => (address === A ? failing('EADDRNOTAVAIL') : good.dial(address, port));
    expect(await egressWith({ connect, resolve: () => [A, B] }).send()).toEqual(answered(204));
    const nobody: Dial = (address) => failing(address === A ? 'ECONNREFUSED' : 'EADDRNOTAVAIL');
    const { faults, send } = egressWith({ connect: nobody, resolve: () => [A, B] });
    expect(await send()).toEqual(refused);
    expect(faults).toEqual([]);
  });

  it('DELIV-18 closes what serves nobody, so that the next attempt has room', async () => {
    const endpoint = await plainEndpoint();
    endpoint.onRequest = (connection) => connection.answer(204);
    const good = new RecordingDialer(endpoint.port);
    const connect: Dial = (address, port) => (port === 80 ? good.dial(address, port) : failing('EMFILE'));
    const { clock, send } = egressWith({ connect });
    expect(await send()).toEqual(answered(204));
    const connection = await endpoint.connection();
    expect(await send({ url: 'http://hooks.example:81/in' })).toMatchObject({ fault: 'EMFILE' });
    await connection.closed;
    expect(good.sockets[0]?.destroyed).toBe(true);
    expect(await send()).toEqual(answered(204));
    // For a while nothing is kept for later; then as ever.
    expect(good.sockets[1]?.destroyed).toBe(true);
    await clock.advance(5_000);
    expect(await send()).toEqual(answered(204));
    expect(good.sockets[2]?.destroyed).toBe(false);
  });

  it('DELIV-18 is told once a minute, with how often it was seen', async () => {
    let code = 'EMFILE';
    const { clock, faults, send } = egressWith({ connect: () => failing(code) });
    for (let n = 0; n < 50; n++) await send();
    expect(faults).toHaveLength(1);
    code = 'ENOMEM';
    await send();
    expect(faults.map((fault) => fault.code)).toEqual(['EMFILE', 'ENOMEM']);
    code = 'EMFILE';
    await clock.advance(60_000);
    await send();
    expect(faults[2]?.message).toContain('; 49 more in the last minute');
  });

  it('DELIV-18 is one where no name server can be asked', async () => {
    const refusing = (): Promise<never> => Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
    const missing = (): Promise<never> => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }));
    type Answer = () => Promise<string[]>;
    const query = (resolve4: Answer, resolve6: Answer): Promise<readonly string[]> =>
      queryBothFamilies({ resolve4, resolve6 } as never, 'hooks.example');
    await expect(query(refusing, refusing)).rejects.toMatchObject({ code: 'ENONAMESERVER' });
    await expect(query(missing, refusing)).rejects.toMatchObject({ code: 'ENONAMESERVER' });
    expect(await query(async () => [A], refusing)).toEqual([A]);
    expect(await query(missing, missing)).toEqual([]);
    const { faults, send } = egressWith({ resolve: () => query(refusing, refusing) });
    expect(await send()).toEqual({ kind: 'failed', reason: 'local_fault', fault: 'ENONAMESERVER' });
    expect(faults).toHaveLength(1);
  });
});

describe('deliveries that cannot be sent from here', () => {
  it('DELIV-18 DELIV-06 DELIV-13 are tried again for as long as it takes, without attempts, suspension or a dead letter', async () => {
    let broken = true;
    const server = webhookServer({
      retry: { attempts: 2, windowMs: 60_000 },
      suspension: { minAttempts: 1 },
      egress: {
        resolve: () => [A],
        connect: (address, port) => (broken ? failing('EMFILE') : server.recorder.dial(address, port)),
      },
    });
    const handle = server.events.define('counted', { ...counted, retention: { maxAgeMs: 1e9 } });
    const { id } = await server.subscribe('counted');
    await handle.emit({ n: 1 });
    await settle();
    const lane = (): unknown => server.events.inspect().subscription(id)?.lane;
    expect(lane()).toMatchObject({ deliveries: [{ attempts: 0, localFault: 'EMFILE', lastError: null }] });
    await server.clock.advance(30 * 60_000);
    expect(lane()).toMatchObject({ failingSince: null, suspendedSince: null, lastError: null });
    // Each kind is told once a minute at most.
    expect(server.errors.length).toBeLessThanOrEqual(31);
    expect(new Set(server.errors.map(({ stage }) => stage))).toEqual(new Set(['webhooks']));
    broken = false;
    await server.clock.advance(75_000);
    expect(postedNumbers(server)).toEqual([1]);
    expect(await server.events.deadLetters()).toEqual([]);
  });

  it('DELIV-18 DELIV-07 keep what is left of the time and attempts they had', async () => {
    let broken = false;
    const server = webhookServer({
      retry: { attempts: 3, windowMs: 60_000, firstDelayMs: 5_000 },
      egress: {
        resolve: () => [A],
        connect: (address, port) => (broken ? failing('EMFILE') : server.recorder.dial(address, port)),
      },
    });
    const handle = server.events.define('counted', { ...counted, retention: { maxAgeMs: 1e9 } });
    await server.subscribe('counted');
    server.recorder.answer = () => ({ status: 500, headers: { connection: 'close' } });
    await handle.emit({ n: 1 });
    await settle();
    broken = true;
    await server.clock.advance(10 * 60_000);
    expect(server.recorder.events).toHaveLength(1);
    broken = false;
    await server.clock.advance(75_000);
    expect(server.recorder.events.length).toBeGreaterThanOrEqual(2);
    await server.clock.advance(75_000);
    expect(server.recorder.events).toHaveLength(3);
    expect(await server.events.deadLetters()).toHaveLength(1);
  });

  it('DELIV-18 are not lost when a function of the operator throws on the way, or says what it may not', async () => {
    const answers = [
      () => {
        throw new Error('no luck');
      },
      () => Number.NaN,
      () => 2,
      () => 'half' as never,
    ];
    const server = webhookServer({ random: () => (answers.shift() ?? (() => 0.5))() });
    const handle = server.events.define('counted', counted);
    await server.subscribe('counted');
    server.recorder.answer = () => (server.recorder.events.length < 5 ? 500 : 204);
    await handle.emit({ n: 1 });
    await server.clock.advance(900_000);
    expect(postedNumbers(server)).toEqual([1, 1, 1, 1, 1]);
    expect(server.errors.map(({ stage }) => stage)).toEqual(Array.from({ length: 4 }, () => 'webhooks.random'));
  });

  it('DELIV-18 VERIFY-01 a challenge that cannot be sent is no answer of the endpoint, and no document is known to be missing', async () => {
    let broken = true;
    const recorder = new SecureRecorder();
    const server = secureServer({
      egress: { connect: (...to) => (broken ? failing('EMFILE') : recorder.dial(...to)) },
    });
    server.events.define('counted', counted);
    const { error } = await server.trySubscribe('counted', { url: STRANGER });
    expect(error).toMatchObject({ code: -32603, message: expect.stringContaining('could not be asked at the moment') });
    broken = false;
    expect((await server.trySubscribe('counted', { url: STRANGER })).error).toBe(undefined);
    expect(recorder.requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
  });

  it('DELIV-18 VERIFY-01 a look-up that cannot be made is no answer of the endpoint', async () => {
    const recorder = new SecureRecorder();
    let broken = true;
    const resolve = (): string[] => {
      if (broken) throw new TypeError('boom');
      return [A];
    };
    const server = secureServer({ egress: { connect: recorder.dial, resolve } });
    server.events.define('counted', counted);
    const { error } = await server.trySubscribe('counted', { url: STRANGER });
    expect(error).toMatchObject({ code: -32603, message: expect.stringContaining('could not be asked at the moment') });
    expect(recorder.requests).toEqual([]);
    broken = false;
    expect((await server.trySubscribe('counted', { url: STRANGER })).error).toBe(undefined);
  });

  it('DELIV-18 a runtime that cannot send is told when the server is set up', () => {
    expect(() => assertCanSend()).not.toThrow();
    expect(() => assertCanSend({ 'Client.dispatch of undici': undefined, other: () => {} })).toThrow(
      'webhooks cannot be sent in this runtime, which lacks Client.dispatch of undici: run the server with Node.js, or leave out the webhooks option',
    );
  });
});

describe('a process that was stopped', () => {
  it('DELIV-19 takes the answer that lies in its socket, not the time that passed', async () => {
    const endpoint = await plainEndpoint();
    const { clock, send } = egressWith({ connect: new RecordingDialer(endpoint.port).dial });
    const sending = send();
    const connection = await endpoint.connection();
    await connection.request();
    connection.answer(204);
    clock.freeze(5_000);
    expect(await sending).toEqual(answered(204));
    expect(clock.pendingTimers).toBe(1);
  });

  it('DELIV-19 gives as much time again as it was late, once', async () => {
    const endpoint = await plainEndpoint();
    const { clock, send } = egressWith({ connect: new RecordingDialer(endpoint.port).dial });
    const late = send();
    const first = await endpoint.connection();
    await first.request();
    clock.freeze(7_000);
    await clock.advance(1_999);
    first.answer(204);
    expect(await late).toEqual(answered(204));

    const never = send();
    await first.request();
    clock.freeze(3_600_000);
    await clock.advance(4_999);
    let over = false;
    void never.then(() => (over = true));
    await settle();
    expect(over).toBe(false);
    await clock.advance(1);
    expect(await never).toEqual({ kind: 'failed', reason: 'timeout' });
  });

  it('DELIV-19 takes a connection that was accepted meanwhile, and asks no other address', async () => {
    const endpoint = await plainEndpoint();
    endpoint.onRequest = (connection) => connection.answer(204);
    const dialer = new RecordingDialer(endpoint.port);
    const { clock, send } = egressWith({ connect: dialer.dial, resolve: () => [A, B] });
    const sending = send();
    // The system connects while the process stands still.
    clock.freeze(2_500);
    expect(await sending).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 80`]);
  });
});

describe('answers without an end', () => {
  const EARLY = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';

  it.each([
    [5, answered(204)],
    [6, refused],
  ])('SSRF-13 %s answers before the answer', async (count, expected) => {
    const endpoint = await plainEndpoint();
    const { send } = egressWith({ connect: new RecordingDialer(endpoint.port).dial });
    const sending = send();
    const connection = await endpoint.connection();
    await connection.request();
    connection.socket.write(EARLY.repeat(count));
    connection.answer(204);
    expect(await sending).toEqual(expected);
    if (expected === refused) await connection.closed;
  });

  it('SSRF-13 are cut though nothing of them is told by the parser', async () => {
    const endpoint = await plainEndpoint();
    const { clock, send } = egressWith({ connect: new RecordingDialer(endpoint.port).dial });
    const sending = send({ method: 'GET', maxResponseBytes: 1_000 });
    const connection = await endpoint.connection();
    await connection.request();
    connection.socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;');
    let over = false;
    const done = sending.then((result) => {
      over = true;
      return result;
    });
    const noise = Buffer.alloc(64 * 1024, 'a');
    for (let chunk = 0; chunk < 9 && !over; chunk++) {
      connection.socket.write(noise);
      await clock.advance(500);
      await settle(50);
    }
    expect(await done).toEqual(refused);
    await connection.closed;
  });
});

describe('the name servers of this machine', () => {
  it('SSRF-12 are read again after a while, and at once when none answers', async () => {
    const clock = new FakeClock();
    let servers = 0;
    let reachable = true;
    const resolve = resolvePublicNames(clock, () => {
      const own = String(++servers);
      const answer = (): Promise<string[]> =>
        reachable
          ? Promise.resolve([`93.184.215.${own}`])
          : Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
      return { resolve4: answer, resolve6: () => Promise.reject(new Error('ENODATA')) } as never;
    });
    expect(await resolve('a.example')).toEqual(['93.184.215.1']);
    await clock.advance(9_999);
    expect(await resolve('b.example')).toEqual(['93.184.215.1']);
    await clock.advance(1);
    expect(await resolve('c.example')).toEqual(['93.184.215.2']);
    reachable = false;
    await expect(resolve('d.example')).rejects.toMatchObject({ code: 'ENONAMESERVER' });
    reachable = true;
    expect(await resolve('e.example')).toEqual(['93.184.215.3']);
  });
});

import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Connections } from '../src/delivery/webhook/egress/connections.ts';
import type { Connection } from '../src/delivery/webhook/egress/connection.ts';
import type { CallbackTarget } from '../src/delivery/webhook/egress/callbackTarget.ts';
import { parseCallbackTarget } from '../src/delivery/webhook/egress/callbackTarget.ts';
import { failureOf } from '../src/delivery/webhook/egress/dial.ts';
import { Egress } from '../src/delivery/webhook/egress/egress.ts';
import type { EgressOptions, EgressRequest, EgressResult } from '../src/delivery/webhook/egress/egress.ts';
import { queryBothFamilies, shareLookups } from '../src/delivery/webhook/egress/resolve.ts';
import { createAuthority, selfSigned } from './kit/certificates.ts';
import type { Authority } from './kit/certificates.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { RawEndpoint } from './kit/rawEndpoint.ts';
import { RecordingDialer } from './kit/recordingDialer.ts';

const A = '93.184.215.14';
const B = '93.184.215.15';
const V6 = '2606:2800:21f:cb07::1';
const URL_ = 'https://hooks.example/in';

const failed = (reason: string): unknown => ({ kind: 'failed', reason });
const answered = (status: number): unknown => expect.objectContaining({ kind: 'response', status });

let authority: Authority;
beforeAll(async () => {
  authority = await createAuthority();
});

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});
function closing<T extends { close(): Promise<void> }>(resource: T): T {
  opened.push(resource);
  return resource;
}

/** A receiver with a valid certificate for `hosts`, which answers 204 to everything unless told otherwise. */
async function receiver(hosts: readonly string[] = ['hooks.example'], expired = false): Promise<RawEndpoint> {
  const endpoint = closing(await RawEndpoint.listen(await authority.issue(hosts, { expired })));
  endpoint.onRequest = (connection) => connection.answer(204);
  return endpoint;
}

/** An egress whose resolver answers what `answers` says at the time. */
function egressTo(
  dialer: RecordingDialer,
  answers: readonly string[] | (() => readonly string[]),
  more: Partial<EgressOptions> = {},
) {
  const clock = new FakeClock();
  const resolve = typeof answers === 'function' ? answers : (): readonly string[] => answers;
  const egress = closing(new Egress({ clock, resolve, connect: dialer.dial, tls: { ca: authority.cert }, ...more }));
  const send = (more: Partial<EgressRequest> = {}): Promise<EgressResult> =>
    egress.send({
      method: 'POST',
      url: URL_,
      headers: { 'content-type': 'application/json' },
      body: '{"eventId":"e1"}',
      timeoutMs: 5_000,
      maxResponseBytes: 0,
      trusted: false,
      ...more,
    });
  return { clock, egress, send };
}

describe('the checked address', () => {
  it('SSRF-04 is dialled, with the name in Host and in the TLS handshake', async () => {
    const endpoint = closing(await RawEndpoint.listen(await authority.issue(['hooks.example'])));
    const dialer = new RecordingDialer().route(A, endpoint.port);
    const { send } = egressTo(dialer, [A]);
    const sending = send({ url: 'https://hooks.example:8443/in?a=1' });
    const connection = await endpoint.connection();
    const { head, body } = await connection.request();
    connection.answer(200);
    expect(await sending).toEqual(answered(200));
    expect(dialer.dialled).toEqual([`${A} 8443`]);
    expect(connection.servername).toBe('hooks.example');
    expect(head).toContain('host: hooks.example:8443');
    expect([head[0], body]).toEqual(['POST /in?a=1 HTTP/1.1', '{"eventId":"e1"}']);
  });

  it('DELIV-15 gets the given headers and those of the connection, nothing else', async () => {
    const endpoint = closing(await RawEndpoint.listen(await authority.issue(['hooks.example'])));
    const { send } = egressTo(new RecordingDialer(endpoint.port), [A]);
    const sending = send({ headers: { 'content-type': 'application/json', 'webhook-id': 'msg_1' } });
    const connection = await endpoint.connection();
    const { head } = await connection.request();
    connection.answer(200, '', 'set-cookie: a=b');
    await sending;
    const again = send({ headers: { 'webhook-id': 'msg_2' } });
    const { head: secondHead } = await connection.request();
    connection.answer(200);
    await again;
    const namesOf = (lines: readonly string[]): string[] => lines.slice(1).map((line) => line.replace(/:.*/, ''));
    expect(namesOf(head)).toEqual(['host', 'connection', 'content-type', 'webhook-id', 'content-length']);
    expect(namesOf(secondHead)).toEqual(['host', 'connection', 'webhook-id', 'content-length']);
  });

  it('SSRF-03 is looked up at each attempt: public first, private later', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer(endpoint.port);
    let answer = [A];
    const { send } = egressTo(dialer, () => answer);
    expect(await send()).toEqual(answered(204));
    answer = ['169.254.169.254'];
    expect(await send()).toEqual(failed('blocked'));
    answer = [A, '10.0.0.1'];
    expect(await send()).toEqual(failed('blocked'));
    expect(dialer.dialled).toEqual([`${A} 443`]);
    expect(endpoint.connections).toHaveLength(1);
  });

  it('SSRF-03 stays what it was checked as when the resolver changes its answer afterwards', async () => {
    const dialer = new RecordingDialer('hang');
    const answer = [A];
    const { clock, send } = egressTo(dialer, () => answer, { maxSocketsPerOrigin: 1 });
    const first = send();
    const second = send();
    answer[0] = '10.0.0.1';
    await clock.advance(5_000);
    expect(await Promise.all([first, second])).toEqual([failed('timeout'), failed('timeout')]);
    expect(new Set(dialer.dialled)).toEqual(new Set([`${A} 443`]));
  });

  it('SSRF-03 SSRF-04 is the one of this attempt when answers alternate, also for pooled connections', async () => {
    const first = await receiver();
    const second = await receiver();
    const dialer = new RecordingDialer().route(A, first.port).route(B, second.port);
    let turn = 0;
    const { send } = egressTo(dialer, () => (turn++ % 2 === 0 ? [A] : [B]));
    for (let i = 0; i < 6; i++) expect(await send()).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`]);
    expect([first.connections.length, second.connections.length]).toEqual([1, 1]);
  });

  it('SSRF-03 ends the use of a pooled connection when its address left the answer', async () => {
    const first = await receiver();
    const second = await receiver();
    const dialer = new RecordingDialer().route(A, first.port).route(B, second.port);
    let answer = [A];
    const { clock, send } = egressTo(dialer, () => answer);
    await send();
    answer = [B, V6];
    await send();
    await send();
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`]);
    await clock.advance(4_500);
    await first.connections[0]?.closed;
    answer = [A];
    await send();
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`, `${A} 443`]);
  });

  it('SSRF-04 is not replaced by the one of a connection that becomes free for somebody who waits', async () => {
    const first = closing(await RawEndpoint.listen(await authority.issue(['hooks.example'])));
    const second = await receiver();
    const dialer = new RecordingDialer().route(A, first.port).route(B, second.port);
    let answer = [A];
    const { send } = egressTo(dialer, () => answer, { maxSocketsPerOrigin: 1 });
    const running = send();
    const connection = await first.connection();
    await connection.request();
    answer = [B];
    const waiting = send();
    await settle();
    expect(dialer.dialled).toEqual([`${A} 443`]);
    connection.answer(200);
    expect(await running).toEqual(answered(200));
    expect(await waiting).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`]);
    await connection.closed;
    answer = [A];
    first.onRequest = (again) => again.answer(202);
    expect(await send()).toEqual(answered(202));
  });

  it('SSRF-04 is one of several: the next is tried when nothing was sent to the one before', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer('refuse').route(V6, endpoint.port);
    const { send } = egressTo(dialer, [A, B, V6]);
    expect(await send()).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`, `${V6} 443`]);
    dialer.route(V6, 'refuse');
    expect(await send()).toEqual(answered(204));
    endpoint.connections[0]?.socket.destroy();
    await settle();
    expect(await send()).toEqual(failed('connection_refused'));
  });

  it('SSRF-04 is one of three at most, however many the resolver answers', async () => {
    const many = Array.from({ length: 50 }, (_, n) => `93.184.215.${n}`);
    const refusing = new RecordingDialer('refuse');
    expect(await egressTo(refusing, many).send()).toEqual(failed('connection_refused'));
    expect(refusing.dialled).toEqual(['93.184.215.0 443', '93.184.215.1 443', '93.184.215.2 443']);
    const silent = new RecordingDialer('hang');
    const { clock, send } = egressTo(silent, many);
    const sending = send();
    await clock.advance(1_600);
    expect(silent.dialled).toHaveLength(1);
    await clock.advance(3_400);
    expect(await sending).toEqual(failed('timeout'));
    expect(silent.dialled).toHaveLength(3);
  });

  it('SSRF-04 gets its share of the time limit when it is silent and there is another', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer().route(A, 'hang').route(B, endpoint.port);
    const { clock, send } = egressTo(dialer, [A, B]);
    const sending = send();
    await clock.advance(2_499);
    expect(dialer.dialled).toEqual([`${A} 443`]);
    await clock.advance(1);
    expect(await sending).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`]);
    expect(dialer.sockets[0]?.destroyed).toBe(true);
  });

  it('SSRF-04 keeps the whole time limit once it is connected', async () => {
    const endpoint = closing(await RawEndpoint.listen(await authority.issue(['hooks.example'])));
    const dialer = new RecordingDialer(endpoint.port);
    const { clock, send } = egressTo(dialer, [A, B]);
    const sending = send();
    const connection = await endpoint.connection();
    await connection.request();
    await clock.advance(4_999);
    connection.answer(200);
    expect(await sending).toEqual(answered(200));
    expect(dialer.dialled).toEqual([`${A} 443`]);
  });

  it('SSRF-04 is dialled although idle connections to another one take all the room', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer(endpoint.port);
    let answer = [A];
    const { send } = egressTo(dialer, () => answer, { maxSocketsPerOrigin: 1 });
    await send();
    answer = [B];
    expect(await send()).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`, `${B} 443`]);
    expect(dialer.sockets[0]?.destroyed).toBe(true);
  });

  it('SSRF-04 is the last one tried once the request went out', async () => {
    const endpoint = await receiver();
    endpoint.onRequest = ({ socket }) => socket.destroy();
    const dialer = new RecordingDialer(endpoint.port);
    const { send } = egressTo(dialer, [A, B]);
    expect(await send()).toEqual(failed('connection_refused'));
    expect(dialer.dialled).toEqual([`${A} 443`]);
  });
});

describe('certificates', () => {
  it.each([
    ['no names but the common one', []],
    ['addresses as names beside it', ['192.0.2.7']],
  ])('SSRF-10 with %s are refused', async (_, names) => {
    const pair = await authority.issue(names, { commonName: 'hooks.example' });
    const endpoint = closing(await RawEndpoint.listen(pair));
    endpoint.onRequest = (connection) => connection.answer(204);
    const { send } = egressTo(new RecordingDialer(endpoint.port), [A]);
    expect(await send()).toEqual(failed('tls_error'));
  });

  it('SSRF-04 are refused for another name', async () => {
    const endpoint = await receiver(['other.example', A]);
    const { send } = egressTo(new RecordingDialer(endpoint.port), [A]);
    expect(await send()).toEqual(failed('tls_error'));
  });

  it('SSRF-04 are refused when expired', async () => {
    const endpoint = await receiver(['hooks.example'], true);
    const { send } = egressTo(new RecordingDialer(endpoint.port), [A]);
    expect(await send()).toEqual(failed('tls_error'));
  });

  it('SSRF-04 are refused from an unknown authority, also for vouched origins and whatever the environment says', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const endpoint = closing(await RawEndpoint.listen(await selfSigned('hooks.example')));
    const { send } = egressTo(new RecordingDialer(endpoint.port), [A]);
    expect(await send()).toEqual(failed('tls_error'));
    expect(await send({ trusted: true })).toEqual(failed('tls_error'));
  });

  it('SSRF-04 are checked for the address where the host is one', async () => {
    const endpoint = await receiver([A, V6]);
    const dialer = new RecordingDialer(endpoint.port);
    const { send } = egressTo(dialer, []);
    expect(await send({ url: `https://${A}/in` })).toEqual(answered(204));
    expect(await send({ url: `https://[${V6}]/in` })).toEqual(answered(204));
    expect(await send({ url: `https://${B}/in` })).toEqual(failed('tls_error'));
    expect(dialer.dialled).toEqual([`${A} 443`, `${V6} 443`, `${B} 443`]);
    expect(endpoint.connections[0]?.servername).toBe(false);
  });

  it('SSRF-04 are checked without the trailing dot of a host name', async () => {
    const endpoint = await receiver();
    const { send } = egressTo(new RecordingDialer(endpoint.port), [A]);
    expect(await send({ url: 'https://hooks.example./in' })).toEqual(answered(204));
    expect(endpoint.connections[0]?.servername).toBe('hooks.example');
  });

  it('OP-10 calls failed handshakes of every kind tls_error', async () => {
    const plain = closing(await RawEndpoint.listen());
    const { send } = egressTo(new RecordingDialer(plain.port), [A]);
    const sending = send();
    (await plain.connection()).socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    expect(await sending).toEqual(failed('tls_error'));

    const pair = await authority.issue(['hooks.example']);
    const otherProtocol = closing(await RawEndpoint.listen({ ...pair, ALPNProtocols: ['h2'] }));
    const other = egressTo(new RecordingDialer(otherProtocol.port), [A]);
    expect(await other.send()).toEqual(failed('tls_error'));

    // With TLS 1.3 the refusal of a missing client certificate arrives when the handshake is over on this side.
    expect(failureOf({ code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' })).toBe('tls_error');
  });
});

describe('pooled connections', () => {
  it('SSRF-03 serve request after request while their address is in the answer', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer(endpoint.port);
    const answers = [[A, B], [B, A], [A], [V6, A]];
    const { send } = egressTo(dialer, () => answers.shift() ?? [A]);
    for (let i = 0; i < 10; i++) expect(await send()).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`]);
  });

  it('SSRF-04 are never shared by origins on one address', async () => {
    const endpoint = await receiver(['a.example', 'b.example']);
    const dialer = new RecordingDialer(endpoint.port);
    const { send } = egressTo(dialer, [A]);
    const urls = ['https://a.example/', 'https://b.example/', 'https://a.example:444/', 'https://a.example/other'];
    for (const url of urls) expect(await send({ url })).toEqual(answered(204));
    expect(dialer.dialled).toEqual([`${A} 443`, `${A} 443`, `${A} 444`]);
    expect(endpoint.connections.map(({ servername }) => servername)).toEqual(['a.example', 'b.example', 'a.example']);
  });

  it('SSRF-03 are replaced when the receiver closed them meanwhile', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer(endpoint.port);
    const { send } = egressTo(dialer, [A]);
    await send();
    endpoint.connections[0]?.socket.end();
    await endpoint.connections[0]?.closed;
    expect(await send()).toEqual(answered(204));
    endpoint.onRequest = (connection) => connection.answer(200, '', 'connection: close');
    expect(await send()).toEqual(answered(200));
    expect(await send()).toEqual(answered(200));
    expect(dialer.dialled).toEqual(Array(3).fill(`${A} 443`));
  });

  it('SSRF-08 are bounded per origin; whoever waits is served in order or runs into its own time limit', async () => {
    const endpoint = closing(await RawEndpoint.listen(await authority.issue(['hooks.example'])));
    const dialer = new RecordingDialer(endpoint.port);
    const { clock, send } = egressTo(dialer, [A], { maxSocketsPerOrigin: 2 });
    const sends = [1, 2, 3, 4, 5].map((n) => send({ body: String(n), timeoutMs: n === 5 ? 1_000 : 5_000 }));
    const [first, second] = [await endpoint.connection(), await endpoint.connection()];
    expect([(await first.request()).body, (await second.request()).body].toSorted()).toEqual(['1', '2']);
    first.answer(200);
    expect((await first.request()).body).toBe('3');
    await clock.advance(1_000);
    expect(await sends[4]).toEqual(failed('timeout'));
    second.answer(200);
    expect((await second.request()).body).toBe('4');
    first.answer(200);
    second.answer(200);
    expect(await Promise.all(sends.slice(0, 4))).toEqual(Array(4).fill(answered(200)));
    expect(dialer.dialled).toHaveLength(2);
  });

  it('SSRF-08 are 64 per origin by default', async () => {
    const dialer = new RecordingDialer('hang');
    const { clock, egress, send } = egressTo(dialer, [A]);
    const sends = Array.from({ length: 100 }, () => send());
    const elsewhere = send({ url: 'https://other.example/' });
    await settle();
    expect(dialer.dialled).toHaveLength(64 + 1);
    await egress.close();
    expect(await Promise.all([...sends, elsewhere])).toEqual(Array(101).fill(failed('connection_refused')));
    expect(dialer.sockets.every(({ destroyed }) => destroyed)).toBe(true);
    expect(dialer.dialled).toHaveLength(64 + 1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('SSRF-08 are closed when idle for some seconds, and no timer stays behind', async () => {
    const endpoint = await receiver();
    const dialer = new RecordingDialer(endpoint.port);
    const { clock, send } = egressTo(dialer, [A]);
    const openSockets = (): number => dialer.sockets.filter(({ destroyed }) => !destroyed).length;
    await Promise.all([send(), send(), send()]);
    await clock.advance(2_000);
    await send();
    expect(openSockets()).toBe(3);
    await clock.advance(2_000);
    expect(openSockets()).toBe(1);
    await clock.advance(2_500);
    expect(openSockets()).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('SSRF-08 are bounded over all origins where they serve no attempt', () => {
    const settings = { dial: new RecordingDialer().dial, secureContext: {} as never };
    const connections = new Connections(new FakeClock(), settings, 1);
    const acquire = (count: number): Connection[] => {
      const used: Connection[] = [];
      for (let n = 0; n < count; n++) {
        const target = parseCallbackTarget(`https://h${n}.example/`) as CallbackTarget;
        connections.acquire({
          target,
          addresses: [A],
          use: (connection) => used.push(connection),
          refuse: () => {},
          break: () => {},
        });
      }
      return used;
    };
    const openOf = (all: readonly Connection[]): Connection[] => all.filter(({ client }) => !client.destroyed);
    const first = acquire(1_100);
    expect(openOf(first)).toHaveLength(1_100);
    for (const connection of first) connections.release(connection);
    expect(openOf(first)).toEqual(first.slice(0, 1_024));

    // Used again and closed, they make room for others; what is closed does not come back.
    const second = acquire(1_024);
    expect(second).toEqual(first.slice(0, 1_024));
    for (const connection of second) connections.release(connection);
    expect(openOf(second)).toHaveLength(1_024);
    for (const connection of second) connections.destroy(connection);
    for (const connection of second) connections.release(connection);
    const third = acquire(1_024);
    expect(openOf(third)).toHaveLength(1_024);
    for (const connection of third) connections.release(connection);
    expect(openOf(third)).toHaveLength(1_024);
    connections.close();
    expect(openOf(third)).toHaveLength(0);
  });

  it('SSRF-08 that were cut are not used again although their answer ended', () => {
    const settings = { dial: new RecordingDialer().dial, secureContext: {} as never };
    const connections = new Connections(new FakeClock(), settings, 2);
    const used: Connection[] = [];
    const target = parseCallbackTarget(URL_) as CallbackTarget;
    const user = {
      target,
      addresses: [A],
      use: (connection: Connection) => used.push(connection),
      refuse: () => {},
      break: () => {},
    };
    for (let n = 0; n < 2; n++) connections.acquire(user);
    const [cut, other] = used as [Connection, Connection];
    connections.destroy(cut);
    connections.acquire(user);
    connections.acquire({ ...user });
    connections.release(cut);
    expect(used).toHaveLength(3);
    connections.release(other);
    expect(used[3]).toBe(other);
    connections.close();
  });

  it('SSRF-04 are not opened any more once the egress is closed', async () => {
    const dialer = new RecordingDialer();
    const { clock, egress, send } = egressTo(dialer, [A, B]);
    await egress.close();
    expect(await send()).toEqual(failed('connection_refused'));
    expect(dialer.dialled).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('name resolution', () => {
  it('OP-10 that fails or answers nothing is connection_refused', async () => {
    const dialer = new RecordingDialer();
    const answers: (() => Promise<readonly string[]> | readonly string[])[] = [
      () => {
        throw new Error('ENOTFOUND');
      },
      () => Promise.reject(new Error('ENOTFOUND')),
      () => [],
      () => undefined as never,
    ];
    for (const resolve of answers) {
      const { egress, send } = egressTo(dialer, [], { resolve });
      expect(await send()).toEqual(failed('connection_refused'));
      expect(await egress.inspect(URL_, 1_000)).toBe('unresolvable');
    }
    expect(dialer.dialled).toEqual([]);
  });

  it('SSRF-03 that hangs counts against the time limit, and an answer that comes too late opens nothing', async () => {
    const dialer = new RecordingDialer();
    const late: ((addresses: readonly string[]) => void)[] = [];
    const resolve = (): Promise<readonly string[]> => new Promise((settle) => late.push(settle));
    const { clock, egress, send } = egressTo(dialer, [], { resolve });
    const sending = send();
    const inspecting = egress.inspect(URL_, 2_000);
    await clock.advance(2_000);
    expect(await inspecting).toBe('unresolvable');
    await clock.advance(3_000);
    expect(await sending).toEqual(failed('timeout'));
    for (const answer of late) answer([A]);
    await settle();
    expect(dialer.dialled).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('SSRF-03 by this machine is asked once for simultaneous attempts and again after a second', async () => {
    const clock = new FakeClock();
    const asked: string[] = [];
    const resolve = shareLookups(clock, async (hostname) => {
      asked.push(hostname);
      if (hostname === 'gone.example') throw new Error('ENOTFOUND');
      return [asked.length === 1 ? A : B];
    });
    expect(await Promise.all([resolve('a.example'), resolve('a.example')])).toEqual([[A], [A]]);
    await clock.advance(999);
    expect(await resolve('a.example')).toEqual([A]);
    await expect(resolve('gone.example')).rejects.toThrow('ENOTFOUND');
    await expect(resolve('gone.example')).rejects.toThrow('ENOTFOUND');
    expect(asked).toEqual(['a.example', 'gone.example']);
    await clock.advance(1);
    expect(await resolve('a.example')).toEqual([B]);
    await clock.advance(1_000);
    await expect(resolve('gone.example')).rejects.toThrow('ENOTFOUND');
    expect(asked).toEqual(['a.example', 'gone.example', 'a.example', 'gone.example']);
  });

  it('SSRF-02 by the DNS takes the addresses of both families, and one of them where the other fails', async () => {
    const fails = (): Promise<never> => Promise.reject(new Error('ENODATA'));
    const four = async (): Promise<string[]> => [A, B];
    const six = async (): Promise<string[]> => [V6];
    const query = (resolve4: () => Promise<string[]>, resolve6: () => Promise<string[]>) =>
      queryBothFamilies({ resolve4, resolve6 } as never, 'hooks.example');
    expect(await query(four, six)).toEqual([A, B, V6]);
    expect(await query(four, fails)).toEqual([A, B]);
    expect(await query(fails, six)).toEqual([V6]);
    expect(await query(fails, fails)).toEqual([]);
  });

  it('SSRF-02 by this machine serves the names the operator vouches for', async () => {
    const endpoint = closing(await RawEndpoint.listen());
    endpoint.onRequest = (connection) => connection.answer(204);
    const dialer = new RecordingDialer(endpoint.port);
    const { send } = egressTo(dialer, [], { resolve: undefined });
    expect(await send({ url: 'http://localhost/in', trusted: true })).toEqual(answered(204));
    expect(dialer.dialled[0]).toMatch(/^(127\.0\.0\.1|::1) 80$/);
  });
});

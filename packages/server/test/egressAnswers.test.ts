import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Egress } from '../src/delivery/webhook/egress/egress.ts';
import type { EgressOptions, EgressRequest, EgressResult } from '../src/delivery/webhook/egress/egress.ts';
import { FakeClock, settle } from './kit/fakeClock.ts';
import { RawEndpoint } from './kit/rawEndpoint.ts';
import type { RawConnection } from './kit/rawEndpoint.ts';
import { RecordingDialer } from './kit/recordingDialer.ts';

const failed = (reason: string): unknown => ({ kind: 'failed', reason });
const answered = (status: number): unknown => expect.objectContaining({ kind: 'response', status });
const textOf = (result: EgressResult): string =>
  result.kind === 'response' ? Buffer.from(result.body).toString('latin1') : result.reason;

/** One small piece of a body, chunk-encoded. */
const PIECE = '5\r\nhello\r\n';
const STREAMED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
});

/** A vouched origin over plain HTTP, so that a test writes the very bytes of an answer. */
async function open(more: Partial<EgressOptions> = {}) {
  const endpoint = await RawEndpoint.listen();
  const dialer = new RecordingDialer(endpoint.port);
  const clock = new FakeClock();
  const egress = new Egress({ clock, connect: dialer.dial, ...more });
  opened.push(egress, endpoint);
  const send = (more: Partial<EgressRequest> = {}): Promise<EgressResult> =>
    egress.send({
      method: 'POST',
      url: 'http://192.168.0.1/in',
      headers: {},
      body: '{}',
      timeoutMs: 5_000,
      maxResponseBytes: 0,
      trusted: true,
      ...more,
    });
  /** Sends, and waits until the endpoint has the request. */
  const exchange = async (more: Partial<EgressRequest> = {}) => {
    const result = send(more);
    const connection = await endpoint.connection();
    const request = await connection.request();
    return { result, connection, request };
  };
  return { endpoint, dialer, clock, egress, send, exchange };
}

/** Writes `piece` for as long as the connection takes it, without ever piling it up. */
function writeEndlessly({ socket }: RawConnection, piece: string): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write(piece)) continue;
  };
  socket.on('drain', write);
  write();
}

describe('answers', () => {
  it.each([301, 302, 303, 307, 308])('SSRF-05 are taken as they are: %i is not followed', async (status) => {
    const internal = await RawEndpoint.listen();
    opened.push(internal);
    const { dialer, exchange } = await open();
    dialer.route('127.0.0.1', internal.port);
    for (const maxResponseBytes of [0, 1_000]) {
      const { result, connection } = await exchange({ maxResponseBytes });
      connection.answer(status, '', `location: http://127.0.0.1/secret`, 'connection: close');
      expect(await result).toEqual(answered(status));
    }
    await settle();
    expect(dialer.dialled).toEqual(['192.168.0.1 80', '192.168.0.1 80']);
    expect(internal.connections).toHaveLength(0);
  });

  it('SSRF-08 are kept up to the limit, and cut where they go on', async () => {
    const { exchange, clock } = await open();
    const fits = await exchange({ maxResponseBytes: 5, method: 'GET' });
    fits.connection.answer(200, 'hello', 'Cache-Control: max-age=60', 'Age: 3', 'Retry-After: 7', 'retry-after: 8');
    expect(await fits.result).toEqual({
      kind: 'response',
      status: 200,
      body: expect.anything(),
      truncated: false,
      cacheControl: 'max-age=60',
      age: '3',
      retryAfter: '7',
    });
    expect(textOf(await fits.result)).toBe('hello');
    await clock.advance(4_500);
    const goesOn = await exchange({ maxResponseBytes: 7 });
    goesOn.connection.socket.write(STREAMED + PIECE + PIECE);
    expect(await goesOn.result).toMatchObject({ status: 200, truncated: true });
    expect(textOf(await goesOn.result)).toBe('hellohe');
    await goesOn.connection.closed;
  });

  it('SSRF-08 that never end are cut', async () => {
    const { exchange } = await open();
    for (const maxResponseBytes of [0, 10]) {
      const { result, connection } = await exchange({ maxResponseBytes });
      connection.socket.write(STREAMED);
      writeEndlessly(connection, `4000\r\n${'x'.repeat(0x4000)}\r\n`);
      expect(await result).toEqual(answered(200));
      await connection.closed;
    }
  });

  it('SSRF-08 that end within the limit leave their connection to the next request', async () => {
    const { exchange, send, dialer } = await open({ maxSocketsPerOrigin: 1 });
    const { result, connection } = await exchange();
    connection.answer(200, 'x'.repeat(65_536));
    await result;
    const next = send();
    await connection.request();
    connection.answer(200);
    expect(await next).toEqual(answered(200));
    expect(dialer.dialled).toHaveLength(1);
  });

  it('SSRF-08 count as soon as the status is there; a dripping body holds neither the attempt nor its connection', async () => {
    const { exchange, clock } = await open();
    const { result, connection } = await exchange();
    connection.socket.write(STREAMED);
    expect(await result).toEqual(answered(200));
    connection.socket.write(PIECE);
    await clock.advance(500);
    expect(connection.socket.destroyed).toBe(false);
    connection.socket.write(PIECE);
    await clock.advance(500);
    await connection.closed;
    expect(clock.pendingTimers).toBe(0);
  });

  it('SSRF-08 that drip are given the time limit where their body is wanted', async () => {
    const { exchange, clock } = await open();
    const { result, connection } = await exchange({ maxResponseBytes: 1_000 });
    connection.socket.write(STREAMED);
    for (let second = 1; second < 5; second++) {
      connection.socket.write(PIECE);
      await clock.advance(1_000);
    }
    expect(connection.socket.destroyed).toBe(false);
    await clock.advance(1_000);
    expect(await result).toEqual(failed('timeout'));
    await connection.closed;
  });

  it.each([
    'HTTP/1.1 200',
    'HTTP/1.1 200 OK\r\nx: ',
    'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n',
    '',
  ])('SSRF-08 whose head never ends run into the time limit: "%s"', async (start) => {
    const { exchange, clock } = await open();
    const { result, connection } = await exchange();
    connection.socket.write(start);
    await clock.advance(4_999);
    expect(connection.socket.destroyed).toBe(false);
    await clock.advance(1);
    expect(await result).toEqual(failed('timeout'));
    await connection.closed;
    expect(clock.pendingTimers).toBe(0);
  });

  it('SSRF-08 with an endless head are cut', async () => {
    const { exchange } = await open();
    const { result, connection } = await exchange();
    connection.socket.write('HTTP/1.1 200 OK\r\n');
    writeEndlessly(connection, `x-filler: ${'x'.repeat(1_000)}\r\n`);
    expect(await result).toEqual(failed('connection_refused'));
    await connection.closed;
  });

  it('SSRF-08 are never decompressed, and asked for uncompressed where they are read', async () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    const { exchange } = await open();
    const kept = await exchange({ maxResponseBytes: 65_536 });
    expect(kept.request.head).toContain('accept-encoding: identity');
    kept.connection.socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
    kept.connection.socket.write(bomb);
    expect(await kept.result).toMatchObject({ status: 200, truncated: false });
    expect(textOf(await kept.result)).toBe(bomb.toString('latin1'));
  });

  it('SSRF-08 after hints count from the real status on', async () => {
    const { exchange } = await open();
    const { result, connection } = await exchange();
    connection.socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
    connection.answer(202);
    expect(await result).toEqual(answered(202));
  });
});

describe('broken connections', () => {
  it('OP-10 reset when opened are connection_refused', async () => {
    const { endpoint, send } = await open();
    const result = send();
    (await endpoint.connection()).socket.resetAndDestroy();
    expect(await result).toEqual(failed('connection_refused'));
  });

  it.each([
    ['after the request', ''],
    ['within the head', 'HTTP/1.1 200 OK\r\ncontent-'],
    ['within a body that is wanted', `${STREAMED}${PIECE}`],
    ['within a body of known length', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello'],
  ])('OP-10 %s are connection_refused, reset or closed', async (_phase, start) => {
    for (const breakOff of ['resetAndDestroy', 'end'] as const) {
      const { exchange } = await open();
      const { result, connection } = await exchange({ maxResponseBytes: 1_000 });
      await new Promise((resolve) => connection.socket.write(start, resolve));
      connection.socket[breakOff]();
      expect(await result).toEqual(failed('connection_refused'));
    }
  });

  it('OP-10 within a body that nobody wants do not matter', async () => {
    const { exchange, send, endpoint } = await open();
    const { result, connection } = await exchange();
    connection.socket.write(STREAMED + PIECE);
    expect(await result).toEqual(answered(200));
    connection.socket.resetAndDestroy();
    await connection.closed;
    const next = send();
    (await endpoint.connection()).answer(200);
    expect(await next).toEqual(answered(200));
  });

  it.each([
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 999999 Much\r\n\r\n',
    '\0\0\0\0',
  ])('OP-10 with something else than an answer are connection_refused: %j', async (bytes) => {
    const { exchange } = await open();
    const { result, connection } = await exchange();
    connection.socket.write(bytes);
    expect(await result).toEqual(failed('connection_refused'));
    await connection.closed;
  });

  it('OP-10 that nobody accepts are connection_refused, and silent ones a timeout', async () => {
    const { dialer, clock, send } = await open();
    dialer.route('192.168.0.1', 'refuse');
    expect(await send()).toEqual(failed('connection_refused'));
    dialer.route('192.168.0.1', 'hang');
    const silent = send();
    await clock.advance(5_000);
    expect(await silent).toEqual(failed('timeout'));
    expect(dialer.sockets.at(-1)?.destroyed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it('OP-10 are results, not exceptions, whatever the request holds', async () => {
    const { send } = await open();
    const mistake = { ...(failed('local_fault') as object), fault: 'UND_ERR_INVALID_ARG' };
    expect(await send({ headers: { 'x-bad': 'line\r\nbreak' } })).toEqual(mistake);
    expect(await send({ headers: { 'bad name': '1' } })).toEqual(mistake);
  });
});

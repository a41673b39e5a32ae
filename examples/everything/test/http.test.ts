import { request } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { createEverythingServer } from '../src/everythingServer.ts';
import { serveHttp } from '../src/http.ts';
import type { HttpServer } from '../src/http.ts';

async function serve(): Promise<HttpServer> {
  const server = await createEverythingServer({ tokens: new Map(), quota: 100, controls: false });
  const http = await serveHttp(server, 0);
  onTestFinished(async () => {
    await server.close();
    await http.close();
  });
  return http;
}

it('a taken port is an error that can be told apart', async () => {
  const { url } = await serve();
  const server = await createEverythingServer({ tokens: new Map(), quota: 100, controls: false });
  await expect(serveHttp(server, Number(new URL(url).port))).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await server.close();
});

it('only names of this machine and the one path lead to the server', async () => {
  const { url } = await serve();
  const statusOf = async (to: string | URL, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(
        to,
        { method: 'POST', headers: { 'content-type': 'application/json', ...headers } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.once('error', reject).end('{}');
    });
  expect(await statusOf(url, { host: 'evil.example' })).toBe(403);
  expect(await statusOf(url, { origin: 'https://evil.example' })).toBe(403);
  expect(await statusOf(new URL('/elsewhere', url), {})).toBe(404);
  expect(await statusOf(url, {})).toBe(400);
});

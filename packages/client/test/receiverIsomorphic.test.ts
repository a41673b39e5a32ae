import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../src/receiver/', import.meta.url));
const files = readdirSync(source).filter((path) => path !== 'fileInboxStore.ts');

describe('the receiver runs everywhere', () => {
  it.each(files)('%s imports only its neighbours, the clock, the errors and the protocol', (path) => {
    const text = readFileSync(join(source, path), 'utf8');
    const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
    const allowed = /^(?:\.\/\w+\.ts|\.\.\/(?:clock|errors)\.ts|@mcp-events\/protocol)$/;
    expect(specifiers.filter((specifier) => !allowed.test(specifier) || specifier.includes('file'))).toEqual([]);
    expect(text).not.toMatch(/\b(?:Buffer|process|require|global|setImmediate)\b(?=[.([])/);
  });

  it('RECV-01 RECV-02 works where the globals of Node.js are missing', { timeout: 60_000 }, () => {
    const program = `
      for (const name of ['Buffer', 'process', 'global', 'setImmediate', 'clearImmediate']) delete globalThis[name];
      const { createWebhookSecret, decodeWebhookSecret, signWebhook } = await import('@mcp-events/protocol');
      const { WebhookReceiver } = await import('@mcp-events/client/receiver');
      const secret = createWebhookSecret();
      const body = '{"eventId":"e1","name":"n","timestamp":"t","data":{}}';
      const timestampSeconds = Math.floor(Date.now() / 1000);
      const signature = signWebhook(decodeWebhookSecret(secret), { id: 'm', timestampSeconds, body });
      const receiver = new WebhookReceiver();
      const accepted = [];
      receiver.register({ secret, id: 's', accept: ({ event }) => (accepted.push(event.eventId), 'accepted') });
      const headers = {
        'webhook-id': 'm',
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': signature,
        'x-mcp-subscription-id': 's',
      };
      const { status } = await receiver.handle(new Request('https://agent.example/', { method: 'POST', headers, body }));
      console.log(JSON.stringify([typeof process, status, accepted]));
    `;
    const flags = ['--conditions=@mcp-events/source', '--import', 'tsx', '--input-type=module', '--eval', program];
    const output = execFileSync(process.execPath, flags, { cwd: source, encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual(['undefined', 204, ['e1']]);
  });
});

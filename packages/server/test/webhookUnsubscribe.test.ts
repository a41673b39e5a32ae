import type { WebhookOptions } from '@mcp-events/server';
import { describe, expect, it } from 'vitest';
import { counted } from './kit/servers.ts';
import { TRUSTED, webhookServer } from './kit/webhookServer.ts';

describe('an unsubscribe from what is not there', () => {
  const unknown = async (webhooks: WebhookOptions, declare: boolean): Promise<unknown> => {
    const server = webhookServer(webhooks);
    server.events.define('counted', counted);
    const { error, result } = await server.unsubscribe('counted', { declare, url: `${TRUSTED}/none` });
    return error?.code ?? result.resultType;
  };

  it.each<[string, WebhookOptions['unknownUnsubscribe'], unknown]>([
    ['nothing is said', undefined, 'complete'],
    ['it is to complete', 'complete', 'complete'],
    ['it is to be told', 'notFound', -32011],
    ['a function decides by the URL', ({ url }) => (url.endsWith('/none') ? 'notFound' : 'complete'), -32011],
    ['a function gives nothing', (() => undefined) as never, 'complete'],
    [
      'a function throws',
      () => {
        throw new Error('no');
      },
      'complete',
    ],
  ])(
    'DIALECT-18 DIALECT-11 UNSUB-02 is answered per peer in the older dialect where %s',
    async (_what, option, answer) => {
      expect(await unknown({ unknownUnsubscribe: option }, false)).toBe(answer);
      expect(await unknown({ unknownUnsubscribe: option }, true)).toBe(-32023);
    },
  );

  it.each(['NotFound', 5, true, {}])('DIALECT-18 refuses %j as the option', (option) => {
    expect(() => webhookServer({ unknownUnsubscribe: option as 'notFound' })).toThrow('webhooks.unknownUnsubscribe');
  });
});
